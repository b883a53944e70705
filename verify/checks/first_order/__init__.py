"""The checks of values and VJPs."""
