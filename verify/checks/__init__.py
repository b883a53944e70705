"""A case, and everything an implementation of it is held against."""
