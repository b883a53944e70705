"""The one verdict that counts neither for nor against an implementation."""

UNCOUNTED = ("extremes", "unsupported")
"""The check and its verdict: an implementation refuses to be looked at far away, where nobody asked
it. `verify` and the report both leave it out of what they say of the implementation."""
