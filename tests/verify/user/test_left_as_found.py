"""After a check, what a function shares with the rest of a programme is as it was."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from verify import Report, check, from_numpy, from_torch
from verify.user.left_as_found import _held, left_as_found

Native = Any

X = np.random.default_rng(14).standard_normal((5, 3))

norm = torch.nn.BatchNorm1d(3).double()


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The tests change what all of them share."""
    python, numpy, mode = random.getstate(), np.random.get_state(), torch.is_grad_enabled()  # noqa: NPY002 -- the global state is what is tested
    with torch.random.fork_rng(devices=()):
        yield
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002 -- the global state is what is tested
    torch.set_grad_enabled(mode)


def fresh_norm() -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 3, bias=False), torch.nn.BatchNorm1d(3)
    ).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return module


def state(module: torch.nn.Module) -> list[Any]:
    return [
        *(each.training for each in module.modules()),
        *(tensor.tolist() for tensor in module.state_dict().values()),
        *(None if p.grad is None else p.grad.tolist() for p in module.parameters()),
        *(id(buffer) for buffer in module.buffers()),
    ]


def agreed(report: Report) -> bool:
    assert report.verdict == "agree", str(report)
    return True


class Net:
    """Something that is called, and has a module for an attribute."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module

    def __call__(self, x: Native) -> Native:
        return self.module(x)

    def method(self, x: Native) -> Native:
        return self.module(x)


class Trainer:
    """Something that is not called itself."""

    def __init__(self, module: object) -> None:
        self.module: Any = module

    def loss(self, x: Native) -> Native:
        return self.module(x)


class Experiment:
    """Something that holds such a thing."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.trainers = [Trainer(module)]

    def loss(self, x: Native) -> Native:
        return self.trainers[0].loss(x)


class Derived(Trainer):
    """Something whose base does the work."""


@dataclass(slots=True)
class Slotted:
    """Something that has no `__dict__`."""

    module: Any

    def loss(self, x: Native) -> Native:
        return self.module(x)


def of_its_class(module: torch.nn.Module) -> Callable[[Native], Native]:
    class Shared:
        held = module

        def loss(self, x: Native) -> Native:
            return self.held(x)

    return Shared().loss


def closing_over(module: torch.nn.Module) -> Callable[[Native], Native]:
    trainer = Trainer(module)
    return lambda x: trainer.module(x)  # noqa: PLW0108 -- that it closes over the object


def in_a_namespace(module: torch.nn.Module) -> Callable[[Native], Native]:
    held = SimpleNamespace(module=module)
    return lambda x: held.module(x)  # noqa: PLW0108 -- that it closes over the namespace


def deeper(module: torch.nn.Module) -> Callable[[Native], Native]:
    def inner(x: Native) -> Native:
        return module(x)

    return lambda x: torch.stack([inner(each) for each in (x, x)])


