"""The command line: one file per way to run."""
