"""Command line: `python -m gradjury verify …`, the same as `gradjury verify …`."""

import sys

from gradjury.command import run

if __name__ == "__main__":
    sys.exit(run())
