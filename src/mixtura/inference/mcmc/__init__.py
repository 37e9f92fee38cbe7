"""Markov chain Monte Carlo: Gibbs sampling, collapsed and not, and the fit of any chains' draws."""
