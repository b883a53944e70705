import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import autograd.numpy as anp
import numpy as np
import pytest
import torch
from autograd.extend import defvjp, primitive
from autograd.tracer import getval
from torch.autograd.function import BackwardCFunction, FunctionCtx

from reference_impls.computation import Array, Arrays, Vjp
from reference_impls.engines.adapter import Adapter
from reference_impls.engines.hips.function import from_autograd
from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.peers import jax_check_grads
from verify.trust.peers.all_peers import PEERS
from verify.trust.peers.peer import UNLIMITED, Judgement, Peer, judge
from verify.trust.planted import Planted

Spoil = Callable[[Arrays], Arrays]


def sound(gradients: Arrays) -> Arrays:
    return gradients


def times(factor: float) -> Spoil:
    return lambda gradients: {name: g * g.dtype.type(factor) for name, g in gradients.items()}


def scaled_tanh(spoil: Spoil = sound, n: int = 12, dtype: str = "float64") -> Planted:
    """w tanh(x[picked]): two differentiated arguments, and one of integers."""
    rng = np.random.default_rng(0)

    def forward(x: Array, w: Array, picked: Array) -> Array:
        return np.asarray(w * np.tanh(x[picked]))

    def make_vjp(x: Array, w: Array, picked: Array) -> tuple[Array, Vjp]:
        t = np.tanh(x[picked])

        def vjp(u: Array) -> Arrays:
            into_x = np.zeros_like(x)
            into_x[picked] = u * w * (1 - t**2)
            return spoil({"x": into_x, "w": np.asarray((u * t).sum())})

        return w * t, vjp

    primals = {
        "x": rng.standard_normal(n).astype(dtype),
        "w": np.array(1.5, dtype),
        "picked": np.arange(n)[::-1],
    }
    return Planted(make_vjp, primals, forward, ("x", "w"), None)


def elementwise(
    function: Callable[[Array], Array], slope: Callable[[Array], Array], x: Array
) -> Planted:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        return function(x), lambda u: {"x": u * slope(x)}

    return Planted(make_vjp, {"x": x}, lambda x: function(x), ("x",), None)  # noqa: PLW0108 - a ufunc has no name for it


def relu_at_zero() -> Planted:
    x = np.array([-1.0, 0.0, 2.0])
    return elementwise(lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float), x)


def linear(x: Array) -> Planted:
    return elementwise(lambda x: 3.0 * x, lambda x: np.full_like(x, 3.0), x)


def peer(name: str) -> Peer:
    (found,) = [each for each in PEERS if each.name == name]
    return found


def ruling(of: Peer | str, planted: Planted, seed: int = 0) -> str:
    asked = peer(of) if isinstance(of, str) else of
    return judge(asked, planted, np.random.default_rng(seed)).ruling


each_peer = pytest.mark.parametrize("each", PEERS, ids=lambda each: each.name)


def ask(each: Peer, planted: Planted) -> Judgement:
    judgement = judge(each, planted, np.random.default_rng(0))
    if judgement.ruling == "skipped":
        pytest.skip(judgement.detail)
    return judgement


