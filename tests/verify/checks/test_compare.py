import numpy as np
import pytest

from reference_impls import Array
from verify.checks.check import Violation, one_line
from verify.checks.compare import contract_violation, make_worst, worst_entry
from verify.error_model.arrays import first_index, unit_roundoff
from verify.error_model.noise import EXCUSE, SAFETY
from verify.error_model.noise import VALUE as VALUE_OF_F

PRIMALS = {"x": np.zeros((2, 3)), "w": np.zeros(3), "y": np.zeros(2)}
VALUE = np.ones(2)
COTANGENTS: dict[str, object] = {"x": np.ones((2, 3)), "w": np.ones(3)}
UNIT = unit_roundoff(np.float64)


def with_nan(*shape: int) -> Array:
    array = np.ones(shape)
    array.flat[-1] = np.nan
    return array


def test_what_fits_violates_nothing() -> None:
    assert contract_violation(VALUE, COTANGENTS, PRIMALS, ("x", "w")) is None


@pytest.mark.parametrize(
    ("value", "changes", "fault", "argument", "said"),
    [
        (VALUE.astype(np.float32), {}, "dtype drift", "", "value is float32, wanted float64"),
        (with_nan(2), {}, "not finite", VALUE_OF_F, "value[1] is not finite"),
        (np.array(np.inf), {}, "not finite", VALUE_OF_F, "value is not finite"),
        (VALUE, {"y": np.ones(2)}, "wrong names", "", "gradients for x, w, y, wanted x, w"),
        (
            VALUE,
            {"w": [1.0, 1.0, 1.0]},
            "not an array",
            "",
            "gradient of w is a list, wanted an array",
        ),
        (
            VALUE,
            {"x": np.ones((3, 2))},
            "wrong shape",
            "x",
            "gradient of x has shape (3, 2), wanted (2, 3)",
        ),
        (
            VALUE,
            {"w": np.ones((1, 3))},
            "wrong shape",
            "w",
            "gradient of w has shape (1, 3), wanted (3,)",
        ),
        (
            VALUE,
            {"w": np.ones(3, np.float32)},
            "dtype drift",
            "",
            "gradient of w is float32, wanted float64",
        ),
        (VALUE, {"x": with_nan(2, 3)}, "not finite", "x", "gradient of x[1, 2] is not finite"),
        (
            VALUE,
            {"w": np.array([1, -np.inf, np.nan])},
            "not finite",
            "w",
            "gradient of w[1] is not finite",
        ),
    ],
)
def test_a_violation_of_the_contract_is_put_in_words(
    value: Array, changes: dict[str, object], fault: str, argument: str, said: str
) -> None:
    seen = contract_violation(value, COTANGENTS | changes, PRIMALS, ("x", "w"))
    assert seen == Violation(fault, said, argument)


def test_a_missing_cotangent_violates_the_contract() -> None:
    seen = contract_violation(VALUE, {"x": COTANGENTS["x"]}, PRIMALS, ("x", "w"))
    assert seen == Violation("wrong names", "gradients for x, wanted x, w")


@pytest.mark.parametrize(
    ("shape", "entry", "index"),
    [
        ((), (), ""),
        ((4,), (2,), "[2]"),
        ((4, 2), (3, 0), "[3, 0]"),
        ((2, 2, 2), (1, 0, 1), "[1, 0, 1]"),
    ],
)
def test_an_index_reads_as_it_is_typed(
    shape: tuple[int, ...], entry: tuple[int, ...], index: str
) -> None:
    mask = np.zeros(shape, dtype=bool)
    mask[entry] = True
    assert first_index(mask) == index


@pytest.mark.parametrize(
    ("noise_of_x", "argument", "index"),
    [([0, 0, 0], "x", "[1]"), ([0, 1e3, 0], "x", "[2]"), ([0, 1e6, 1e6], "w", "[1, 1]")],
)
def test_the_worst_entry_is_the_one_furthest_in_units_of_its_own_tolerance(
    noise_of_x: list[float], argument: str, index: str
) -> None:
    """The smaller error is the worse one, where less noise and a smaller scale excuse it."""
    expected = {"x": np.ones(3), "w": np.full((2, 2), 100.0)}
    got = {"x": expected["x"] + [0, 1e-12, 5e-13], "w": expected["w"] + np.diag([0, 5e-12])}
    noise = {"x": np.array(noise_of_x), "w": np.zeros((2, 2))}
    worst = worst_entry(got, expected, noise)
    assert (worst.argument, worst.index, worst.accepted) == (argument, index, False)


def test_the_tolerance_is_the_unit_roundoff_of_scale_and_noise_with_a_safety_factor() -> None:
    worst = worst_entry(
        {"x": np.array([4.0, 2])}, {"x": np.array([4.0, 1])}, {"x": np.array([0.0, 3])}
    )
    assert worst.tolerance == SAFETY * UNIT * (4 + 3)
    assert (worst.got, worst.expected, worst.error, worst.scale) == (2, 1, 1, 4)
    assert worst.ulps == 1 / (2 * UNIT * 4)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_tolerance_is_that_of_the_dtype(dtype: str) -> None:
    one = {"x": np.ones(1, dtype)}
    assert worst_entry(one, one, {"x": np.zeros(1)}).tolerance == SAFETY * unit_roundoff(dtype)


