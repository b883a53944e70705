"""How a report writes a number, and what every table in Markdown has in common."""

from collections.abc import Callable

import pandas as pd

MISSING = "—"


def aligned(frame: pd.DataFrame, words: int = 1) -> str:
    """Write a table: columns of words to the left, then of numbers to the right."""
    if frame.empty:
        return ""
    cells = frame.astype(str).map(lambda cell: cell.replace("|", r"\|"))
    align = ["left"] * words + ["right"] * (frame.shape[1] - words)
    return cells.to_markdown(index=False, disable_numparse=True, colalign=align)


def numbers_table(numbers: pd.DataFrame, show: Callable[[float], str], words: int = 1) -> str:
    """Write numbers, with the index in the first columns."""
    if numbers.empty:  # it may have rows and no columns
        return ""
    return aligned(numbers.map(lambda number: shown(number, show)).reset_index(), words)


def shown(number: float, show: Callable[[float], str]) -> str:
    """Write a number that may be missing."""
    return MISSING if pd.isna(number) else show(number)


def seconds(time: float) -> str:
    """Write a time in the unit that suits it."""
    return _with_unit(time, {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9})


def memory(size: float) -> str:
    """Write a number of bytes in the unit that suits it."""
    return _with_unit(size, {"GB": 1e9, "MB": 1e6, "kB": 1e3, "B": 1.0})


def ratio(number: float) -> str:
    """Write a ratio."""
    return f"{digits(number)}\N{MULTIPLICATION SIGN}"


def error(number: float) -> str:
    """Write a relative error."""
    return f"{number:.1e}"


def precise(number: float) -> str:
    """Write a number with eight significant digits."""
    return f"{number:.8g}"


def whole(number: float) -> str:
    """Write a whole number with its thousands marked off."""
    return f"{int(number):,}"


def digits(number: float) -> str:
    """Write a number with three significant digits."""
    return f"{float(f'{number:.3g}'):g}"


def _with_unit(number: float, units: dict[str, float]) -> str:
    rounded = abs(float(f"{number:.3g}"))  # so that 999.9 µs becomes 1 ms
    smallest = min(units, key=units.__getitem__)
    unit = next((unit for unit, size in units.items() if rounded >= size), smallest)
    return f"{digits(number / units[unit])} {unit}"
