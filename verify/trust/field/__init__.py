"""What `check` says of functions that nobody here wrote: other libraries' own."""
