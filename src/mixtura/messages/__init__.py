"""Numbers of fixed size that pass between rows, priors and engines; how arguments become them."""
