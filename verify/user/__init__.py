"""Your function: `check`, its arguments, expected answers, FILE.py:NAME."""
