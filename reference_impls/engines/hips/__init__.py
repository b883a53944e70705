"""HIPS autograd: its backend, its adapter for users' functions, its argmin and root as layers."""
