from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import autograd.numpy as anp
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
    Torch,
    jacobian,
)
from reference_impls.computation import Array, Arrays, draw
from reference_impls.computations import (
    elastic_net_argmin,
    equality_qp_argmin,
    inequality_qp_argmin,
    logistic_argmin,
    ridge_argmin,
    root_argmin,
)
from reference_impls.engines.hips.argmin import autograd_root
from reference_impls.engines.pytorch.argmin import torch_argmin, torch_root
from reference_impls.implicit import NotConvergedError
from tests.verify.shared import cases_of, evidence_of, verified
from verify.checks.argmin.evidence import Evidence
from verify.checks.argmin.optimality import OptimalityError
from verify.checks.argmin.solution import Solution
from verify.checks.check import overall

Native = Any
Solve = Callable[..., Any]

ARGMINS = [computation for computation in COMPUTATIONS if computation.optimality]

DERIVATIVES = {"K J + R", "implicit function", "finite differences", "unrolled", "manual"}


def evidence_for(
    computation: Computation, size: int, backends: Iterable[Backend], seed: int = 0
) -> list[Evidence]:
    backends = list(backends)
    (case,) = cases_of(computation, size, seed, ["float64"], backends)
    return evidence_of(case, backends)


@cache
def catalogue_evidence(computation: Computation) -> list[Evidence]:
    return evidence_for(computation, computation.tutorial_size, BACKENDS)


def against(evidence: Evidence, verdict: str) -> set[str]:
    return {check.against for check in evidence.checks if check.verdict == verdict}


every_argmin = pytest.mark.parametrize("computation", ARGMINS, ids=lambda c: c.name)


