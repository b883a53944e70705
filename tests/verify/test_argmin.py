from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls import (
    BACKENDS,
    COMPUTATIONS,
    Backend,
    Computation,
    Manual,
    Optimality,
    jacobian,
)
from reference_impls.computation import Array, Arrays, draw
from reference_impls.computations import elastic_net_argmin, logistic_argmin, root_argmin
from reference_impls.implicit import torch_argmin, torch_root
from verify.argmin import Evidence, argmin_evidence
from verify.compare import overall
from verify.condition import Problem
from verify.gradients import make_cases, verify_case

Native = Any
Solve = Callable[..., Any]

ARGMINS = [computation for computation in COMPUTATIONS if computation.optimality]

DERIVATIVES = {"K J + R", "implicit function", "finite differences", "unrolled", "manual"}


def evidence_for(
    computation: Computation, size: int, backends: Iterable[Backend]
) -> list[Evidence]:
    backends = list(backends)
    (case,) = make_cases(computation, size, 0, ["float64"], backends)
    return argmin_evidence(case, backends)


@cache
def catalogue_evidence(computation: Computation) -> list[Evidence]:
    return evidence_for(computation, computation.tutorial_size, BACKENDS)


def against(evidence: Evidence, verdict: str) -> set[str]:
    return {check.against for check in evidence.checks if check.verdict == verdict}


every_argmin = pytest.mark.parametrize("computation", ARGMINS, ids=lambda c: c.name)


def test_the_catalogue_has_six() -> None:
    assert [computation.name for computation in ARGMINS] == [
        "ridge_argmin",
        "elastic_net_argmin",
        "logistic_argmin",
        "equality_qp_argmin",
        "root_argmin",
        "timeseries_net",
    ]


@every_argmin
def test_everything_speaks_for_every_implementation(computation: Computation) -> None:
    found = catalogue_evidence(computation)
    assert [each.implementation for each in found] == ["autograd", "torch", "manual"]
    shows_solution = computation.name != "timeseries_net"
    for each in found:
        assert {check.verdict for check in each.checks} == {"agree"}
        by_hand = each.implementation == "manual"
        assert against(each, "agree") == (
            {"implicit function", "finite differences", "unrolled", "linearity"}
            | ({"optimality"} if shows_solution or not by_hand else set())
            | ({"K J + R"} if shows_solution else set())
            | (set() if by_hand else {"manual", "c · f", "initial guess", "gradient for the guess"})
        )
        assert each.rank == each.unknowns
        assert (each.active is None) == (computation.name != "elastic_net_argmin")


@every_argmin
def test_errors_are_of_rounding_size(computation: Computation) -> None:
    for each in catalogue_evidence(computation):
        for check in each.checks:
            assert check.worst
            # A difference over 2h keeps about two thirds of the digits, times the condition.
            limit = 1e-7 if check.against == "finite differences" else 1e-12
            assert check.worst.error <= limit * check.worst.scale, check


def norm(arrays: Iterable[Array]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(array)) for array in arrays)))


@every_argmin
def test_the_whole_jacobian_has_ten_digits(computation: Computation) -> None:
    """The issue's bound, on every entry together, against the derivation by hand."""
    primals = draw(computation, computation.tutorial_size, "float64")
    jacobians = {backend.name: jacobian(backend, computation, primals) for backend in BACKENDS}
    by_hand = jacobians[Manual.name]
    for name, J in jacobians.items():
        gap = norm(J[argument] - by_hand[argument] for argument in by_hand)
        assert gap <= 1e-10 * norm(by_hand.values()), name


@pytest.mark.parametrize(
    "computation", [c for c in ARGMINS if c.name != "timeseries_net"], ids=lambda c: c.name
)
def test_the_jacobian_by_hand_has_ten_digits_of_the_implicit_functions(
    computation: Computation,
) -> None:
    """A column for every entry of every primal: -K⁻¹ R by the complex step."""
    primals = draw(computation, min(computation.sizes), "float64")
    assert computation.optimality
    problem = Problem.solved(computation.optimality, primals)
    by_hand = jacobian(Manual(), computation, primals)
    gaps, sizes = [], []
    for name in computation.wrt:
        columns = [
            problem.rate_along({name: unit.reshape(primals[name].shape)})
            for unit in np.eye(primals[name].size)
        ]
        expected = np.stack(columns, axis=1)
        gaps.append(by_hand[name].reshape(expected.shape) - expected)
        sizes.append(expected)
    assert norm(gaps) <= 1e-10 * norm(sizes)


