"""Other people's checkers, one file each."""
