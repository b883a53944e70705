"""How computations are run: on one thread, and in several processes."""
