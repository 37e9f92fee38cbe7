"""Judgements of a fit that need only K-sized things."""
