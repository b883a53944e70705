"""The trainings of the tutorials; `reference_impls.training` says what one is.

A module has one, `TRAINING`, or several of one theme, in a tuple `TRAININGS`.
"""
