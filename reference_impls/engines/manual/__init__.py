"""Backpropagation by hand, in NumPy or CuPy."""