def test_the_catalogue_has_these() -> None:
    assert [computation.name for computation in ARGMINS] == [
        "ridge_argmin",
        "ridge_intercept_argmin",
        "elastic_net_argmin",
        "printed_elastic_net_argmin",
        "logistic_argmin",
        "equality_qp_argmin",
        "inequality_qp_argmin",
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
        kinked = computation.name in {"elastic_net_argmin", "inequality_qp_argmin"}
        assert (each.active is not None) == kinked


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
    solution = Solution.found(computation.optimality, primals)
    by_hand = jacobian(Manual(), computation, primals)
    gaps, sizes = [], []
    for name in computation.wrt:
        columns = [
            solution.rate_along({name: unit.reshape(primals[name].shape)})
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
    for name in ("autograd", "manual"):
        assert not against(found[name], "disagree")
        assert against(found[name], "unsupported") == {"unrolled"}


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
        assert "an unknown sits at the kink" in one_side.detail


def test_at_the_kink_what_is_beyond_either_side_is_wrong() -> None:
    right = elastic_net_argmin.by_hand

    def too_much(**primals: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = right(**primals)
        return value, lambda g: {name: 1.5 * array for name, array in vjp(g).items()}

    computation = replace(soft_threshold(2.0), by_hand=too_much)
    found = {e.implementation: e for e in evidence_for(computation, 2, BACKENDS)}
    assert against(found["manual"], "disagree") == {"one side"}
    assert overall(found["torch"].checks) == "agree"


def below(h: float) -> Computation:
    """½ ‖x - (1, 2)‖² with x₀ ≤ h and x₁ ≤ 1: the second is active, the first where h < 1."""

    def sample(rng: np.random.Generator, size: int) -> Arrays:
        del rng, size
        c, bounds = np.array([-1.0, -2.0]), np.array([h, 1.0])
        return {"Q": np.eye(2), "c": c, "G": np.eye(2), "h": bounds}

    return replace(inequality_qp_argmin.COMPUTATION, sample=sample)


@pytest.mark.parametrize(("h", "active"), [(0.5, 4), (1.5, 3)])
def test_beside_a_weakly_active_constraint_there_is_nothing_one_sided(
    h: float, active: int
) -> None:
    for each in evidence_for(below(h), 2, BACKENDS):
        assert verdicts([each]) == {"agree"}
        assert each.active == active
        assert DERIVATIVES - {"manual"} <= against(each, "agree")
        assert "one side" not in against(each, "agree")


def test_at_a_weakly_active_constraint_either_side_is_right() -> None:
    for each in evidence_for(below(1.0), 2, BACKENDS):
        assert overall(each.checks) == "agree"
        assert each.margin == pytest.approx(0.0, abs=1e-12)
        assert "one side" in against(each, "agree")
        assert not DERIVATIVES & against(each, "agree")


def test_at_a_weakly_active_constraint_what_is_beyond_either_side_is_wrong() -> None:
    right = inequality_qp_argmin.by_hand

    def too_much(**primals: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = right(**primals)
        return value, lambda g: {name: 1.5 * array for name, array in vjp(g).items()}

    found = evidence_for(replace(below(1.0), by_hand=too_much), 2, BACKENDS)
    assert [against(each, "disagree") for each in found] == [set(), set(), {"one side"}]


def test_a_constraint_that_is_taken_for_active_is_named() -> None:
    """As an equality it would pull x₀ up to its bound, with a negative multiplier."""

    def all_active(
        Q: Native, c: Native, G: Native, h: Native, *, solve: Solve = torch_root
    ) -> Native:
        start = {"x": torch.zeros_like(c), "mu": torch.zeros_like(h)}
        found = solve(inequality_qp_argmin.kkt, start, Q, c, G, h)
        return torch.cat([found["x"], found["mu"]])

    found = evidence_for(replace(below(1.5), by_torch=all_active), 2, BACKENDS)
    (optimality,) = (check for check in found[1].checks if check.against == "optimality")
    assert optimality.verdict == "disagree"
    assert "unknown [2] has sign -1, wanted 0" in optimality.detail


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
    (case,) = cases_of(root_argmin.COMPUTATION, 2, 0, ["float32"], BACKENDS)
    assert not evidence_of(case, BACKENDS)


def test_an_implementation_that_fails_is_left_to_its_contract() -> None:
    def failing(**_: Native) -> Native:
        raise ArithmeticError("no solution")

    computation = replace(root_argmin.COMPUTATION, by_torch=failing)
    (case,) = cases_of(computation, 20, 0, ["float64"], BACKENDS)
    contracts = {c.implementation: c for c in verified(case, BACKENDS) if c.kind == "contract"}
    assert contracts["torch"].detail == "raised ArithmeticError: no solution"
    assert [e.implementation for e in evidence_of(case, BACKENDS)] == ["autograd", "manual"]


def verdicts(found: Iterable[Evidence]) -> set[str]:
    return {check.verdict for each in found for check in each.checks}


SEVERAL_TIMES = [
    pytest.param(computation, size, id=f"{computation.name}-{size}")
    for computation in ARGMINS[:-1]
    # A ridge's 200 unknowns take seconds a time; the next size is its tutorial's, tested above.
    for size in sorted(computation.sizes)[: 1 if computation is ridge_argmin.COMPUTATION else 2]
]


@pytest.mark.parametrize(("computation", "size"), SEVERAL_TIMES)
@pytest.mark.parametrize("seed", range(3))
def test_no_seed_raises_a_false_alarm(computation: Computation, size: int, seed: int) -> None:
    found = evidence_for(computation, size, BACKENDS, seed)
    assert len(found) == 3
    assert verdicts(found) == {"agree"}


@pytest.mark.parametrize("seed", [1, 2])
def test_scaling_an_objective_scales_its_constraint(seed: int) -> None:
    found = evidence_for(equality_qp_argmin.COMPUTATION, 100, BACKENDS, seed)
    assert all("c · f" in against(each, "agree") for each in found[:2])


def test_a_lucky_coincidence_of_differences_is_no_bar() -> None:
    (found,) = evidence_for(ridge_argmin.COMPUTATION, 100, [Manual()], 3)
    assert overall(found.checks) == "agree"


def linear(condition: float, sign: float = 1.0) -> Computation:
    """M y = x, with M a primal of that condition, in a layer that is right for sign 1."""

    def sample(rng: np.random.Generator, size: int) -> Arrays:
        left, right = (np.linalg.qr(rng.standard_normal((size, size)))[0] for _ in range(2))
        scales = np.logspace(0, -np.log10(condition), size)
        return {"M": left @ np.diag(scales) @ right, "x": rng.standard_normal(size)}

    def by_autograd(M: Native, x: Native, *, solve: Solve = autograd_root) -> Native:
        return solve(lambda y, M, x: anp.dot(M, y) - x, np.zeros(x.shape, x.dtype), M, x)

    def by_torch(M: torch.Tensor, x: torch.Tensor, *, solve: Solve = torch_root) -> Native:
        return solve(lambda y, M, x: M @ y - x, torch.zeros_like(x), M, x)

    def by_hand(M: Array, x: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        y = np.linalg.solve(M, x)

        def vjp(g: Array) -> Arrays:
            u = sign * np.linalg.solve(M.T, g)
            return {"M": -np.outer(u, y), "x": u}

        return y, vjp

    return Computation(
        name="linear",
        origin="none",
        sample=sample,
        wrt=("M", "x"),
        sizes=(5,),
        by_autograd=by_autograd,
        by_torch=by_torch,
        by_hand=by_hand,
        optimality=Optimality(
            condition=lambda M, x: lambda y: M @ y - x,
            start=lambda M, x: np.zeros(x.size),  # noqa: ARG005 -- of Optimality
            outcome=lambda y, M, x: y,  # noqa: ARG005 -- the same
            is_root=True,
        ),
    )


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6, 1e8, 1e11])
def test_an_ill_conditioned_layer_is_not_condemned(condition: float) -> None:
    for seed in range(4):
        assert "disagree" not in verdicts(evidence_for(linear(condition), 5, BACKENDS, seed))


@pytest.mark.parametrize("condition", [1e4, 1e8])
def test_an_ill_conditioned_layer_that_is_wrong_is_blamed(condition: float) -> None:
    (found,) = evidence_for(linear(condition, sign=-1.0), 5, [Manual()])
    assert {"K J + R", "implicit function"} <= against(found, "disagree")


def test_where_rounding_leaves_no_digits_nothing_agrees() -> None:
    (found,) = evidence_for(linear(1e13), 5, [Manual()])
    assert verdicts([found]) <= {"inconclusive", "unsupported"}
    assert "K has condition 1e+13" in found.checks[0].detail


def scalar_root(
    F: Callable[..., Array],
    y: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    start: float,
) -> Computation:
    """A root of F(y, x), entry by entry, with a layer that takes the guess in torch."""
    return Computation(
        name="scalar_root",
        origin="none",
        sample=lambda rng, size: {"x": 1 + rng.random(size)},
        wrt=("x",),
        sizes=(3,),
        by_torch=lambda x, *, solve=torch_root: solve(F, torch.full_like(x, start), x),
        by_hand=lambda x: (y(x), lambda g: {"x": g * slope(x)}),
        optimality=Optimality(
            condition=lambda x: lambda y: F(y, x),
            start=lambda x: np.full(x.size, start),
            outcome=lambda y, x: y,  # noqa: ARG005 -- of Optimality
            is_root=True,
        ),
    )


def test_a_solution_at_another_scale_is_not_singular() -> None:
    computation = replace(
        scalar_root(lambda y, x: y - x, lambda x: 1e-9 * x, lambda x: 1e-9 + 0 * x, 0.0),
        optimality=Optimality(
            condition=lambda x: lambda y: np.exp(1e9 * y) - np.exp(x),
            start=lambda x: np.zeros(x.size),
            outcome=lambda y, x: y,  # noqa: ARG005 -- of Optimality
        ),
    )
    (found,) = evidence_for(computation, 3, [Manual()])
    assert "disagree" not in verdicts([found])
    assert "implicit function" in against(found, "agree")


def square_root(sign: float, slope: float, start: float = 1.0) -> Computation:
    return scalar_root(
        lambda y, x: y * y - x,
        lambda x: sign * np.sqrt(x),
        lambda x: slope / (2 * np.sqrt(x)),
        start,
    )


def test_another_solution_is_judged_as_what_it_is() -> None:
    by_torch, by_hand = evidence_for(square_root(-1, -1), 3, [Torch(), Manual()])
    assert "disagree" not in verdicts([by_torch, by_hand])
    assert {"optimality", "K J + R", "finite differences"} <= against(by_hand, "agree")
    (optimality,) = (check for check in by_hand.checks if check.against == "optimality")
    assert "at its own solution" in optimality.detail


def test_a_wrong_derivative_at_another_solution_is_blamed() -> None:
    by_torch, by_hand = evidence_for(square_root(-1, 1), 3, [Torch(), Manual()])
    assert {"K J + R", "implicit function"} <= against(by_hand, "disagree")
    assert "disagree" not in verdicts([by_torch])


def test_a_guess_that_leads_to_another_solution_decides_nothing() -> None:
    computation = square_root(-1, -1, start=-0.05)
    by_torch, _ = evidence_for(computation, 3, [Torch(), Manual()])
    assert "disagree" not in verdicts([by_torch])
    (guess,) = (check for check in by_torch.checks if check.against == "initial guess")
    assert guess.detail == "leads to another solution"


def test_one_of_several_minima_stays_the_one_found() -> None:
    """x y⁴ + 2 x² y³ - 12 y² near its minimum at -3.3."""

    def objective(y: Native, x: Native) -> Native:
        return (x * y**4 + 2 * x**2 * y**3 - 12 * y**2).sum()

    computation = replace(
        scalar_root(lambda y, x: 4 * x * y**3 + 6 * x**2 * y**2 - 24 * y, np.sqrt, np.sqrt, -3.3),
        sample=lambda rng, size: {"x": np.ones(size)},  # noqa: ARG005 -- of Computation
        by_torch=lambda x, *, solve=torch_argmin: solve(objective, torch.full_like(x, -3.3), x),
    )
    assert computation.optimality
    computation = replace(computation, optimality=replace(computation.optimality, is_root=False))
    (found,) = evidence_for(computation, 1, [Torch()])
    assert verdicts([found]) == {"agree"}


def test_a_body_without_an_operator_to_vary_says_so() -> None:
    def fixed(X: Native, y: Native, lam: Native) -> Native:
        return logistic_argmin.by_torch(X, y, lam)

    found = evidence_by_name(replace(logistic_argmin.COMPUTATION, by_torch=fixed))
    varied = {"unrolled", "c · f", "initial guess", "gradient for the guess"}
    assert against(found["torch"], "unsupported") == varied
    assert against(found["manual"], "unsupported") == {"unrolled"}
    assert "by_torch takes no keyword `solve`" in found["manual"].checks[-2].detail


def test_a_reference_by_hand_that_is_wrong_is_missed() -> None:
    right = root_argmin.by_hand

    def doubled(**primals: Array) -> tuple[Array, Callable[[Array], Arrays]]:
        value, vjp = right(**primals)
        return value, lambda g: {name: 2 * array for name, array in vjp(g).items()}

    found = evidence_by_name(replace(root_argmin.COMPUTATION, by_hand=doubled))
    assert against(found["torch"], "unsupported") == {"manual"}


def test_a_nested_guess_is_shifted_leaf_by_leaf() -> None:
    def nested(W: torch.Tensor, x: torch.Tensor, *, solve: Solve = torch_root) -> Native:
        def condition(y: Native, W: torch.Tensor, x: torch.Tensor) -> Native:
            return (y["y"][0] - torch.tanh(W @ y["y"][0] + x),)

        return solve(condition, {"y": (torch.zeros_like(x),)}, W, x)["y"][0]

    found = evidence_by_name(replace(root_argmin.COMPUTATION, by_torch=nested))
    assert overall(found["torch"].checks) == "agree"


def cubic(**changes: Any) -> Computation:  # noqa: ANN401 -- of Optimality
    """y³ + y = a, with an optimality that is not quite right."""
    optimality = Optimality(
        condition=lambda a: lambda y: y**3 + y - a,
        start=lambda a: np.zeros(a.size),
        outcome=lambda y, a: y,  # noqa: ARG005 -- of Optimality
    )
    return Computation(
        name="cubic",
        origin="none",
        sample=lambda rng, size: {"a": rng.standard_normal(size)},
        wrt=("a",),
        sizes=(4,),
        by_torch=lambda a: torch_root(lambda y, a: y**3 + y - a, torch.zeros_like(a), a),
        optimality=replace(optimality, **changes),
    )


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "short start": (
        {"start": lambda a: np.zeros(3 + 0 * len(a))},
        ["condition", "(3,) as the start"],
    ),
    "2-D start": ({"start": lambda a: a.reshape(2, 2)}, ["start", "(2, 2)", "(n,)"]),
    "uncurried": ({"condition": lambda y, a: y - a}, ["condition", "'y'", "condition(**primals)"]),
    "no function": ({"condition": lambda a: a}, ["condition", "ndarray", "a function of y"]),
    "scalar": ({"condition": lambda a: lambda y: (y - a).sum()}, ["condition", "()", "(4,)"]),
    "wrong length": ({"condition": lambda a: lambda y: (y - a)[1:]}, ["(3,)", "(4,)"]),
    "real": (
        {"condition": lambda a: lambda y: np.real(y) ** 3 + np.real(y) - np.real(a)},
        ["condition", "complex step", "take complex numbers"],
    ),
    "abs": (
        {"condition": lambda a: lambda y: np.abs(y) ** 2 * y + y - a},
        ["condition", "complex step", "take complex numbers"],
    ),
    "outcome": ({"outcome": lambda a: a}, ["outcome", "outcome(y, **primals)"]),
    "no margin": ({"support": lambda y, a: np.sign(y + 0 * a)}, ["margin", "both of them"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_an_optimality_is_named_in_one_line(mistake: str) -> None:
    changes, said = MISTAKES[mistake]
    with pytest.raises(OptimalityError) as raised:
        evidence_for(cubic(**changes), 4, [Torch()])
    message = str(raised.value)
    assert message.startswith("cubic: optimality.")
    assert "\n" not in message
    assert "got" in message
    assert "wanted" in message
    for words in said:
        assert words in message


def test_a_search_of_verifys_own_that_fails_is_told() -> None:
    def failing(*_: Native, **__: Native) -> Native:
        raise NotConvergedError("not converged")

    optimality = elastic_net_argmin.COMPUTATION.optimality
    assert optimality
    computation = replace(
        elastic_net_argmin.COMPUTATION, optimality=replace(optimality, search=failing)
    )
    (found,) = evidence_for(computation, 10, [Manual()])
    (check,) = found.checks
    assert check.verdict == "unsupported"
    assert "raised NotConvergedError: not converged" in check.detail
