"""What it costs: computations by every implementation, argmin layers, checks, and starting up."""
