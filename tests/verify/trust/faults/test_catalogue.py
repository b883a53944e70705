from collections import Counter

import numpy as np
import pytest

from verify import diagnosis
from verify.trust.awkward import AWKWARD
from verify.trust.faults import FAULTS, Fault
from verify.trust.planted import Awkward, Planted

CLASSES = {
    "un-reduced broadcast": {"un-reduced broadcast"},
    "missing batch sum": {"missing batch sum"},
    "wrong 1/N": {"1/N lost", "1/N of all for 1/N of an axis"},
    "wrong constant factor": {"constant factor 2", "constant factor 3 on a function of size 1e-7"},
    "relative error 5e-4": {"relative error 5e-4"},
    "one entry zeroed among many": {"one entry zeroed among many"},
    "10 % wrong everywhere": {"10 % wrong everywhere"},
    "rolled": {"rolled"},
    "permuted": {"permuted"},
    "transposed": {"transposed"},
    "cotangent ignored": {"cotangent ignored"},
    "branch chosen by the output's sign": {"branch chosen by the output's sign"},
    "NaN from the unselected branch": {"NaN from the unselected branch"},
    "outside the subdifferential": {"relu' = 2 at 0", "relu' = -1 at 0"},
    "removable 0/0": {"removable 0/0: NaN", "removable 0/0: mended wrongly", "x/|x| at 0: NaN"},
    "logsumexp with -inf": {"logsumexp of -inf: NaN"},
    "duplicate indices overwritten": {"duplicate indices overwritten"},
    "a node used twice counted once": {"a node used twice, counted once"},
    "stale accumulator": {"stale accumulator"},
    "cotangent mutated": {"cotangent mutated"},
    "saved input mutated": {"primal mutated by the VJP", "value computed in place"},
    "strides ignored": {"strides of the cotangent ignored", "strides of a primal ignored"},
    "uninitialised output": {"uninitialised output"},
    "returned gradients sharing storage": {"gradient in a buffer that is used again"},
    "dtype drift": {"dtype drift"},
    "float32 downcast inside float64": {"float32 inside float64"},
    "sign flip": {"sign flipped"},
    "double backward detached": {"double backward detached"},
    "double backward wrong on the second call": {"double backward wrong on the second call"},
    "forward-over-reverse differing": {"forward over reverse differs from reverse over reverse"},
    "gradient leaked into ignored entries": {"gradient leaked into ignored entries"},
    "zero-size": {
        "zero-size gradient for a full argument",
        "zero-size batch leaves what was there",
    },
    "nondeterminism": {"nondeterminism"},
    "wrong gradient shape": {"wrong gradient shape"},
    "a dropped dependency": {"dropped dependency", "normaliser held constant"},
    "wrong only beyond some size": {"tail of the last block not written"},
    "regularisation forgotten": {"regularisation forgotten"},
    "lost minus": {"argmin: lost minus"},
    "K for K^T": {"argmin: K for its transpose"},
    "Jacobian at the initial guess": {"argmin: Jacobian at the initial guess"},
    "damping left in K": {"argmin: damping left in K"},
    "unconverged CG": {"argmin: unconverged conjugate gradients"},
    "warm-start leak": {
        "argmin: warm start leaks to the guess",
        "argmin: warm start carried over",
    },
    "zero Hessian hidden by a pseudo-inverse": {
        "argmin: zero Hessian hidden by a pseudo-inverse",
        "argmin: singular Hessian hidden by a pseudo-inverse",
    },
}
"""Those of the design, section 5."""

EVERY: tuple[Fault | Awkward, ...] = (*FAULTS, *AWKWARD)
every_one = pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.name)


@pytest.mark.parametrize("fault_class", CLASSES)
def test_every_class_of_the_design_is_there(fault_class: str) -> None:
    assert CLASSES[fault_class] <= {fault.name for fault in FAULTS}


def test_names_are_unique() -> None:
    assert Counter(entry.name for entry in EVERY).most_common(1)[0][1] == 1


@every_one
def test_a_story_is_told_in_a_line_or_three(entry: Fault | Awkward) -> None:
    assert 20 < len(entry.story) < 250
    assert entry.story.endswith(".")
    assert "\n" not in entry.story


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_have_three_sizes_and_a_word_that_is_known(fault: Fault) -> None:
    assert len(fault.sizes) == 3
    assert list(fault.sizes) == sorted(set(fault.sizes))
    assert fault.diagnosis is None or fault.diagnosis in diagnosis.FAULTS


def test_most_faults_have_a_diagnosis_and_reach_a_million() -> None:
    assert sum(fault.diagnosis is not None for fault in FAULTS) > 2 * len(FAULTS) / 3
    assert sum(max(fault.sizes) > 900_000 for fault in FAULTS) > len(FAULTS) / 2


def gradients(planted: Planted) -> dict[str, object]:
    primals = {
        name: np.copy(each) if isinstance(each, np.ndarray) else each
        for name, each in planted.primals.items()
    }
    value, vjp = planted.make_vjp(**primals)
    return dict(vjp(np.random.default_rng(1).standard_normal(value.shape).astype(value.dtype)))


@every_one
def test_a_plant_depends_on_its_generator_alone(entry: Fault | Awkward) -> None:
    one, same, other = (
        entry.plant(entry.sizes[0], "float64", np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    for name, primal in one.primals.items():
        np.testing.assert_array_equal(primal, same.primals[name])
    np.testing.assert_equal(gradients(one), gradients(same))
    sizes = [np.size(primal) for primal in one.primals.values()]
    assert not max(sizes) or any(
        not np.array_equal(one.primals[name], other.primals[name]) for name in one.primals
    )


@every_one
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_primals_and_values_are_of_the_dtype(entry: Fault | Awkward, dtype: str) -> None:
    for size in entry.sizes[:2]:
        planted = entry.plant(size, dtype, np.random.default_rng(size))
        assert set(planted.wrt) <= set(planted.primals)
        assert {planted.primals[name].dtype.name for name in planted.wrt} == {dtype}
        expected = planted.forward(**planted.primals)
        assert expected.dtype == dtype
        assert np.isfinite(expected).all()
        value, _ = planted.make_vjp(
            **{
                name: np.copy(each) if isinstance(each, np.ndarray) else each
                for name, each in planted.primals.items()
            }
        )
        assert isinstance(value, np.ndarray)
        assert value.dtype == dtype
        if entry.name != "argmin: warm start carried over":  # which is of its value, too
            np.testing.assert_allclose(value, expected, rtol=16 * float(np.finfo(dtype).eps))
