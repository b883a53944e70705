"""Command line: `python -m verify [COMPUTATION | FILE.py:NAME]...`."""

import sys

from verify.command.main import run

if __name__ == "__main__":
    sys.exit(run())