class TestEveryPeer:
    @each_peer
    def test_accepts_a_right_gradient(self, each: Peer) -> None:
        judgement = ask(each, scaled_tanh())
        assert (judgement.ruling, judgement.detail) == ("accepts", "")
        assert judgement.seconds > 0

    @each_peer
    @pytest.mark.parametrize(
        "spoil",
        [
            times(-1),
            times(2),
            lambda g: g | {"w": np.zeros_like(g["w"])},
            lambda g: g | {"x": np.roll(g["x"], 1)},
            lambda g: g | {"x": np.full_like(g["x"], np.nan)},
            lambda g: {"x": g["x"]},
            lambda _: None,
        ],
        ids=["sign", "factor 2", "dropped w", "rolled x", "NaN", "forgotten w", "None"],
    )
    def test_rejects_a_wrong_one(self, each: Peer, spoil: Spoil) -> None:
        assert ask(each, scaled_tanh(spoil)).ruling == "rejects"

    @each_peer
    def test_accepts_a_linear_function(self, each: Peer) -> None:
        assert ask(each, linear(np.array([1.0, -2.0, 0.5]))).ruling == "accepts"

    @each_peer
    @pytest.mark.parametrize(
        "x",
        [np.ones(8)[::-2], np.ones((3, 2)).T, np.ones((0, 5)), np.float64(2.0)],
        ids=["backwards", "transposed", "empty", "scalar"],
    )
    def test_it_is_not_the_wrapping_that_is_rejected(self, each: Peer, x: Array) -> None:
        right = elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2, x)
        judgement = ask(each, right)
        assert (judgement.ruling, judgement.detail) == ("accepts", "")

    @each_peer
    def test_its_answer_repeats_and_global_generators_stay_as_they_were(self, each: Peer) -> None:
        numpy_state = np.random.get_state()  # noqa: NPY002 - that it is left alone is the test
        torch_state = torch.random.get_rng_state()
        first, second = (
            ask(each, scaled_tanh(times(1 + 1e-5))),
            ask(each, scaled_tanh(times(1 + 1e-5))),
        )
        assert (first.ruling, first.detail) == (second.ruling, second.detail)
        after = np.random.get_state()  # noqa: NPY002 - the same
        assert all(np.array_equal(a, b) for a, b in zip(numpy_state, after, strict=True))
        assert torch.equal(torch_state, torch.random.get_rng_state())

    @each_peer
    def test_a_function_that_overwrites_its_inputs_harms_no_one_else(self, each: Peer) -> None:
        planted = scaled_tanh()
        before = {name: np.array(primal) for name, primal in planted.primals.items()}

        def overwriting(**primals: Array) -> tuple[Array, Vjp]:
            result: tuple[Array, Vjp] = planted.make_vjp(**primals)
            primals["x"] += 1.0
            primals["picked"] *= 0
            return result

        ask(each, replace(planted, make_vjp=overwriting))
        assert all(np.array_equal(before[k], planted.primals[k]) for k in before)

    @each_peer
    def test_warnings_are_not_errors(self, each: Peer) -> None:
        planted = scaled_tanh()

        def warns(**primals: Array) -> tuple[Array, Vjp]:
            warnings.warn("so be it", stacklevel=1)
            result: tuple[Array, Vjp] = planted.make_vjp(**primals)
            return result

        warned = replace(planted, make_vjp=warns)
        assert ask(each, warned).ruling == "accepts"

    @each_peer
    def test_second_derivatives_of_a_plain_function_are_nothing_it_can_look_at(
        self, each: Peer
    ) -> None:
        planted = scaled_tanh()
        second = replace(planted, order=2)
        judgement = judge(each, second, np.random.default_rng(0))
        assert judgement.ruling == "skipped"
        assert judgement.seconds == 0
        if not each.missing():
            assert judgement.detail.startswith("second derivatives: ")


def test_who_raises_rejects_and_says_so_in_one_line() -> None:
    def raises(**_: Array) -> tuple[Array, Vjp]:
        raise ValueError("first\nsecond")

    planted = scaled_tanh()
    broken = replace(planted, make_vjp=raises)
    judgement = judge(peer("scipy check_grad"), broken, np.random.default_rng(0))
    assert (judgement.ruling, judgement.detail) == ("rejects", "raised ValueError: first")


class TestSkipped:
    def test_what_looks_at_every_entry_stops_at_a_size(self) -> None:
        limited = {each.name for each in PEERS if each.largest < UNLIMITED}
        assert limited == {"torch gradcheck", "scipy check_grad"}
        for name in limited:
            judgement = judge(peer(name), scaled_tanh(n=3_000), np.random.default_rng(0))
            assert judgement == Judgement(
                "skipped", 0.0, "takes O(n) evaluations: 3,001 entries, skipped beyond 2,000"
            )

    def test_the_entries_of_the_value_count_too(self) -> None:
        x = np.array([1.0])
        wide = elementwise(lambda x: np.tile(x, 3_000), lambda x: x, x)
        assert ruling("torch gradcheck", wide) == "skipped"

    @each_peer
    def test_the_others_go_on(self, each: Peer) -> None:
        if each.largest == UNLIMITED:
            assert ask(each, scaled_tanh(n=3_000)).ruling == "accepts"

    def test_without_jax(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jax_check_grads, "find_spec", lambda _: None)
        judgement = judge(peer("jax check_grads"), scaled_tanh(), np.random.default_rng(0))
        assert judgement == Judgement("skipped", 0.0, "jax is not installed")


