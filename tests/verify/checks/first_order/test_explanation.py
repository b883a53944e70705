"""What is wrong, in words: every number in a sentence says something."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from reference_impls import Array, Vjp
from tests.verify.diagnosis.shared import each_dtype
from verify import Report, check, from_torch
from verify.checks.case import Case, case_at
from verify.checks.first_order.explanation import told
from verify.diagnosis import Diagnosis

X = np.array([0.8, -1.1, 0.3, 1.7, -0.6, 0.45])


def at(shape: tuple[int, ...]) -> Case:
    return case_at("f", ("x",), (6, 0), {"x": X}, shape)


def found(got: float, expected: float, bar: float, fault: str = "unknown") -> Diagnosis:
    return Diagnosis(fault, "gradient of x is wrong", "x", "[2]", got, expected, bar)


@pytest.mark.parametrize(
    ("diagnosis", "says"),
    [
        (
            found(0.07241346598204493, 0.6978118978574773, 1e-15),
            "got 0.0724, expected 0.698 ± 1.0e-15",
        ),
        (
            found(-5.57617135059, -5.57617134975, 1e-14),
            "got -5.5761713506, expected -5.5761713498 ± 1",
        ),
        (found(157703.6512, 157703.6450, 3e-10), "got 157703.65, expected 157703.64 ± 3.0e-10"),
        (found(-0.0, 2.0, 0.0), "got 0, expected 2"),
        (found(3.0, 0.0, 5e-324), "got 3, expected 0"),
        (found(1.23456789, np.nan, np.inf), "got 1.23"),
        (found(np.nan, 2.0, 1e-12, "not finite"), "got nan, expected 2 ± 1.0e-12"),
        (found(np.nan, np.nan, np.inf, "not finite"), "got nan"),
    ],
)
def test_numbers_have_the_digits_that_tell_them_apart(diagnosis: Diagnosis, says: str) -> None:
    text = told(at((6,)), diagnosis)
    assert text.startswith(f"gradient of x is wrong; x[2]: {says}")
    assert diagnosis.error_bar > 1e-300 or text.endswith(says)


def test_what_is_not_known_is_not_said() -> None:
    assert told(at((6,)), found(np.nan, np.nan, np.inf)) == "gradient of x is wrong"


def test_of_a_loss_the_entry_is_that_for_a_cotangent_of_1() -> None:
    case = at(())
    u = float(case.cotangent)
    text = told(case, found(2.5 * u, 2.0 * u, 1e-14 * abs(u)))
    assert text.endswith("x[2]: got 2.5, expected 2 ± 1.0e-14") or "got 2.50" in text


def forgets_decay(w: Array) -> tuple[Array, Vjp]:
    value = np.asarray(np.sum(np.sin(w)) + 0.15 * np.sum(w * w))
    return value, lambda u: {"w": u * np.cos(w)}


def halves_lasso(w: Array) -> tuple[Array, Vjp]:
    size = np.where(w.real > 0, w, -w).sum()
    value = np.asarray(np.sum(w**3) + 0.06 * size)
    return value, lambda u: {"w": u * (3 * w * w + 0.03 * np.sign(w))}


def shifted(w: Array) -> tuple[Array, Vjp]:
    return np.asarray(np.sum(w * w)), lambda u: {"w": u * (2 * w + 0.5)}


@each_dtype
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("function", "says"),
    [
        (forgets_decay, "lacks 0.3 times w"),
        (halves_lasso, "lacks 0.03 times the sign of w"),
        (shifted, "is too large by 0.5 everywhere"),
    ],
)
def test_of_a_loss_what_is_missing_is_told_for_a_cotangent_of_1_at_every_seed(
    function: Callable[[Array], tuple[Array, Vjp]], says: str, seed: int, dtype: str
) -> None:
    report = check(function, {"w": X.astype(dtype)}, seed=seed)
    assert report.diagnosis
    assert f"gradient of w {says};" in report.diagnosis.sentence


def assigned(base: Array, src: Array) -> tuple[Array, Vjp]:
    out = base.copy()
    out[1:3] = src  # of complex numbers, real ones drop the imaginary part
    value = out * out

    def vjp(u: Array) -> dict[str, Array]:
        gradient = 2 * u * out
        of_base = gradient.copy()
        of_base[1:3] = 0
        return {"base": of_base, "src": 1.5 * gradient[1:3]}

    return value, vjp


def inserted(base: Array, src: Array) -> tuple[Array, Vjp]:
    out = np.zeros((2, 6), base.dtype)
    out[0], out[1, :2] = base, src

    def vjp(u: Array) -> dict[str, Array]:
        slope = u * np.cos(out)
        return {"base": slope[0].copy(), "src": 1.5 * slope[1, :2]}

    return np.sin(out), vjp


def written_over(base: Array, src: Array) -> tuple[Array, Vjp]:
    out = np.empty_like(base)
    out[:2], out[2:] = src * src, base[2:] ** 3

    def vjp(u: Array) -> dict[str, Array]:
        of_base = 3 * u * base**2
        of_base[:2] = 0
        return {"base": of_base, "src": 3 * u[:2] * src}

    return out, vjp


@each_dtype
@pytest.mark.parametrize("function", [assigned, inserted, written_over])
def test_an_assignment_that_drops_imaginary_parts_hides_no_dependency(
    function: Callable[..., tuple[Array, Vjp]], dtype: str
) -> None:
    primals = {"base": X.astype(dtype), "src": np.array([0.7, -1.1], dtype)}
    report = check(function, primals)
    assert report.verdict == "disagree"
    assert report.diagnosis
    assert report.diagnosis.fault == "constant factor"
    assert "gradient of src is 1.5 times what it should be" in report.diagnosis.sentence


def lines_of(report: Report) -> list[str]:
    return str(report).splitlines()


def nothing_after_a_colon(line: str) -> bool:
    return line.rstrip().endswith(":")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_sum_over_ties_that_is_wrong_is_told_in_words(dtype: str) -> None:
    def largest(x: Array) -> tuple[Array, Vjp]:
        value = np.asarray(x.real.max() if not np.iscomplexobj(x) else x[np.argmax(x.real)])
        return value, lambda u: {"x": np.where(x == value, u, 0 * u)}

    report = check(largest, {"x": np.array([2.0, 2.0, 1.0, 2.0], dtype)})
    assert report.diagnosis
    assert report.diagnosis.fault == "outside the subdifferential"
    assert not any(map(nothing_after_a_colon, lines_of(report)))
    assert "the entries of x do not add up to the derivative along all of them" in str(report)


Torch = Callable[[torch.Tensor], torch.Tensor]

FUNCTIONS: dict[str, Torch] = {
    "exp": torch.exp,
    "softmax": lambda x: torch.softmax(x, 0),
    "a loss": lambda x: x.exp().sum(),
    "tanh": torch.tanh,
    "layer_norm": lambda x: torch.nn.functional.layer_norm(x, x.shape),
}

LINEAR_UP_TO_A_SIZE: dict[str, Torch] = {
    "clamped": lambda u: u.clamp(-3, 3),
    "clipped by its norm": lambda u: u * min(1.0, 4.0 / float(u.norm())),
    "saturating beyond": lambda u: torch.where(u.abs() < 2.7, u, u.sign() * u.abs().sqrt()),
}


def with_cotangents(forward: Torch, change: Torch) -> Torch:
    class Changed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205 -- torch's
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, u):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205 -- torch's
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                return torch.autograd.grad(forward(leaf), leaf, change(u))[0]

    return Changed.apply


@each_dtype
@pytest.mark.parametrize("forward", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("change", LINEAR_UP_TO_A_SIZE.values(), ids=LINEAR_UP_TO_A_SIZE)
def test_where_it_is_right_at_the_cotangent_it_is_only_not_linear(
    change: Torch, forward: Torch, dtype: str
) -> None:
    x = np.random.default_rng(2).standard_normal(6).astype(dtype)
    seen = 0
    for seed in (0, 2, 3):
        report = check(from_torch(with_cotangents(forward, change)), x, seed=seed)
        if report.verdict == "disagree":
            assert report.diagnosis
            assert report.diagnosis.fault == "not linear"
            seen += 1
    assert seen or forward is FUNCTIONS["a loss"]


@each_dtype
def test_where_it_is_wrong_there_too_that_is_told(dtype: str) -> None:
    x = np.random.default_rng(2).standard_normal(6).astype(dtype)
    report = check(from_torch(with_cotangents(torch.exp, torch.abs)), x, seed=0)
    assert report.diagnosis
    assert report.diagnosis.fault == "sign"
    assert "vjp(u - 2) is not vjp(u) - 2 vjp(1)" in report.diagnosis.sentence


@pytest.mark.parametrize("seed", range(3))
def test_gradients_rounded_to_float16_count_as_noise_and_are_told_by_their_mark(seed: int) -> None:
    def narrowed(x: Array) -> tuple[Array, Vjp]:
        return np.sin(x), lambda u: {"x": (u * np.cos(x)).astype(np.float16).astype(u.dtype)}

    report = check(narrowed, {"x": np.linspace(-1, 2, 900).astype(np.float32)}, seed=seed)
    assert report.diagnosis
    assert report.diagnosis.fault == "dtype downcast"
