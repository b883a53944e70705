"""Other people's argmin layers on the same problem, timed where they are installed.

`pip install --group rivals` brings them. Each module has one operator with the call signature of
`torch_argmin`, and imports its library only when that is called.
"""
