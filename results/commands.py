"""What the project's command lines have in common: exit statuses, failures, a terminal's signs."""

import io
import sys
from traceback import extract_tb

AGREED, DISAGREED, BAD_INPUT, UNDECIDED, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""The README says what each means; every command of the project ends with one of these."""


def replace_missing_signs() -> None:
    """From now on, a sign that the terminal's encoding lacks is printed as a question mark.

    Python would raise a UnicodeEncodeError, and so end the run for a ⟨ or an ᵀ.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def failure_line(error: Exception) -> str:
    """What to say, in one line, of an exception that nothing has foreseen."""
    words = " ".join(str(error).split())
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    if isinstance(error, MemoryError):
        return f"too little memory: {said}"
    last = extract_tb(error.__traceback__)[-1]
    return f"a failure of gradjury's own: {said} ({last.filename}:{last.lineno})"
