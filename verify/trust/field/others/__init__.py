"""Third-party libraries that need not be installed, a file each: a table of functions and draws."""
