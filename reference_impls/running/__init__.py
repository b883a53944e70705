"""How computations are run: threads."""
