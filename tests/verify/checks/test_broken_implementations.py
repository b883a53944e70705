"""What the whole of verify is for: break any one implementation, and it is named, alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from autograd.extend import defvjp, primitive

import verify.command.options
from reference_impls import BACKENDS, COMPUTATIONS, DTYPES, Array, Arrays, Computation, Manual
from tests.verify.entries import catalogue_of
from tests.verify.shared import cases_of
from verify.command.main import run as run_command
from verify.diagnosis import Derivative, Diagnosis, diagnose
from verify.oracles.estimate import Estimate

LONGEST_AXIS = 16
FACTOR = 1.001

# One's signs are those of the minimum for all of its data, the other's b may have any shape.
BELONGING_TOGETHER = {"printed_elastic_net_argmin", "clipped_least_squares"}
"""Computations whose primals, thinned one by one, would no longer be of one problem."""

Fault = Callable[[Array], Array]


@dataclass(frozen=True)
class Target:
    """Where a fault in the gradient is to be seen: an argument, and its largest entry."""

    argument: str
    entry: int


def thinned(computation: Computation) -> Computation:
    """The same function of fewer numbers: at most 16 along any axis that may have any length."""
    if computation.name in BELONGING_TOGETHER:
        return computation

    def sample(rng: np.random.Generator, size: int) -> Arrays:
        primals = computation.sample(rng, size)
        return {
            name: primal[np.ix_(*map(kept, computation.shapes[name].split(), primal.shape))]
            if primal.ndim and computation.shapes[name] != "..."
            else primal
            for name, primal in primals.items()
        }

    def kept(axis: str, length: int) -> Array:
        return np.arange(0, length, 1 if axis.isdigit() else -(-length // LONGEST_AXIS))

    return replace(computation, sample=sample)


@cache
def target(computation: Computation, turn: int) -> Target:
    """By turns another argument, but never one whose true gradient vanishes."""
    (case,) = cases_of(computation, min(computation.sizes), 0, ["float64"], [Manual()])
    _, vjp = computation.by_hand(**case.primals)
    sizes = {name: np.abs(array) for name, array in vjp(case.cotangent).items()}
    largest = max(size.max() for size in sizes.values())
    visible = [name for name in computation.wrt if sizes[name].max() > 1e-6 * largest]
    argument = visible[turn % len(visible)]
    return Target(argument, int(sizes[argument].argmax()))


def entry_set_to(number: float) -> Callable[[Target], Fault]:
    def at(where: Target) -> Fault:
        def fault(cotangent: Array) -> Array:
            changed = np.array(cotangent)
            changed.flat[where.entry] = number
            return changed

        return fault

    return at


GRADIENT_FAULTS: dict[str, Callable[[Target], Fault]] = {
    "factor": lambda _: lambda cotangent: cotangent * FACTOR,
    "sign": lambda _: lambda cotangent: -cotangent,
    "dropped argument": lambda _: np.zeros_like,
    "dropped entry": entry_set_to(0),
    "NaN": entry_set_to(np.nan),
}

VALUE_FAULTS = {"NaN": (1.0, np.nan), "factor": (FACTOR, 0.0)}
"""A factor and an offset."""


def with_wrong_gradient(
    computation: Computation, implementation: str, argument: str, fault: Fault
) -> Computation:
    """Whatever gradient flows back to the argument, in one implementation, goes through a fault."""
    node = primitive(np.array)
    defvjp(node, lambda _, __: lambda g: fault(np.asarray(g)))

    def by_autograd(**primals: Any) -> Any:  # noqa: ANN401 - boxes have no type
        return computation.by_autograd(**primals | {argument: node(primals[argument])})

    def by_torch(**primals: torch.Tensor) -> torch.Tensor:
        passed = primals[argument].clone()
        passed.register_hook(lambda g: torch.from_numpy(fault(g.numpy())))  # type: ignore[no-untyped-call]
        value: torch.Tensor = computation.by_torch(**primals | {argument: passed})
        return value

    def by_hand(**primals: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = computation.by_hand(**primals)

        def faulty(g: Array) -> Arrays:
            cotangents = vjp(g)
            return cotangents | {argument: fault(np.asarray(cotangents[argument]))}

        return value, faulty

    bodies = {"autograd": by_autograd, "torch": by_torch, "manual": by_hand}
    return _with_body(computation, implementation, bodies)


def with_wrong_value(
    computation: Computation, implementation: str, factor: float, offset: float
) -> Computation:
    """One implementation is of another function, and its gradient is that function's."""

    def changed(body: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **primals: body(**primals) * factor + offset

    def by_hand(**primals: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = computation.by_hand(**primals)
        return value * factor + offset, lambda g: vjp(g * factor)

    bodies = {
        "autograd": changed(computation.by_autograd),
        "torch": changed(computation.by_torch),
        "manual": by_hand,
    }
    return _with_body(computation, implementation, bodies)


def _with_body(
    computation: Computation, implementation: str, bodies: dict[str, Callable[..., Any]]
) -> Computation:
    field = "by_hand" if implementation == "manual" else f"by_{implementation}"
    return replace(computation, **{field: bodies[implementation]})  # type: ignore[arg-type]


def named_in(output: str, computation: Computation) -> dict[str, str]:
    """Who stands in the line above each dtype's disagreements."""
    headings = {dtype: f"{computation.name} {dtype}: " for dtype in DTYPES}
    return {
        dtype: line.removeprefix(heading)
        for line in output.splitlines()
        for dtype, heading in headings.items()
        if line.startswith(heading)
    }


each_computation = pytest.mark.parametrize(
    "computation",
    [thinned(each) for each in COMPUTATIONS],
    ids=lambda computation: computation.name,
)
IMPLEMENTATIONS = [backend.name for backend in BACKENDS]

each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


class Verdict(Protocol):
    """What `python -m verify` makes of one computation: its exit status, and whom it names."""

    def __call__(
        self, computation: Computation, *, who_alone: bool = False
    ) -> tuple[int, dict[str, str]]: ...


def another_has_its_turn(computation: Computation, kind: int, implementation: str) -> bool:
    """Is an argmin with this kind of fault run through everything in another implementation?

    In this one it is only asked who is wrong. How it is wrong, and the evidence, take up to a
    minute where every value that a diagnosis asks for is a problem to be solved; test_argmin.py and
    diagnosis/ are about those.
    """
    turn = IMPLEMENTATIONS[kind % len(IMPLEMENTATIONS)]
    return computation.optimality is not None and implementation != turn


def undiagnosed(got: Arrays, truth: Derivative, **about: Any) -> Diagnosis:  # noqa: ANN401 - as diagnose has them
    """What comes of an oracle that does not answer, but where NaN is judged by what it says."""
    if all(np.isfinite(array).all() for array in got.values()):
        return diagnose(got, lambda _: Estimate(np.nan, np.inf, "none"), **about)
    return diagnose(got, truth, **about)


@pytest.fixture
def verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verdict:
    """What `python -m verify` makes of one computation: its exit status, and whom it names."""

    def run(computation: Computation, *, who_alone: bool = False) -> tuple[int, dict[str, str]]:
        catalogue_of(monkeypatch, verify.command.options, computation)
        # Whom first derivatives accuse is not asked for second ones, which would take most of the
        # time; tests/verify/checks/second_order is about those.
        monkeypatch.setattr("verify.checks.catalogue.second_order", lambda *_: [])
        if who_alone:
            monkeypatch.setattr("verify.checks.catalogue.argmin_evidence", lambda *_: [])
            monkeypatch.setattr("verify.checks.first_order.explanation.diagnose", undiagnosed)
        status = run_command([computation.name, "--size", "smallest"])
        return status, named_in(capsys.readouterr().out, computation)

    return run


@each_computation
def test_sound_implementations_pass(computation: Computation, verdict: Verdict) -> None:
    assert verdict(computation) == (0, {})


@each_computation
@each_implementation
@pytest.mark.parametrize("kind", GRADIENT_FAULTS)
def test_whoever_has_a_wrong_gradient_is_named(
    computation: Computation,
    implementation: str,
    kind: str,
    verdict: Verdict,
) -> None:
    turn = list(GRADIENT_FAULTS).index(kind)
    where = target(computation, turn)
    fault = GRADIENT_FAULTS[kind](where)
    broken = with_wrong_gradient(computation, implementation, where.argument, fault)
    who_alone = another_has_its_turn(computation, turn, implementation)
    assert verdict(broken, who_alone=who_alone) == (1, dict.fromkeys(DTYPES, implementation))


@each_computation
@each_implementation
@pytest.mark.parametrize("kind", VALUE_FAULTS)
def test_whoever_has_a_wrong_value_is_named(
    computation: Computation, implementation: str, kind: str, verdict: Verdict
) -> None:
    factor, offset = VALUE_FAULTS[kind]
    broken = with_wrong_value(computation, implementation, factor, offset)
    # Never the derivation by hand: without its values the others' are solved for hundreds of times.
    who_alone = another_has_its_turn(computation, list(VALUE_FAULTS).index(kind), implementation)
    assert verdict(broken, who_alone=who_alone) == (1, dict.fromkeys(DTYPES, implementation))
