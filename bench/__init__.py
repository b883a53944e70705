"""What it costs: every implementation timed on every computation, size, dtype and device."""
