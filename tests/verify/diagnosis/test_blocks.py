import numpy as np
import pytest

from tests.verify.diagnosis.shared import SHAPES, KnownGradient, each_dtype, large, middle_of


def box(*cuts: slice | int) -> tuple[slice | int, ...]:
    return cuts


@each_dtype
@pytest.mark.parametrize("fault", ["zero", "garbage"])
@pytest.mark.parametrize(
    ("size", "argument", "cut", "text"),
    [
        (6, "x", box(slice(0, 2), slice(None)), "[:2, :]"),
        (1_000, "x", box(slice(None), slice(20, None)), "[:, 20:]"),
        (1_000, "W", box(slice(10, None), slice(None)), "[10:, :]"),
        (1_000, "W", box(slice(5, 12), slice(3, 9)), "[5:12, 3:9]"),
        (1_000, "x", box(7, slice(None)), "[7, :]"),
        (1_000, "b", box(slice(16, None)), "[16:]"),
        (100_000, "x", box(slice(65_536, None)), "[65536:]"),
        (100_000, "x", box(slice(None, 25_000)), "[:25000]"),
        (100_000, "W", box(slice(None), 299), "[:, 299]"),
    ],
)
def test_a_block_of_wrong_entries_is_told_as_an_index(
    size: int, argument: str, cut: tuple[slice | int, ...], text: str, fault: str, dtype: str
) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    wrong = known.gradient[argument].copy()
    wrong[cut] = 0 if fault == "zero" else known.rng.standard_normal(wrong[cut].shape)
    found = known.assert_found("a block of entries", argument, wrong)
    how = "zero" if fault == "zero" else "wrong"
    assert middle_of(found.sentence) == f"is {how} in a block, {text}, and right elsewhere"


@each_dtype
@large
def test_a_tail_of_memory_never_written_is_a_block(size: int, dtype: str) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    wrong = known.gradient["W"].copy()
    rows, columns = wrong.shape
    wrong.flat[wrong.size // 2 + 3 :] = 0
    found = known.assert_found("a block of entries", "W", wrong)
    start = np.unravel_index(wrong.size // 2 + 3, wrong.shape)
    first = f"[{int(start[0])}, {int(start[1])}]"
    says = f"from {first} to [{rows - 1}, {columns - 1}], in the order of its memory"
    assert says in found.sentence
