"""What it costs: every implementation of every computation; argmin layers, by formulation."""