class Textbook(torch.autograd.Function):
    """An argmin's backward as a textbook has it, with room for a mistake."""

    @staticmethod
    def forward(ctx: Native, layer: "Layer", y: torch.Tensor, *leaves: Native) -> Native:
        ctx.layer = layer
        ctx.save_for_backward(y, *leaves)
        return y.clone()

    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> Native:
        (g,) = cotangents
        y, *leaves = ctx.saved_tensors
        with torch.enable_grad():
            inputs = [leaf.detach().requires_grad_() for leaf in leaves]
            u = ctx.layer.adjoint(y, inputs, g)
            residual = ctx.layer.residual(y, *inputs)
            cotangents = torch.autograd.grad(residual, inputs, -u, materialize_grads=True)
        return None, None, *cotangents


class Layer:
    """A layer whose K and whose linear solver can be spoilt.

    Args:
        function: the objective, or the condition of a root.
        is_root: which of the two.
        spoil: from K to what is taken for Kᵀ.
        linear: solves with it.
        at: from y* to where K is taken.
    """

    def __init__(
        self,
        function: Callable[..., Native],
        *,
        is_root: bool = False,
        spoil: Callable[[torch.Tensor], torch.Tensor] = torch.t,
        linear: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = torch.linalg.solve,
        at: Callable[[torch.Tensor], torch.Tensor] = torch.clone,
    ) -> None:
        self.function = function
        self.is_root = is_root
        self.spoil = spoil
        self.linear = linear
        self.at = at

    def residual(self, y: torch.Tensor, *leaves: torch.Tensor) -> torch.Tensor:
        if self.is_root:
            result: torch.Tensor = self.function(y, *leaves)
            return result
        gradient: torch.Tensor = torch.func.grad(self.function)(y, *leaves)
        return gradient

    def adjoint(self, y: torch.Tensor, leaves: list[torch.Tensor], g: torch.Tensor) -> torch.Tensor:
        constants = [leaf.detach() for leaf in leaves]
        K = torch.func.jacrev(lambda y: self.residual(y, *constants))(self.at(y))
        return self.linear(self.spoil(K), g)


def textbook(**mistake: Any) -> Solve:  # noqa: ANN401 -- the arguments of Layer
    """Returns an operator with the backward above; right if there is no mistake."""
    is_root = mistake.get("is_root", False)

    def solve(function: Solve, initial: torch.Tensor, *parameters: torch.Tensor) -> Native:
        constants = [parameter.detach() for parameter in parameters]
        right = torch_root if is_root else torch_argmin
        y = right(function, initial.detach(), *constants)
        return Textbook.apply(Layer(function, **mistake), y, *parameters)  # type: ignore[no-untyped-call]

    return solve


def lost_minus(function: Solve, initial: torch.Tensor, *parameters: torch.Tensor) -> Native:
    y = torch_argmin(function, initial, *parameters)
    negated: Native = 2 * y.detach() - y
    return negated


