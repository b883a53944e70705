"""What `verify.check` costs, in units of a value and gradient of the function it checks."""
