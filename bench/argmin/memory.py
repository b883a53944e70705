"""The memory that the passes of a formulation take, from the kernel, in a process of its own.

`measure` starts `python -m bench.argmin.memory` on one thread, with an allocator that takes no more
than it is asked for and gives it back at once: else the numbers would blur. That process solves a
small problem first, in which the libraries set themselves up. Then it reads, for each pass, how far
the kernel's peak of resident memory is above what was resident before. The kernel counts pages in
batches, so differences below half a megabyte mean little.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from bench.argmin.formulations import FULL_HESSIAN, ONE_OF_EACH, Formulation
from bench.argmin.phases import phases_of
from bench.gate import layer_errors
from reference_impls import Arrays, Manual, Torch
from reference_impls.computations import ridge_argmin

T = TypeVar("T")

DTYPE = "float64"

MOST_BYTES = 4e9
HESSIAN_COPIES = 2
"""How often the full Hessian is in memory: as a list of rows, and again as those are stacked."""

MOST_SECONDS = 300.0

ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "65536",  # what is larger has pages of its own, and frees them
    "MALLOC_TRIM_THRESHOLD_": "0",
    "MALLOC_TOP_PAD_": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

ROOT = Path(__file__).parents[2]
CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
RESET_PEAK = "5"


@dataclass(frozen=True)
class RidgeSize:
    """Of a ridge problem: x is (rows, features), y (rows, targets), and W (targets, features)."""

    features: int
    targets: int
    rows: int

    @property
    def n_y(self) -> int:
        """Entries of the solution W."""
        return self.features * self.targets

    @property
    def n_z(self) -> int:
        """Entries of x, y and λ."""
        return self.rows * (self.features + self.targets) + 1

    def __str__(self) -> str:
        return f"{self.n_y}-{self.n_z}"


SMALL = RidgeSize(5, 3, 10)

SIZES = (
    # n_y grows, n_z stays.
    RidgeSize(20, 10, 128),
    RidgeSize(40, 20, 64),
    RidgeSize(80, 40, 32),
    # n_z grows, n_y stays; the first is the last that leaves the full Hessian room.
    RidgeSize(20, 10, 384),
    RidgeSize(20, 10, 1_280),
    RidgeSize(20, 10, 12_800),
)


@dataclass(frozen=True)
class Peaks:
    """What the passes took.

    Attributes:
        forward: the largest resident memory in it, in bytes, above that before.
        backward: the same. What the forward pass kept for it was resident before, and is not in it.
        gradient_error: relative to the norm of the truth, as in `bench.gate`.
        wrong: what is too far from the truth; empty if nothing is.
    """

    forward: int
    backward: int
    gradient_error: float
    wrong: str


class NotMeasuredError(Exception):
    """Why there is no number, in one line."""


class CrashedError(Exception):
    """What the process of a measurement died of, in one line."""


def measure(formulation: Formulation, size: RidgeSize) -> Peaks:
    """Measures a forward and a backward pass in a fresh process.

    Args:
        formulation: one of `ONE_OF_EACH`.
        size: of the ridge problem.

    Raises:
        NotMeasuredError: it does not fit, takes too long, or the kernel does not tell.
        CrashedError: the process failed or was killed; what it wrote to stderr is on ours.
    """
    reason = unfit(formulation, size)
    if reason:
        raise NotMeasuredError(reason)
    numbers = map(str, (size.features, size.targets, size.rows))
    command = [sys.executable, "-m", "bench.argmin.memory", formulation.name, *numbers]
    try:
        done = subprocess.run(  # noqa: S603 -- our own module
            command,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasuredError(f"took more than {MOST_SECONDS:g} s") from error
    sys.stderr.write(done.stderr)
    if done.returncode:
        raise CrashedError(_cause(done.returncode, done.stderr))
    return Peaks(**json.loads(done.stdout))


def _cause(status: int, stderr: str) -> str:
    """What a process died of. Its exit status is negative if that was a signal."""
    if status == -signal.SIGKILL:
        return f"killed by signal {-status}, {signal.strsignal(-status)}, as when memory runs out"
    if status < 0:
        return f"killed by signal {-status}, {signal.strsignal(-status)}"
    last = stderr.strip().splitlines()[-1:]
    return ": ".join([f"exit status {status}", *last])


def unfit(formulation: Formulation, size: RidgeSize) -> str:
    """Why this cannot be measured here; empty if nothing speaks against it."""
    if not CLEAR_REFS.exists():
        return f"this system has no {CLEAR_REFS}, which resets the peak of resident memory"
    least = HESSIAN_COPIES * 8 * (size.n_y + size.n_z) ** 2
    if formulation == FULL_HESSIAN and least > MOST_BYTES:
        return f"would take {least / 1e9:.3g} GB; the limit is {MOST_BYTES / 1e9:.3g} GB"
    return ""


def peak_of(call: Callable[[], T]) -> tuple[int, T]:
    """The bytes by which resident memory peaks during a call, and what the call returns."""
    CLEAR_REFS.write_text(RESET_PEAK)
    before = _kilobytes("VmRSS")
    result = call()
    peak = _kilobytes("VmHWM")
    return 1024 * (peak - before), result


def _kilobytes(field: str) -> int:
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def measure_here(formulation: Formulation, size: RidgeSize) -> Peaks:
    """Measures a forward and a backward pass in this process."""
    computation = ridge_argmin.COMPUTATION
    phases_of(formulation, computation, _problem(SMALL)).result()
    primals = _problem(size)
    phases = phases_of(formulation, computation, primals)
    forward, record = peak_of(phases.record)
    backward, _ = peak_of(record)
    truth = Torch() if formulation.engine == "manual" else Manual()
    errors = layer_errors(computation, primals, *phases.result(), against=truth)
    return Peaks(forward, backward, errors.gradient, errors.wrong)


def _problem(size: RidgeSize) -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "x": rng.standard_normal((1, size.rows, size.features)),
        "y": rng.standard_normal((1, size.rows, size.targets)),
        "lam": np.asarray(1.0),
    }


def _main(name: str, *numbers: str) -> None:
    formulation = next(f for f in ONE_OF_EACH if f.name == name)
    peaks = measure_here(formulation, RidgeSize(*map(int, numbers)))
    sys.stdout.write(json.dumps(asdict(peaks)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
