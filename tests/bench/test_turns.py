"""Timing by turns, with clocks that are made up."""

from collections.abc import Callable

import pytest

from bench.turns import by_turns, calls_per_turn, median_ratio, spread, to_and_fro


def test_every_other_round_is_reversed() -> None:
    assert ["".join(order) for order in to_and_fro("abc", 3)] == ["abc", "cba", "abc"]


def test_all_have_a_turn_in_every_round() -> None:
    order: list[str] = []

    def turn(name: str) -> Callable[[], float]:
        def take() -> float:
            order.append(name)
            return float(len(order))

        return take

    assert by_turns({name: turn(name) for name in "ab"}, 2) == {"a": [1.0, 4.0], "b": [2.0, 3.0]}
    assert order == ["a", "b", "b", "a"]


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    assert median_ratio([2.0, 4.0, 80.0], [1.0, 2.0, 40.0]) == 2.0


def test_what_was_not_timed_has_no_ratio_and_no_spread() -> None:
    assert median_ratio([], [1.0]) is median_ratio([1.0], []) is spread([]) is None


def test_the_spread_is_between_the_quartiles() -> None:
    assert spread([0.0, 1.0, 2.0, 3.0, 100.0]) == 2.0


@pytest.mark.parametrize("seconds", [1e-5, 0.04, 2.0])
def test_a_call_is_repeated_until_a_turn_is_full(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped:
        def __init__(self, call: Callable[[], object]) -> None:
            self.call = call

        def timeit(self, number: int) -> float:
            return number * seconds

    monkeypatch.setattr("bench.turns.Timer", Stopped)
    calls = calls_per_turn(lambda: None, seconds=0.1)
    assert calls == max(1, round(0.1 / seconds))
