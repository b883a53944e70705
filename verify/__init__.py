"""Is it right: every implementation held against the others and against derivative-free oracles."""