class TestBlindSpots:
    """What the peers are known to miss, and whom they accuse: facts about their defaults."""

    @pytest.mark.parametrize("name", ["torch gradcheck", "torch gradcheck, fast"])
    def test_gradcheck_takes_a_relative_error_of_5e_4(self, name: str) -> None:
        assert ruling(name, scaled_tanh(times(1 + 5e-4))) == "accepts"
        assert ruling(name, scaled_tanh(times(1 + 5e-3))) == "rejects"

    @pytest.mark.parametrize(
        "name", ["autograd check_grads", "scipy check_grad", "jax check_grads"]
    )
    def test_others_do_not(self, name: str) -> None:
        assert ask(peer(name), scaled_tanh(times(1 + 5e-4))).ruling == "rejects"

    def test_the_taylor_test_lets_it_pass_with_some_directions(self) -> None:
        found = {ruling("Taylor test", scaled_tanh(times(1 + 5e-4)), seed) for seed in range(10)}
        assert found == {"accepts", "rejects"}

    @pytest.mark.parametrize(
        ("n", "factor", "expected"),
        [
            *((900, 1.1, "rejects"), (900, 1.01, "accepts")),
            *((10_000, 2.0, "rejects"), (10_000, 1.1, "accepts")),
            *((300_000, -1.0, "accepts"),),
        ],
    )
    def test_fast_gradcheck_forgives_the_more_the_larger_the_function(
        self, n: int, factor: float, expected: str
    ) -> None:
        """Its tolerance grows with the entries of argument and value both."""
        x = np.random.default_rng(0).standard_normal(n)
        wrong = elementwise(np.tanh, lambda x: factor * (1 - np.tanh(x) ** 2), x)
        assert ruling("torch gradcheck, fast", wrong) == expected
        if n <= 900:
            assert ruling("torch gradcheck", wrong) == "rejects"

    @pytest.mark.parametrize(("n", "copies"), [(5_000, 1), (1, 5_000)])
    def test_fast_gradcheck_rejects_a_large_function_without_looking_at_every_entry(
        self, n: int, copies: int
    ) -> None:
        calls = 0

        def make_vjp(x: Array) -> tuple[Array, Vjp]:
            nonlocal calls
            calls += 1

            def vjp(u: Array) -> Arrays:
                nonlocal calls
                calls += 1
                return {"x": -u.reshape(copies, n).sum(axis=0)}

            return np.tile(x, copies), vjp

        wrong = Planted(make_vjp, {"x": np.ones(n)}, lambda x: np.tile(x, copies), ("x",), None)
        judgement = judge(peer("torch gradcheck, fast"), wrong, np.random.default_rng(0))
        assert judgement.ruling == "rejects"
        assert "cut short" in judgement.detail
        assert calls <= 40

    @pytest.mark.parametrize(
        "name", ["torch gradcheck", "torch gradcheck, fast", "jax check_grads"]
    )
    def test_a_factor_of_3_on_a_small_function(self, name: str) -> None:
        small = elementwise(
            lambda x: 1e-7 * np.tanh(x), lambda x: 3e-7 / np.cosh(x) ** 2, np.ones(3)
        )
        assert ask(peer(name), small).ruling == "accepts"
        assert ruling("scipy check_grad", small) == "rejects"

    @each_peer
    def test_a_right_relu_at_zero_is_rejected(self, each: Peer) -> None:
        """By the Taylor test only where its direction leads to the other side of the kink."""
        if each.missing():
            pytest.skip("not installed")
        found = {ruling(each, relu_at_zero(), seed) for seed in range(5)}
        assert found == ({"accepts", "rejects"} if each.name == "Taylor test" else {"rejects"})

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("torch gradcheck", "rejects"),
            ("torch gradcheck, fast", "rejects"),
            ("autograd check_grads", "rejects"),
            ("jax check_grads", "accepts"),
            ("scipy check_grad", "accepts"),
            ("Taylor test", "accepts"),
        ],
    )
    def test_a_right_gradient_in_float32(self, name: str, expected: str) -> None:
        assert ask(peer(name), scaled_tanh(dtype="float32")).ruling == expected

    @each_peer
    def test_a_cast_to_float32_on_the_way(self, each: Peer) -> None:
        def rounded(g: Arrays) -> Arrays:
            return {k: np.asarray(a.astype(np.float32).astype(np.float64)) for k, a in g.items()}

        assert ask(each, scaled_tanh(rounded)).ruling == "accepts"


