"""One file per computation: the mathematics, then the sample and the three implementations."""
