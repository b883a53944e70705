"""What tutorials say is faster, timed: `python -m bench.claims [--csv PATH]`.

- optimization, Part 1: ELU as one custom node in place of several, "for performance reasons". Value
  and gradient in z; torch's own ELU takes part.
- multilayer_perceptron, Activation functions: ReLU is "much faster to compute" than the sigmoid and
  tanh. Value and gradient, by torch's own nodes.
- torch_autograd, Disabling gradient tracking: a forward pass is faster under `no_grad`. One linear
  layer, at the tutorial's size and at that of a batch of digits.

`python -m verify --findings` has a glance at some of these, beside what else tutorials have wrong;
here they are measured, at several sizes and in both dtypes. The ways take turns, and nothing is
timed before it is known to be right.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from timeit import Timer

import click
import numpy as np
import torch

from bench import script
from bench.directory import new_directory
from bench.script import csv_option, repeats_option
from bench.turns import by_turns, calls_per_turn, median_ratio, spread
from reference_impls import DTYPES, Array, draw
from reference_impls.computation import Vjp
from reference_impls.computations import composite_elu, elu, relu, sigmoid, tanh
from reference_impls.engines.backend import seed_cotangent
from reference_impls.running.threads import one_thread
from results.environment import utc_now, write_environment
from results.store import Appender
from results.tables import CLAIMS, Claim, Status

ONE_NODE, RELU, NO_GRAD = "one node is faster", "relu is much faster", "no_grad is faster"

Outcome = tuple[torch.Tensor, ...]
Function = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Way:
    """One way to compute something.

    Attributes:
        compute: it.
        right: what it must return, within rounding.
    """

    compute: Callable[[], Outcome]
    right: tuple[Array, ...]

    def wrong(self, dtype: str) -> str:
        """What is wrong with what it returns; empty if nothing is."""
        tolerance = ROUNDINGS * float(np.finfo(dtype).eps)
        pairs = zip(self.compute(), self.right, strict=True)
        # np.max, and not error > tolerance: NaN must not pass.
        error = np.max([np.abs(got.detach().numpy() - right).max() for got, right in pairs])
        return "" if error <= tolerance else f"wrong result, off by {error:.1e}"


@dataclass(frozen=True)
class Contest:
    """What a tutorial says is faster, at one size.

    Attributes:
        claim: what it says.
        size: of what is computed.
        dtype: of all arrays.
        ways: by name; the others are compared with the first.
    """

    claim: str
    size: str
    dtype: str
    ways: Mapping[str, Way]


ROUNDINGS = 100
"""What is compared has entries near 1, and sums of at most a thousand."""


def one_node(size: int, dtype: str) -> Contest:
    """Value and gradient of ELU from several nodes, from one, and as torch has it."""
    primals = draw(elu.COMPUTATION, size, dtype)
    alpha = torch.from_numpy(primals["alpha"])
    functions: dict[str, Function] = {
        "composite": lambda z: composite_elu.by_torch(z, alpha),
        "custom node": lambda z: elu.by_torch(z, alpha),
        "torch's own": partial(torch.nn.functional.elu, alpha=float(alpha)),
    }
    by_hand = elu.by_hand(**primals)
    ways = {name: _elementwise(each, primals["z"], by_hand) for name, each in functions.items()}
    return Contest(ONE_NODE, f"{size:,} entries", dtype, ways)


def activations(size: int, dtype: str) -> Contest:
    """Value and gradient of the three activation functions."""
    x = draw(relu.COMPUTATION, size, dtype)["x"]
    ways = {
        "sigmoid": _elementwise(sigmoid.by_torch, x, sigmoid.by_hand(x)),
        "tanh": _elementwise(tanh.by_torch, x, tanh.by_hand(x)),
        "relu": _elementwise(relu.by_torch, x, relu.by_hand(x)),
    }
    return Contest(RELU, f"{size:,} entries", dtype, ways)


def _elementwise(function: Function, at: Array, by_hand: tuple[Array, Vjp]) -> Way:
    """Value and gradient of a function whose first primal is all it is differentiated for."""
    value, vjp = by_hand
    cotangent = seed_cotangent(value)
    x, g = torch.from_numpy(at).requires_grad_(), torch.from_numpy(cotangent)

    def compute() -> Outcome:
        y = function(x)
        return y, *torch.autograd.grad(y, x, g)

    return Way(compute, (value, next(iter(vjp(cotangent).values()))))


def no_grad(rows: int, inputs: int, outputs: int, dtype: str) -> Contest:
    """A linear layer whose weights require gradients, with and without a graph."""
    rng = np.random.default_rng(0)
    shapes = (rows, inputs), (inputs, outputs), (outputs,)
    x, W, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    W /= np.sqrt(inputs)
    batch, weights, bias = (torch.from_numpy(array) for array in (x, W, b))
    weights.requires_grad_()
    bias.requires_grad_()

    def with_graph() -> Outcome:
        return (torch.matmul(batch, weights) + bias,)

    def without_graph() -> Outcome:
        with torch.no_grad():
            return with_graph()

    size = f"{rows} x {inputs} to {outputs}"
    right = (x @ W + b,)
    ways = {"with a graph": Way(with_graph, right), "under no_grad": Way(without_graph, right)}
    return Contest(NO_GRAD, size, dtype, ways)


def contests() -> list[Contest]:
    """All that is timed."""
    return [
        contest
        for dtype in DTYPES
        for contest in (
            *(one_node(size, dtype) for size in (6, 1_000, 1_000_000)),
            *(activations(size, dtype) for size in (1_024, 1_000_000)),
            no_grad(1, 5, 3, dtype),
            no_grad(512, 784, 32, dtype),
        )
    ]


def decide(contest: Contest, repeats: int) -> Iterator[Claim]:
    """Time the ways by turns; a row for each, whatever comes of it."""
    reasons = {name: way.wrong(contest.dtype) for name, way in contest.ways.items()}
    calls = {
        name: calls_per_turn(way.compute) for name, way in contest.ways.items() if not reasons[name]
    }

    def turn(name: str) -> float:
        return Timer(contest.ways[name].compute).timeit(calls[name]) / calls[name]

    times = by_turns({name: partial(turn, name) for name in calls}, repeats)
    first = times.get(next(iter(contest.ways)), [])
    for name, reason in reasons.items():
        seconds = times.get(name, [])
        status: Status = "failed" if reason else "ok"
        yield Claim(
            measured_at=utc_now(),
            claim=contest.claim,
            size=contest.size,
            dtype=contest.dtype,
            way=name,
            status=status,
            reason=reason,
            median_s=median(seconds) if seconds else None,
            min_s=min(seconds) if seconds else None,
            iqr_s=spread(seconds),
            rounds=len(seconds) or None,
            iterations=calls.get(name),
            over_first=median_ratio(seconds, first),
        )


@click.command
@csv_option(CLAIMS)
@repeats_option("each way")
def main(path: Path | None, repeats: int) -> None:
    """Time what tutorials say is faster, beside what it is said to be faster than."""
    path = path or new_directory() / CLAIMS.file_name
    with one_thread(), Appender(path, CLAIMS) as appender:
        if path.is_file():
            write_environment(path.parent)
        for contest in contests():
            for row in decide(contest, repeats):
                appender.append(row)
            click.echo(f"{contest.claim}: {contest.size} {contest.dtype}", err=True)
    click.echo(f"rows: {path}")


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Returns:
        The exit status.
    """
    return script.run(main, arguments, name="bench.claims", interrupted="its rows so far stand")


if __name__ == "__main__":
    sys.exit(run())
