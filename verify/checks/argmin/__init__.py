"""The checks of argmin and root layers."""
