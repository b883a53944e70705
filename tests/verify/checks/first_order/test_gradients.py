from collections.abc import Callable
from dataclasses import replace
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import torch

from reference_impls import (
    BACKENDS,
    COMPUTATIONS,
    DTYPES,
    Array,
    Arrays,
    Backend,
    Computation,
    Manual,
    Torch,
)
from reference_impls.computation import not_written
from tests.verify.shared import cases_of, noises_of, verified
from verify import check
from verify.checks.check import Check, Verdict
from verify.checks.first_order.pairs import blamed, suspects

SIZE = 5


def sample(rng: np.random.Generator, size: int) -> Arrays:
    return {"x": rng.standard_normal(size), "y": rng.standard_normal(size)}


def by_hand(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    return x * np.sin(y), lambda g: {"x": g * np.sin(y), "y": g * x * np.cos(y)}


WAVE = Computation(
    name="wave",
    origin="x sin y",
    sample=sample,
    wrt=("x", "y"),
    sizes=(SIZE,),
    by_autograd=lambda x, y: x * anp.sin(y),
    by_torch=lambda x, y: x * torch.sin(y),
    by_hand=by_hand,
    shapes={"x": "N", "y": "N"},
)


def checks_of(computation: Computation, dtype: str = "float64", seed: int = 0) -> list[Check]:
    (case,) = cases_of(computation, SIZE, seed, [dtype], BACKENDS)
    return verified(case, BACKENDS)


def pairs(kind: str, *disagreeing: str) -> list[Check]:
    """Every pair of a, b and c; those listed disagree."""
    return [
        Check(pair[0], kind, pair[1], "disagree" if pair in disagreeing else "agree")
        for pair in ("ab", "ac", "bc")
    ]


@pytest.mark.parametrize(
    ("disagreeing", "named"),
    [
        ([], ""),
        (["ab", "ac"], "a"),
        (["ab", "bc"], "b"),
        (["ac", "bc"], "c"),
        (["ab", "ac", "bc"], "abc"),
        (["ab"], "ab"),
    ],
)
def test_the_one_that_differs_from_all_others_is_suspect_alone(
    disagreeing: list[str], named: str
) -> None:
    assert suspects(pairs("vjp", *disagreeing)) == set(named)


@pytest.mark.parametrize(("verdict", "named"), [("agree", set()), ("disagree", {"a", "b"})])
def test_of_two_that_differ_either_is_suspect(verdict: Verdict, named: set[str]) -> None:
    assert suspects([Check("a", "value", "b", verdict)]) == named


@pytest.mark.parametrize("kind", ["contract", "stability", "oracle", "precision"])
def test_a_check_of_one_implementation_blames_it_and_a_pairwise_one_the_odd_one_out(
    kind: str,
) -> None:
    checks = [Check("c", kind, "the truth", "disagree"), *pairs("value", "ab", "ac"), *pairs("vjp")]
    assert blamed(checks) == {"a", "c"}


@pytest.mark.parametrize("verdict", ["agree", "inconclusive", "unsupported"])
def test_only_a_disagreement_blames(verdict: Verdict) -> None:
    assert blamed([Check("a", "oracle", "Richardson", verdict)]) == set()


def test_both_dtypes_get_the_same_numbers_rounded() -> None:
    double, single = cases_of(WAVE, SIZE, 0, DTYPES, BACKENDS)
    for wide, narrow in (
        (double.primals, single.primals),
        ({"u": double.cotangent}, {"u": single.cotangent}),
        *zip(double.directions, single.directions, strict=True),
    ):
        for name, array in wide.items():
            assert (str(array.dtype), str(narrow[name].dtype)) == DTYPES
            np.testing.assert_array_equal(array.astype(np.float32), narrow[name])


def test_a_case_depends_on_its_seed_and_nothing_else() -> None:
    def numbers(seed: int, *dtypes: str) -> list[bytes]:
        *_, case = cases_of(WAVE, SIZE, seed, dtypes, BACKENDS)
        arrays = [*case.primals.values(), case.cotangent]
        arrays += [array for tangents in case.directions for array in tangents.values()]
        for noise in noises_of(case, BACKENDS).each.values():
            arrays += [noise.value["value"], *noise.cotangents.values(), noise.pairings]
        return [array.tobytes() for array in arrays]

    assert numbers(3, "float64") == numbers(3, "float32", "float64")
    assert not set(numbers(3, "float64")) & set(numbers(4, "float64"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sound_computation_agrees_on_everything(dtype: str) -> None:
    checks = checks_of(WAVE, dtype)
    kinds = ["contract"] * 3 + ["stability"] * 3 + ["value"] * 3 + ["vjp"] * 3 + ["oracle"] * 3
    assert [check.kind for check in checks][:15] == kinds
    assert {check.verdict for check in checks} == {"agree"}
    assert {check.against for check in checks if check.kind == "oracle"} == {"complex step"}


def noise(x: Array) -> Array:
    """Numbers about 1 that any change of x, however small, changes altogether."""
    bits = np.ascontiguousarray(x, np.float64).view(np.uint64)
    return np.random.default_rng([int(number) for number in bits.flat]).standard_normal(x.shape)


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("donsker_varadhan", 34),  # b̄₂ is a sum whose roundings are alike at all points
        ("donsker_varadhan", 115),
        ("elu_mlp", 133),  # a unit is at its kink but for rounding
        ("timeseries_net", 159),  # K is singular in float32
        ("timeseries_net", 187),  # one entry has little noise by chance
    ],
)
def test_what_was_called_wrong_once_is_not(name: str, seed: int) -> None:
    computation = next(each for each in COMPUTATIONS if each.name == name)
    for case in cases_of(computation, computation.tutorial_size, seed, DTYPES, BACKENDS):
        checks = verified(case, BACKENDS)
        assert not [str(check) for check in checks if check.verdict == "disagree"]


def test_an_oracle_blunted_by_noise_is_inconclusive_never_agree() -> None:
    """Noise of 1e-3 anywhere but at the case's own point, where all three values agree."""
    (case,) = cases_of(WAVE, SIZE, 0, ["float64"], BACKENDS)

    def noisy_by_hand(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        if np.iscomplexobj(x):
            raise TypeError
        value, vjp = by_hand(x, y)
        level = 0.0 if np.array_equal(x, case.primals["x"]) else 1e-3
        return value + (level * noise(x)).astype(x.dtype), vjp

    noisy = replace(case, computation=replace(WAVE, by_hand=noisy_by_hand))
    oracle = [check for check in verified(noisy, BACKENDS) if check.kind == "oracle"]
    assert [(check.against, check.verdict) for check in oracle] == [
        ("Richardson", "inconclusive")
    ] * 3
    assert all(check.detail.startswith("the oracle's error bar is ") for check in oracle)


def raises(*_: object, **__: object) -> Any:  # noqa: ANN401 - it gives nothing
    raise ZeroDivisionError("never\nmind")


@pytest.mark.parametrize(
    ("field", "name"),
    [("by_autograd", "autograd"), ("by_torch", "torch"), ("by_hand", "manual")],
)
def test_whoever_raises_is_named_with_the_first_line_of_the_error(field: str, name: str) -> None:
    checks = checks_of(replace(WAVE, **{field: raises}))  # type: ignore[arg-type]
    (wrong,) = [check for check in checks if check.verdict == "disagree"]
    assert (wrong.implementation, wrong.kind) == (name, "contract")
    assert wrong.detail == "raised ZeroDivisionError: never"
    assert {check.verdict for check in checks if check is not wrong} == {"agree"}


def test_the_oracle_differentiates_the_values_of_whoever_is_left() -> None:
    checks = checks_of(replace(WAVE, by_hand=raises, by_autograd=raises))
    (oracle,) = [check for check in checks if check.kind == "oracle"]
    assert (oracle.implementation, oracle.against) == ("torch", "Richardson")
    assert blamed(checks) == {"autograd", "manual"}


def test_without_values_to_differentiate_the_oracle_is_unsupported() -> None:
    def thrice(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = by_hand(x, y)
        return 3 * value, vjp

    disagreeing = replace(WAVE, by_hand=thrice, by_autograd=raises)
    oracle = [check for check in checks_of(disagreeing) if check.kind == "oracle"]
    assert [(check.against, check.verdict) for check in oracle] == [("none", "unsupported")] * 2


@pytest.mark.parametrize("backends", [(Manual(),), (Torch(),), (Torch(), Manual())])
def test_an_implementation_left_out_need_not_be_written(backends: tuple[Backend, ...]) -> None:
    partial = replace(WAVE, by_autograd=not_written, by_torch=not_written, by_hand=not_written)
    for backend in backends:
        partial = backend.with_body(partial, backend.body_of(WAVE))  # type: ignore[arg-type]
    for case in cases_of(partial, SIZE, 0, DTYPES, backends):
        checks = verified(case, backends)
        assert {check.verdict for check in checks} == {"agree"}
        assert "oracle" in {check.kind for check in checks}


@pytest.mark.parametrize("backends", [BACKENDS, (Torch(), Manual()), (Manual(),)])
@pytest.mark.parametrize("part", ["value", "gradient"])
@pytest.mark.parametrize("error", [1e-3, 1.0])
def test_what_is_wrong_in_float32_alone_is_no_rounding_noise(
    backends: tuple[Backend, ...], part: str, error: float
) -> None:
    def wrong_in_float32(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = by_hand(x, y)
        factor = x.dtype.type(1 + error if x.dtype == np.float32 else 1)
        if part == "value":
            return factor * value, vjp
        return value, lambda g: {name: factor * array for name, array in vjp(g).items()}

    (case,) = cases_of(replace(WAVE, by_hand=wrong_in_float32), SIZE, 0, ["float32"], backends)
    assert "manual" in blamed(verified(case, backends))


def doubles_every_call(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    value, vjp = by_hand(x, y)
    total = {"x": np.zeros_like(x), "y": np.zeros_like(y)}

    def accumulate(g: Array) -> Arrays:
        for name, array in vjp(g).items():
            total[name] = total[name] + array
        return dict(total)

    return value, accumulate


def spoils_a_primal(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    value, vjp = by_hand(x, y.copy())
    y += 1
    return value, vjp


def spoils_the_cotangent(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    value, vjp = by_hand(x, y)

    def scaling(g: Array) -> Arrays:
        cotangents = vjp(g)
        g *= 2
        return cotangents

    return value, scaling


@pytest.mark.parametrize(
    ("impure", "detail"),
    [
        (doubles_every_call, "a second call of the VJP changed "),
        (spoils_a_primal, "modified primal y"),
        (spoils_the_cotangent, "modified the cotangent"),
    ],
)
def test_whoever_is_not_a_pure_function_is_named_and_nobody_else(
    impure: Callable[..., Any], detail: str
) -> None:
    checks = checks_of(replace(WAVE, by_hand=impure))
    (contract,) = [c for c in checks if c.kind == "contract" and c.verdict == "disagree"]
    assert contract.implementation == "manual"
    assert contract.detail.startswith(detail)
    assert blamed(checks) == {"manual"}


def downcast_by_hand(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    narrow = np.sin(y.astype(np.float32)).astype(y.dtype)
    return x * narrow, lambda g: {"x": g * narrow, "y": g * x * np.cos(y)}


def torch_downcast(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x * torch.sin(y.to(torch.float32)).to(y.dtype)


def autograd_downcast(x: Any, y: Any) -> Any:  # noqa: ANN401 - boxes have no type
    return x * anp.sin(y.astype(np.float32)).astype(x.dtype)


@pytest.mark.parametrize(
    ("field", "body", "name"),
    [
        ("by_autograd", autograd_downcast, "autograd"),
        ("by_torch", torch_downcast, "torch"),
        ("by_hand", downcast_by_hand, "manual"),
    ],
)
def test_a_detour_through_float32_inside_float64_is_caught(
    field: str, body: Callable[..., Any], name: str
) -> None:
    computation = replace(WAVE, **{field: body})  # type: ignore[arg-type]
    assert blamed(checks_of(computation, "float64")) == {name}
    assert blamed(checks_of(computation, "float32")) == set()


@pytest.mark.parametrize(
    ("field", "name"),
    [("by_autograd", "autograd"), ("by_torch", "torch"), ("by_hand", "manual")],
)
def test_whoever_gives_a_value_of_another_shape_is_named(field: str, name: str) -> None:
    body = getattr(WAVE, field)

    def column(**primals: Any) -> Any:  # noqa: ANN401 - three libraries' arrays
        if field == "by_hand":
            value, vjp = body(**primals)
            return value[:, None], lambda g: vjp(g[:, 0])
        return body(**primals)[:, None]

    computation = replace(WAVE, **{field: column})  # type: ignore[arg-type]
    assert blamed(checks_of(computation)) == {name}


@pytest.mark.parametrize("argument", ["x", "y"])
def test_a_fault_that_all_three_share_is_told_by_the_oracle(argument: str) -> None:
    """Nobody is the odd one out, and the manual derivation is not what to be measured by."""

    def faulty_by_hand(x: Array, y: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = by_hand(x, y)
        return value, lambda g: vjp(g) | {argument: 1.001 * vjp(g)[argument]}

    def faulty(detached: Callable[..., Any], body: Callable[..., Any]) -> Callable[..., Any]:
        def by_engine(**primals: Any) -> Any:  # noqa: ANN401 - two libraries' arrays
            p = primals[argument]
            return body(**primals | {argument: 1.001 * p - 0.001 * detached(p)})

        return by_engine

    shared = replace(
        WAVE,
        by_hand=faulty_by_hand,
        by_torch=faulty(torch.Tensor.detach, WAVE.by_torch),
        by_autograd=faulty(lambda box: getattr(box, "_value", box), WAVE.by_autograd),
    )
    checks = checks_of(shared)
    wrong = [check for check in checks if check.verdict == "disagree"]
    assert [check.kind for check in wrong] == ["oracle"] * 3
    assert "precision" not in {check.kind for check in checks}


def test_an_oracle_that_cannot_be_evaluated_is_unsupported() -> None:
    """The bodies give values at the primals, and refuse beside them."""

    def by_hand(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        if np.iscomplexobj(x) or not np.array_equal(x.astype(np.float32), x):
            raise ArithmeticError("no solution here\nnor there")
        return 2 * x, lambda g: {"x": 2 * g}

    computation = Computation(
        name="picky",
        origin="none",
        sample=lambda rng, size: {"x": rng.standard_normal(size).astype(np.float32)},
        wrt=("x",),
        sizes=(3,),
        by_hand=by_hand,
    )
    (case,) = cases_of(computation, 3, 0, ["float64"], [Manual()])
    (oracle,) = (check for check in verified(case, [Manual()]) if check.kind == "oracle")
    assert oracle.verdict == "unsupported"
    assert oracle.detail.endswith("raised ArithmeticError: no solution here")


def scaled_square(scale: float, error: float, *, zeroed: bool) -> Callable[..., Any]:
    def by_hand(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        factor = x.dtype.type(scale)

        def vjp(g: Array) -> Arrays:
            gradient = (2 * (1 + error) * factor * g * x).astype(x.dtype)
            gradient[x.size // 2] *= not zeroed
            return {"x": gradient}

        return np.asarray(np.sum(factor * x * x)), vjp

    return by_hand


SCALES = {"float64": (1e-30, 1e-12, 1.0, 1e12, 1e30), "float32": (1e-9, 1e-6, 1.0, 1e6, 1e9)}


@pytest.mark.parametrize(
    ("dtype", "scale", "size"),
    [(dtype, scale, size) for dtype in DTYPES for scale in SCALES[dtype] for size in SCALES[dtype]],
)
@pytest.mark.parametrize(
    ("error", "zeroed", "verdict"),
    [(0.0, False, "agree"), (5e-4, False, "disagree"), (0.0, True, "disagree")],
)
def test_a_verdict_does_not_depend_on_the_units_of_anything(
    dtype: str, scale: float, size: float, error: float, verdict: Verdict, *, zeroed: bool
) -> None:
    for n in (1, 1000):
        x = (size * np.random.default_rng(n).standard_normal(n)).astype(dtype)
        report = check(scaled_square(scale, error, zeroed=zeroed), {"x": x})
        assert report.verdict == verdict, str(report)


def softmax(z: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    powers = np.exp(z - np.max(z.real))
    p = powers / np.sum(powers)
    return p, lambda g: {"z": p * (g - np.sum(g * p))}


def at_the_minimum(z: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    """Cross-entropy from the softmax itself: the gradient is zero."""
    p = softmax(z)[0]
    target = softmax(np.real(z).astype(np.float64))[0].astype(p.dtype)
    if np.iscomplexobj(z) or not np.array_equal(z, LOGITS[z.size].astype(z.dtype)):
        target = softmax(LOGITS[z.size])[0].astype(p.dtype)
    value = np.asarray(-np.sum(target * np.log(p)))
    return value, lambda g: {"z": (g * (p - target)).astype(z.dtype)}


LOGITS = {n: np.random.default_rng(n).standard_normal(n) for n in (1, 2, 3, 10, 1000)}


def variance(x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
    deviations = x - np.sum(x) / x.size
    value = np.asarray(np.sum(deviations * deviations) / x.size)
    return value, lambda g: {"x": (2 * g * deviations / x.size).astype(x.dtype)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", LOGITS)
def test_what_cancels_is_no_mistake(n: int, dtype: str) -> None:
    z = LOGITS[n].astype(dtype)
    for seed in range(5):
        for f, given in (
            (softmax, {"z": z}),
            (at_the_minimum, {"z": z}),
            (variance, {"x": z + 100}),
        ):
            report = check(f, given, seed=seed)
            assert report.verdict in ("agree", "inconclusive"), str(report)
            assert f is at_the_minimum or report.verdict == "agree"