def two_steps_of_conjugate_gradients(K: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    x, residual, direction = torch.zeros_like(b), b, b
    for _ in range(2):
        step = (residual @ residual) / (direction @ K @ direction)
        x = x + step * direction
        shorter = residual - step * (K @ direction)
        direction = shorter + (shorter @ shorter) / (residual @ residual) * direction
        residual = shorter
    return x


def leaking_warm_start(function: Solve, initial: torch.Tensor, *z: torch.Tensor) -> Native:
    """The tutorial's backward passes the cotangent on to the initial guess."""
    return torch_argmin(function, initial, *z) + (initial - initial.detach()) / 20


def stopped_early(function: Solve, initial: torch.Tensor, *z: torch.Tensor) -> Native:
    """A few steps from wherever it was started."""
    y = initial.detach().requires_grad_()
    for _ in range(10):
        (slope,) = torch.autograd.grad(function(y, *z), y, create_graph=True)
        y = y - slope
    return y


def without_the_last_gradient(function: Solve, initial: torch.Tensor, *z: torch.Tensor) -> Native:
    return torch_argmin(function, initial, *z[:-1], z[-1].detach())


def normalising(K: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    u: torch.Tensor = torch.linalg.solve(K, b / b.norm())
    return u


DAMPED = textbook(spoil=lambda K: K.T + 1e-3 * torch.eye(len(K), dtype=K.dtype))

FAULTS: dict[str, tuple[Computation, Solve, set[str]]] = {
    "lost minus": (logistic_argmin.COMPUTATION, lost_minus, DERIVATIVES),
    "K for its transpose": (
        root_argmin.COMPUTATION,
        textbook(is_root=True, spoil=torch.clone),
        DERIVATIVES,
    ),
    "Jacobian at the initial guess": (
        logistic_argmin.COMPUTATION,
        textbook(at=torch.zeros_like),
        DERIVATIVES,
    ),
    "damping left in K": (logistic_argmin.COMPUTATION, DAMPED, DERIVATIVES | {"c · f"}),
    "unconverged conjugate gradients": (
        logistic_argmin.COMPUTATION,
        textbook(linear=two_steps_of_conjugate_gradients),
        DERIVATIVES,
    ),
    "warm start leaks": (
        logistic_argmin.COMPUTATION,
        leaking_warm_start,
        {"gradient for the guess"},
    ),
    "stopped early": (
        logistic_argmin.COMPUTATION,
        stopped_early,
        {"optimality", "initial guess"},
    ),
    "zero Hessian hidden by a pseudo-inverse": (
        logistic_argmin.COMPUTATION,
        textbook(spoil=torch.zeros_like, linear=lambda K, b: torch.linalg.pinv(K) @ b),
        DERIVATIVES,
    ),
    "zeroed parameter gradient": (
        logistic_argmin.COMPUTATION,
        without_the_last_gradient,
        DERIVATIVES,
    ),
    "cotangent normalised": (
        logistic_argmin.COMPUTATION,
        textbook(linear=normalising),
        {"linearity"},
    ),
}


def with_torch(computation: Computation, solve: Solve) -> Computation:
    return replace(computation, by_torch=partial(computation.by_torch, solve=solve))


def evidence_by_name(computation: Computation) -> Mapping[str, Evidence]:
    found = evidence_for(computation, sorted(computation.sizes)[1], BACKENDS)
    return {each.implementation: each for each in found}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_caught_and_the_others_are_not_blamed(fault: str) -> None:
    computation, solve, catching = FAULTS[fault]
    found = evidence_by_name(with_torch(computation, solve))
    assert catching <= against(found["torch"], "disagree")
    assert overall(found["autograd"].checks) == "agree"
    assert overall(found["manual"].checks) == "agree"


@pytest.mark.parametrize(
    ("computation", "is_root"),
    [(logistic_argmin.COMPUTATION, False), (root_argmin.COMPUTATION, True)],
)
def test_the_textbook_without_a_mistake_is_right(computation: Computation, is_root: bool) -> None:  # noqa: FBT001
    found = evidence_by_name(with_torch(computation, textbook(is_root=is_root)))
    assert overall(found["torch"].checks) == "agree"


def full_matrix_across_the_kink(
    X: torch.Tensor, y: torch.Tensor, l1: torch.Tensor, l2: torch.Tensor
) -> torch.Tensor:
    """The right weights; in the backward, the Hessian of all of them, of those at zero too."""
    w = elastic_net_argmin.by_torch(X, y, l1.detach(), l2.detach())
    n = len(w)
    K = 2 / len(y) * X.T @ X + 2 / n * l2.detach() * torch.eye(n, dtype=X.dtype)
    gradient = torch.sign(w) * l1 / n + 2 / n * l2 * w
    attached: torch.Tensor = w - torch.linalg.solve(K, gradient - gradient.detach())
    return attached


def test_the_full_matrix_used_across_the_kink_is_caught() -> None:
    computation = replace(elastic_net_argmin.COMPUTATION, by_torch=full_matrix_across_the_kink)
    found = evidence_by_name(computation)
    assert against(found["torch"], "disagree") >= DERIVATIVES - {"unrolled"}
    assert overall(found["autograd"].checks) == overall(found["manual"].checks) == "agree"


def test_a_wrong_support_is_named() -> None:
    def dropping(X: Native, y: Native, l1: Native, l2: Native, **options: Native) -> Native:
        w = elastic_net_argmin.by_torch(X, y, l1, l2, **options)
        largest = torch.zeros_like(w)
        largest[w.abs().argmax()] = 1
        return w * (1 - largest)

    computation = replace(elastic_net_argmin.COMPUTATION, by_torch=dropping)
    found = evidence_for(computation, 100, BACKENDS)
    (optimality,) = (c for c in found[1].checks if c.against == "optimality")
    assert optimality.verdict == "disagree"
    assert "has sign 0, wanted" in optimality.detail


def soft_threshold(l1: float) -> Computation:
    """Two weights that do not interact: wⱼ = (|yⱼ| - l₁/2)₊ / (1 + l₂)."""

    def sample(rng: np.random.Generator, size: int) -> Arrays:
        del rng, size
        return {
            "X": np.eye(2),
            "y": np.array([3.0, 1.0]),
            "l1": np.asarray(l1),
            "l2": np.asarray(0.5),
        }

    return replace(elastic_net_argmin.COMPUTATION, sample=sample)


def test_away_from_the_kink_there_is_nothing_one_sided() -> None:
    for each in evidence_for(soft_threshold(1.0), 2, BACKENDS):
        assert overall(each.checks) == "agree"
        assert each.active == 2
        assert "one side" not in against(each, "agree")
        assert each.margin == pytest.approx(0.2)


def test_at_the_kink_either_side_is_right() -> None:
    for each in evidence_for(soft_threshold(2.0), 2, BACKENDS):
        assert overall(each.checks) == "agree"
        assert each.margin == pytest.approx(0.0, abs=1e-12)
        assert "one side" in against(each, "agree")
        assert not DERIVATIVES & against(each, "agree")
        (one_side,) = (check for check in each.checks if check.against == "one side")
        assert "a weight sits at the kink" in one_side.detail


def test_at_the_kink_what_is_beyond_either_side_is_wrong() -> None:
    right = elastic_net_argmin.by_hand

    def too_much(**primals: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = right(**primals)
        return value, lambda g: {name: 1.5 * array for name, array in vjp(g).items()}

    computation = replace(soft_threshold(2.0), by_hand=too_much)
    found = {e.implementation: e for e in evidence_for(computation, 2, BACKENDS)}
    assert against(found["manual"], "disagree") == {"one side"}
    assert overall(found["torch"].checks) == "agree"


def test_steps_that_change_the_support_are_named() -> None:
    """At a margin of 10⁻³ only the longer steps reach the kink."""
    for each in evidence_for(soft_threshold(1.998), 2, BACKENDS):
        assert overall(each.checks) == "agree"
        assert "the support changes at steps" in each.plateau


def singular(
    gradient: Callable[..., Array], value: Callable[[Array], Array], entries: int
) -> Computation:
    return Computation(
        name="singular",
        origin="none",
        sample=lambda rng, size: {"x": rng.standard_normal(size)},
        wrt=("x",),
        sizes=(entries,),
        by_autograd=None,  # type: ignore[arg-type]
        by_torch=None,  # type: ignore[arg-type]
        by_hand=lambda x: (value(x), lambda g: {"x": g}),
        optimality=Optimality(
            condition=lambda x: lambda y: gradient(y, x),
            start=lambda x: np.ones(x.size),
            outcome=lambda y, x: y,  # noqa: ARG005 -- of Optimality
        ),
    )


def of_cosine(y: Array, x: Array) -> Array:
    """∇ of -xᵀy/‖y‖."""
    squares = (y * y).sum()
    return np.asarray(-x / np.sqrt(squares) + (x * y).sum() * y / squares**1.5)


SINGULAR = {
    "quartic": singular(lambda y, x: 4 * (y - x) ** 3, lambda x: x.copy(), 1),
    "quartics": singular(lambda y, x: 4 * (y - x) ** 3, lambda x: x.copy(), 3),
    "cosine": singular(of_cosine, lambda x: x / np.sqrt((x * x).sum()), 3),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_a_singular_matrix_is_flagged(name: str) -> None:
    computation = SINGULAR[name]
    (found,) = evidence_for(computation, computation.sizes[0], [Manual()])
    (check,) = found.checks
    assert (check.against, check.verdict) == ("K", "disagree")
    assert "it determines no Jacobian" in check.detail


def test_other_computations_and_float32_have_no_such_evidence() -> None:
    computation = next(c for c in COMPUTATIONS if c.name == "relu")
    assert not evidence_for(computation, 32, BACKENDS)
    (case,) = make_cases(root_argmin.COMPUTATION, 2, 0, ["float32"], BACKENDS)
    assert not argmin_evidence(case, BACKENDS)


def test_an_implementation_that_fails_is_left_to_its_contract() -> None:
    def failing(**_: Native) -> Native:
        raise ArithmeticError("no solution")

    computation = replace(root_argmin.COMPUTATION, by_torch=failing)
    (case,) = make_cases(computation, 20, 0, ["float64"], BACKENDS)
    contracts = {c.implementation: c for c in verify_case(case, BACKENDS) if c.kind == "contract"}
    assert contracts["torch"].detail == "raised ArithmeticError: no solution"
    assert [e.implementation for e in argmin_evidence(case, BACKENDS)] == ["autograd", "manual"]