def test_a_gradient_that_vanishes_but_for_rounding_is_measured_by_those_beside_it() -> None:
    expected = {"b": np.array([1e-17]), "w": np.array([1.0])}
    got = expected | {"b": np.array([-2e-16])}
    worst = worst_entry(got, expected, {"b": np.array([2.0]), "w": np.array([2.0])})
    assert (worst.scale, worst.accepted) == (1.0, True)


@pytest.mark.parametrize(("noise", "least"), [([0, 0, 7, 8, 9], 7), ([0, 0, 0, 8, 9], 0)])
def test_an_entry_has_the_usual_noise_of_its_array_at_least(noise: list[float], least: int) -> None:
    expected = np.ones(5)
    got = expected + np.array([1, 0, 0, 0, 0])
    found = worst_entry({"x": got}, {"x": expected}, {"x": np.array(noise, np.float64)})
    assert found.tolerance == SAFETY * UNIT * (1 + least)


def test_where_all_that_there_is_is_rounding_the_usual_noise_is_the_measure() -> None:
    """An entry's own noise may be zero by chance, and that of one entry is no excuse for others."""
    zero = {"x": np.zeros(5)}
    noise = {"x": np.array([0.0, 1.0, 2.0, 3.0, 1e8])}
    unit = unit_roundoff("float64")
    assert worst_entry({"x": 60 * unit * np.eye(5)[0]}, zero, noise).accepted
    assert not worst_entry({"x": 100 * unit * np.eye(5)[0]}, zero, noise).accepted


def test_a_small_gradient_without_noise_is_measured_by_itself() -> None:
    expected = {"b": np.array([1e-17]), "w": np.array([1.0])}
    got = expected | {"b": np.array([1.001e-17])}
    worst = worst_entry(got, expected, {"b": np.array([0.0]), "w": np.array([2.0])})
    assert (worst.argument, worst.scale, worst.accepted) == ("b", 1e-17, False)


@pytest.mark.parametrize("difference", [1.0, 1e-300])
def test_where_everything_is_zero_any_difference_is_too_much(difference: float) -> None:
    zero = {"x": np.zeros(2)}
    assert worst_entry(zero, zero, zero).accepted
    assert not worst_entry({"x": np.array([0, difference])}, zero, zero).accepted


def test_nan_is_never_accepted() -> None:
    quiet = {"x": np.zeros(3)}
    worst = worst_entry({"x": with_nan(3)}, {"x": np.ones(3)}, quiet)
    assert (worst.index, worst.accepted) == ("[2]", False)
    assert not worst_entry({"x": np.ones(3)}, {"x": with_nan(3)}, quiet).accepted


def test_an_oracles_error_bar_is_added_to_the_tolerance_and_said() -> None:
    worst = make_worst("x", "", 1.0, 1.5, (UNIT, 1.0, 0.0), error_bar=0.5)
    assert worst.accepted
    assert worst.tolerance == SAFETY * UNIT + 0.5
    assert worst.parts.endswith(" + oracle's bar 5.0e-01")
    assert worst.ulps == 0


def test_what_is_usual_among_ill_conditioned_entries_excuses_no_other_by_much() -> None:
    expected = np.ones(10)
    noise = np.append(np.full(6, 1e4), np.zeros(4))
    got = expected.copy()
    got[-1] += SAFETY * UNIT * (1 + 2 * EXCUSE)
    worst = worst_entry({"x": got}, {"x": expected}, {"x": noise})
    assert not worst.accepted
    assert worst.index == "[9]"
    got[-1] = 1 + SAFETY * UNIT * EXCUSE / 2
    assert worst_entry({"x": got}, {"x": expected}, {"x": noise}).accepted


def test_an_entry_that_is_quiet_by_chance_among_ill_conditioned_ones_has_what_is_usual() -> None:
    expected = np.ones(100)
    noise = np.full(100, 1e4)
    noise[-1] = 0.0
    got = expected.copy()
    got[-1] += SAFETY * UNIT * 1e4
    assert worst_entry({"x": got}, {"x": expected}, {"x": noise}).accepted
    got[-1] += SAFETY * UNIT * 1e4
    assert not worst_entry({"x": got}, {"x": expected}, {"x": noise}).accepted


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError(self.args)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\nlines"), "raised ValueError: two"),
        (ValueError("\n \n  after empty ones\n"), "raised ValueError: after empty ones"),
        (ValueError(" \n"), "raised ValueError"),
        (SystemExit(3), "raised SystemExit: 3"),
        (MuteError("x"), "raised MuteError: (without a message: its __str__ raises, too)"),
    ],
)
def test_an_error_is_one_line_whatever_its_message(error: BaseException, line: str) -> None:
    assert one_line(error) == line