class DetachedSquare(torch.autograd.Function):
    """x² whose gradient is right, and is a constant to whoever differentiates it."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx: BackwardCFunction, *cotangents: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return torch.as_tensor(2 * x.detach() * cotangents[0])


class TestSecondOrder:
    def planted(self, adapter: Adapter, order: int = 2) -> Planted:
        primals = {"x": np.array([0.5, -1.0]), "p": np.array([2, 3])}
        return Planted(adapter, primals, adapter.forward, ("x",), None, order)

    def sine(self, x: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        return p * torch.sin(x)

    def detached(self, x: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        square: torch.Tensor = DetachedSquare.apply(x)  # type: ignore[no-untyped-call]
        return p * square

    @pytest.mark.parametrize("name", ["torch gradcheck", "torch gradcheck, fast"])
    def test_torch_sees_what_is_detached_if_asked(self, name: str) -> None:
        assert ruling(name, self.planted(from_torch(self.sine))) == "accepts"
        assert ruling(name, self.planted(from_torch(self.detached))) == "rejects"
        assert ruling(name, self.planted(from_torch(self.detached), order=1)) == "accepts"

    def test_torchs_generator_stays_as_it_was(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(123)
            before = torch.random.get_rng_state()
            assert ruling("torch gradcheck", self.planted(from_torch(self.sine))) == "accepts"
            assert torch.equal(before, torch.random.get_rng_state())

    def test_torch_takes_a_function_by_its_apply(self) -> None:
        adapter = from_torch(DetachedSquare.apply)
        planted = Planted(adapter, {"x": np.array([0.5])}, adapter.forward, ("x",), None, 2)
        judgement = judge(peer("torch gradcheck"), planted, np.random.default_rng(0))
        assert judgement.ruling == "rejects"
        assert "GradcheckError" in judgement.detail

    def test_autograd_looks_at_functions_of_its_own(self) -> None:
        detached = primitive(np.square)
        defvjp(detached, lambda _, x: lambda g: 2 * g * getval(x))
        wrong = self.planted(from_autograd(lambda x, p: p * detached(x)))
        adapter = from_autograd(lambda x, p: p * anp.sin(x))
        assert ruling("autograd check_grads", self.planted(adapter)) == "accepts"
        assert ruling("autograd check_grads", wrong) == "rejects"
        assert ruling("autograd check_grads", replace(wrong, order=1)) == "accepts"
        assert ruling("torch gradcheck", self.planted(adapter)) == "skipped"
        assert ruling("autograd check_grads", self.planted(from_torch(self.sine))) == "skipped"


def test_taylor_rates_tell_a_right_gradient_from_one_that_is_nearly_so() -> None:
    x = np.linspace(-1.0, 1.0, 7)
    assert ruling("Taylor test", elementwise(np.exp, np.exp, x)) == "accepts"
    assert ruling("Taylor test", elementwise(np.exp, lambda x: 1.01 * np.exp(x), x)) == "rejects"
    assert ruling("Taylor test", elementwise(np.exp, lambda x: np.exp(x) * 0, x)) == "rejects"


def test_scipys_rule_is_relative_to_the_gradient() -> None:
    """A right gradient at any scale of function is accepted, a wrong one is not."""
    for exponent in (-12, 0, 12):
        scale = math.pow(10.0, exponent)

        def curve(x: Array, scale: float = scale) -> Array:
            return np.asarray(scale * np.sin(x))

        def slope(x: Array, scale: float = scale) -> Array:
            return np.asarray(scale * np.cos(x))

        x = np.linspace(0.0, 1.0, 5)
        assert ruling("scipy check_grad", elementwise(curve, slope, x)) == "accepts"
        wrong = elementwise(curve, lambda x, slope=slope: 1.001 * slope(x), x)  # type: ignore[misc]
        assert ruling("scipy check_grad", wrong) == "rejects"
