"""Other packages, each started from given parameters and timed at its own best."""
