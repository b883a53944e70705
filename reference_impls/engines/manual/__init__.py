"""Backpropagation by hand, in NumPy or CuPy: its backend, its adapter for users' functions."""
