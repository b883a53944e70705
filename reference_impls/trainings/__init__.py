"""The trainings of the tutorials, one module each; `reference_impls.training` says what one is."""