HOLDERS: dict[str, Callable[[torch.nn.Module], Callable[..., Native]]] = {
    "itself": lambda module: module,
    "a closure": lambda module: lambda x: module(x),  # noqa: PLW0108 -- that it closes over it
    "a closure of a closure": deeper,
    "a default": lambda module: lambda x, held=module: held(x),
    "a part of a function": lambda module: partial(lambda held, x: held(x), module),
    "an instance": Net,
    "a method": lambda module: Net(module).method,
    "a method of what is not called": lambda module: Trainer(module).loss,
    "an object in a list of an object": lambda module: Experiment(module).loss,
    "an object of a derived class": lambda module: Derived(module).loss,
    "slots": lambda module: Slotted(module).loss,
    "a class": of_its_class,
    "an object that is closed over": closing_over,
    "a namespace": in_a_namespace,
    "a list in a dict": lambda module: lambda x, held={"all": [module]}: held["all"][0](x),
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_buffers_and_modes_of_modules_are(hold: Callable[..., Any]) -> None:
    module = fresh_norm()
    before = state(module)
    assert agreed(check(from_torch(hold(module)), (X,)))
    assert state(module) == before
    # Without the check, they are not.
    hold(module)(torch.from_numpy(X))
    assert state(module) != before


def test_those_of_a_module_among_the_globals_are() -> None:
    before = state(norm)
    assert agreed(check(from_torch(lambda x: torch.stack([norm(each) for each in (x, x)])), (X,)))
    assert state(norm) == before


class UsesAGlobal:
    """Something whose method calls another, which reads a global."""

    def loss(self, x: Native) -> Native:
        return self.normalised(x)

    def normalised(self, x: Native) -> Native:
        return torch.stack([norm(each) for each in (x, x)])


def test_those_of_a_module_that_another_method_reads_are() -> None:
    before = state(norm)
    assert agreed(check(from_torch(UsesAGlobal().loss), (X,)))
    assert state(norm) == before


def test_objects_of_a_library_are_not_looked_into() -> None:
    """Their attributes are their own affair, and may be many."""
    trainer = Trainer(Path(__file__))
    fraction = Fraction(1, 3)
    held = list(_held([trainer.loss, fraction]))
    assert trainer.module in held
    assert not any(each is fraction.numerator or each is Fraction for each in held)


def test_a_mode_that_a_function_sets_is_set_back() -> None:
    module = fresh_norm()
    module[1].eval()  # type: ignore[index]
    before = state(module)

    def evaluated(x: torch.Tensor) -> Native:
        module.train()
        module.eval()
        return module(x)

    assert agreed(check(from_torch(evaluated), (X,)))
    assert state(module) == before


@pytest.mark.parametrize("accumulated", [False, True])
def test_gradients_of_parameters_are(*, accumulated: bool) -> None:
    module = torch.nn.Linear(3, 2).double()
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    if accumulated:
        (module(torch.ones(4, 3).double()).sum() + weight.sum()).backward()
    before = module.weight.grad, weight.grad
    values = [None if each is None else each.clone() for each in before]

    def own(x: Array) -> Any:  # noqa: ANN401 -- an array, a tensor or a box
        leaf = torch.from_numpy(x.copy()).requires_grad_()
        value = (module(leaf) ** 2).sum() * (leaf * weight).sum()
        value.backward()
        assert leaf.grad is not None
        gradient = leaf.grad.numpy()
        return value.detach().numpy(), lambda u: {"x": u * gradient}

    assert agreed(check(own, {"x": X}))
    for was, value, now in zip(before, values, (module.weight.grad, weight.grad), strict=True):
        assert now is was
        assert now is None or (value is not None and torch.equal(now, value))


def test_random_states_are() -> None:
    own = np.random.default_rng(3)
    old = np.random.RandomState(3)
    generator = torch.Generator().manual_seed(3)

    def states() -> list[Any]:
        return [
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]  # noqa: NPY002 -- the global state is what is tested
            torch.get_rng_state().tolist(),
            own.bit_generator.state,
            old.get_state()[1].tolist(),  # type: ignore[index]
            generator.get_state().tolist(),
        ]

    def drawing(x: torch.Tensor) -> torch.Tensor:
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002 -- the global state is what is tested
        torch.manual_seed(0)
        numbers = own.random() + old.random() + float(torch.rand(1, generator=generator))
        return x.sin() + 0 * (numbers + random.random() + np.random.random())  # noqa: S311, NPY002 -- the global states are what is tested

    before = states()
    assert agreed(check(from_torch(drawing), (X,), order=2))
    assert states() == before
    drawing(torch.from_numpy(X))
    assert all(now != was for now, was in zip(states(), before, strict=True))


@pytest.mark.parametrize("enabled", [False, True])
def test_the_grad_mode_is(*, enabled: bool) -> None:
    def switching(x: Array) -> Any:  # noqa: ANN401 -- an array, a tensor or a box
        torch.set_grad_enabled(not enabled)
        return np.sin(x), lambda u: {"x": u * np.cos(x)}

    torch.set_grad_enabled(enabled)
    assert agreed(check(switching, {"x": X}))
    assert agreed(check(from_torch(torch.sin), (X,)))
    assert torch.is_grad_enabled() == enabled


def test_all_is_restored_where_a_check_ends_otherwise() -> None:
    module = fresh_norm()
    before = state(module), torch.get_rng_state().tolist()

    def failing(x: torch.Tensor) -> Native:
        torch.rand(1)
        if module(x).isnan().any():
            return x
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(from_torch(failing), (X,))
    assert (state(module), torch.get_rng_state().tolist()) == before


def test_what_is_checked_beside_it_is_left_too() -> None:
    """The user's forward, the right answer, and the gradient of `from_numpy`."""
    rng = np.random.default_rng(0)

    def drawn(x: Array) -> Array:
        return np.asarray(np.sum(np.sin(x)) + 0 * rng.random())

    before = rng.bit_generator.state
    plain = from_numpy(lambda x: np.sum(np.sin(x)), np.cos)
    assert agreed(check(plain, (X,), forward=drawn))
    assert agreed(check(plain, (X,), expected=from_numpy(drawn, np.cos)))
    assert agreed(check(from_numpy(drawn, lambda x: np.cos(x) + 0 * rng.random()), (X,)))
    assert rng.bit_generator.state == before


def test_a_function_that_holds_very_much_costs_no_more_than_that() -> None:
    looked_at: list[int] = []

    class Many(list[int]):
        def __iter__(self) -> Iterator[int]:
            for number in range(10**6):
                looked_at.append(number)
                yield number

    numbers = Many()
    with left_as_found(lambda: numbers):
        pass
    assert 0 < len(looked_at) < 10**4


def test_a_class_whose_module_is_no_name_is_not_looked_into() -> None:
    """So have some that are compiled: `__module__` is a descriptor there."""

    class Compiled:
        __slots__ = ("rng",)
        __module__ = property(lambda _: "compiled")

    held = Compiled()
    with left_as_found(lambda: held):
        pass
