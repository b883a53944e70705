"""What a check asks of a function: calls, counted."""

from typing import Any

import numpy as np
import pytest

from reference_impls import DTYPES
from reference_impls.computation import Array, Vjp
from verify import Report, check
from verify.trust.awkward import AWKWARD
from verify.trust.faults import FAULTS
from verify.trust.planted import Awkward, Fault, Planted

DIAGNOSIS = 300
"""Calls of the function, of its value or with its VJP, for a check and its diagnosis."""

AT_KINK = 130
"""For a right gradient at a kink: the two sides, the limits, and the noise beside it."""

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


class Calls:
    """A planted function that counts its calls; some take no complex numbers."""

    def __init__(self, planted: Planted, *, is_complex: bool) -> None:
        self.planted, self.is_complex, self.count = planted, is_complex, 0

    def forward(self, **primals: Any) -> Array:  # noqa: ANN401 -- some are no arrays
        if not self.is_complex and any(map(np.iscomplexobj, primals.values())):
            raise TypeError("real numbers only")
        self.count += 1
        return self.planted.forward(**primals)

    def make_vjp(self, **primals: Any) -> tuple[Array, Vjp]:  # noqa: ANN401 -- as above
        self.count += 1
        return self.planted.make_vjp(**primals)

    def report(self) -> Report:
        primals = dict(self.planted.primals)
        return check(self.make_vjp, primals, forward=self.forward, wrt=self.planted.wrt)


def calls_of(
    entry: Fault | Awkward, dtype: str, size: int = 1, *, is_complex: bool = True
) -> Calls:
    size = entry.sizes[min(size, len(entry.sizes) - 1)]
    planted = entry.plant(size, dtype, np.random.default_rng(size))
    return Calls(planted, is_complex=is_complex)


FIRST_ORDER = [
    fault
    for fault in FAULTS
    if (planted := fault.plant(fault.sizes[0], "float64", np.random.default_rng(0))).order == 1
    and planted.computation is None
]


@pytest.mark.parametrize("is_complex", [True, False])
@pytest.mark.parametrize(
    ("fault", "dtype"),
    [
        pytest.param(fault, dtype, id=f"{fault.name}-{dtype}")
        for fault in FIRST_ORDER
        for dtype in fault.dtypes
    ],
)
def test_a_diagnosis_is_made_in_few_calls_and_names_the_fault(
    fault: Fault, dtype: str, *, is_complex: bool
) -> None:
    calls = calls_of(fault, dtype, is_complex=is_complex)
    report = calls.report()
    assert report.verdict == "disagree"
    assert calls.count <= DIAGNOSIS
    assert fault.diagnosis in (None, report.diagnosis and report.diagnosis.fault)


@each_dtype
@pytest.mark.parametrize("name", ["relu' = 0.5 at 0", "abs at 0, slope 0", "norm at 0, gradient 0"])
def test_a_kink_takes_few_calls(name: str, dtype: str) -> None:
    (awkward,) = (each for each in AWKWARD if each.name == name)
    calls = calls_of(awkward, dtype, size=0)
    assert calls.report().verdict == "agree"
    assert calls.count <= AT_KINK
