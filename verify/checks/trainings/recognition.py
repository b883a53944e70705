"""What an optimizer, or a run's data, does wrong: known mistakes, each tried on the run by hand.

A mistake of an optimizer is recognised if the run by hand, with the same gradients and this
mistake, makes the updates that were seen; that of a batch, if another step's gives the gradient
that was seen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Array, Arrays, Native
from reference_impls.descent import BETA1, BETA2, Adam, Momentum, Natives, Rated, rate_at
from reference_impls.engines.manual.training import ManualTrainer, State, advance, begin
from reference_impls.training import Losses, Record, Training
from verify.checks.trainings.by_hand import RunByHand, updates
from verify.error_model.arrays import largest, unit_roundoff
from verify.error_model.noise import SAFETY

STEPS = 50
"""So many steps, after the first that is wrong, tell one mistake from another."""

EXPLAINED = 1e-3
"""A mistake explains what was seen if no more than this part of the difference is left."""

Advance = Callable[[State, Mapping[str, Native]], State]
"""One step of a rule, from a state and with a gradient."""


@dataclass(frozen=True)
class Mistake:
    """A mistake in a rule of descent.

    Attributes:
        name: in words.
        advance: how it takes a step.
    """

    name: str
    advance: Advance


def recognised_rule(rule: Rated, by_hand: RunByHand, got: Sequence[Arrays], wrong: int) -> str:
    """The mistake that makes these updates; empty if none that is known does.

    Args:
        rule: that was to be followed.
        by_hand: the run by hand.
        got: the updates that were seen.
        wrong: the first step at which they were wrong.
    """
    seen = got[: wrong + STEPS]
    wanted = list(updates(by_hand.thetas[: len(seen) + 1]))
    off = max(map(_size_of_difference, seen, wanted))
    rounding = _rounding(by_hand.thetas[: len(seen) + 1])
    least, name = EXPLAINED * off + rounding, ""
    for each in mistakes(rule, _factor(seen[0], wanted[0])):
        # Below a rounding nothing tells one mistake from another, and the first gives its name.
        left = max(_left(each, rule, by_hand, seen), rounding)
        if left < least:
            least, name = left, each.name
    return name


def recognised_gradient(
    training: Training, record: Record, by_hand: RunByHand, got: Arrays, step: int
) -> str:
    """What is wrong with a gradient; empty if it is no mistake that is known.

    Args:
        training: which.
        record: of the run by hand.
        by_hand: the run by hand.
        got: the gradient that was seen.
        step: where.
    """
    wanted = by_hand.gradients[step]
    off = _size_of_difference(got, wanted)
    dtype = next(iter(wanted.values())).dtype
    losses = Losses(training, record, ManualTrainer(), dtype)
    for other in range(len(record.batches)):
        _, gradient = losses.at(by_hand.thetas[step], other)
        if other != step and _size_of_difference(got, gradient) <= EXPLAINED * off:
            return f"the batch of step {other} in place of its own"
    factor = _factor(got, wanted)
    scaled = {name: factor * array for name, array in wanted.items()}
    if _size_of_difference(got, scaled) <= EXPLAINED * off:
        return f"{factor:.4g} times the gradient"
    return ""


def _left(mistake: Mistake, rule: Rated, by_hand: RunByHand, seen: Sequence[Arrays]) -> float:
    """What a mistake leaves unexplained of the updates that were seen."""
    state = begin(rule, by_hand.thetas[0])
    thetas = [dict(state.theta)]
    with np.errstate(all="ignore"):  # a wrong rule may lead anywhere
        for gradient in by_hand.gradients[: len(seen)]:
            state = mistake.advance(state, gradient)
            thetas.append(dict(state.theta))
        found = max(map(_size_of_difference, seen, updates(thetas)))
    return found if np.isfinite(found) else np.inf


def _rounding(thetas: Sequence[Arrays]) -> float:
    """Of the difference of two parameters."""
    size = max(largest(array) for theta in thetas for array in theta.values())
    return SAFETY * unit_roundoff(next(iter(thetas[0].values())).dtype) * size


def _size_of_difference(one: Mapping[str, Array], other: Mapping[str, Array]) -> float:
    return max(float(np.abs(one[name] - array).max()) for name, array in other.items())


def _factor(seen: Arrays, wanted: Arrays) -> float:
    """How many times what is wanted comes nearest to what was seen."""
    products = sum(float(np.vdot(seen[name], array)) for name, array in wanted.items())
    squares = sum(float(np.vdot(array, array)) for array in wanted.values())
    return products / squares if squares else 1.0


def mistakes(rule: Rated, factor: float) -> Iterator[Mistake]:
    """Those that can be made with a rule.

    Args:
        rule: that is to be followed.
        factor: how many times what it should be the first update is.
    """
    if rule.decay:
        yield Mistake("decay left off biases", _without_decay_of_biases(rule))
        yield Mistake("decay left off", _as(replace(rule, decay=0.0)))
        yield Mistake("decay apart from the gradient", _with_decay_apart(rule))
    if rule.schedule:
        yield Mistake("schedule left off", _as(replace(rule, schedule=None)))
        yield Mistake("schedule a step early", _a_step_early(rule))
    if isinstance(rule, Momentum):
        if rule.mass:
            yield Mistake("gradient scaled by 1 - mass", _with_scaled_gradient(rule))
            yield Mistake("gradient scaled by 1 - mass after the first step", _dampened(rule))
            yield Mistake("mass left off", _as(replace(rule, mass=0.0)))
            yield Mistake("Nesterov's momentum", _ahead(rule))
    else:
        yield Mistake("epsilon inside the root", _adam_with(rule, _epsilon_inside))
        yield Mistake("epsilon before the bias correction", _adam_with(rule, _epsilon_before))
        yield Mistake("bias correction left off", _adam_with(rule, _uncorrected))
    yield Mistake("uphill", _as(replace(rule, rate=-rule.rate)))
    other = replace(rule, rate=factor * rule.rate)
    yield Mistake(
        f"a rate of {_distinguished(other.rate, rule.rate)} in place of {rule.rate:g}", _as(other)
    )


def _distinguished(number: float, other: float) -> str:
    """With as many digits as it takes to see that it is not the other."""
    written = (f"{number:.{digits}g}" for digits in (4, 8, 17))
    return next((each for each in written if float(each) != float(f"{other:.4g}")), str(number))


def _as(rule: Rated) -> Advance:
    return lambda state, gradient: advance(rule, state, gradient)


def _without_decay_of_biases(rule: Rated) -> Advance:
    """A bias has one axis, or none; what is a matrix decays."""

    def step(state: State, gradient: Mapping[str, Native]) -> State:
        full, free = (advance(each, state, gradient) for each in (rule, replace(rule, decay=0.0)))

        def chosen(one: Natives, other: Natives) -> Natives:
            return {
                name: other[name] if np.ndim(state.theta[name]) < 2 else array
                for name, array in one.items()
            }

        memory = tuple(map(chosen, full.memory, free.memory))
        return State(chosen(full.theta, free.theta), memory, full.step)

    return step


def _with_decay_apart(rule: Rated) -> Advance:
    def step(state: State, gradient: Mapping[str, Native]) -> State:
        after = advance(replace(rule, decay=0.0), state, gradient)
        part = rate_at(rule, state.step) * rule.decay
        theta = {name: array - part * state.theta[name] for name, array in after.theta.items()}
        return replace(after, theta=theta)

    return step


def _a_step_early(rule: Rated) -> Advance:
    def step(state: State, gradient: Mapping[str, Native]) -> State:
        early = replace(rule, schedule=None, rate=rate_at(rule, state.step + 1))
        return advance(early, state, gradient)

    return step


def _with_scaled_gradient(rule: Momentum) -> Advance:
    # A velocity that is (1 - mass) times as large is one of a rate that is as many times as large.
    return _as(replace(rule, rate=(1 - rule.mass) * rule.rate))


def _dampened(rule: Momentum) -> Advance:
    """torch's `dampening` leaves the first step as it is."""
    scaled = _with_scaled_gradient(rule)

    def step(state: State, gradient: Mapping[str, Native]) -> State:
        if state.step > 0:
            return scaled(state, gradient)
        after = advance(rule, state, gradient)
        # The steps that come multiply the velocity with the smaller rate.
        (velocity,) = after.memory
        larger = {name: array / (1 - rule.mass) for name, array in velocity.items()}
        return replace(after, memory=(larger,))

    return step


def _ahead(rule: Momentum) -> Advance:
    def step(state: State, gradient: Mapping[str, Native]) -> State:
        after = advance(rule, state, gradient)
        (velocity,) = after.memory
        rate = rate_at(rule, state.step)
        g = {name: gradient[name] + rule.decay * state.theta[name] for name in velocity}
        theta = {
            name: state.theta[name] - rate * (g[name] + rule.mass * velocity[name])
            for name in velocity
        }
        return replace(after, theta=theta)

    return step


Quotient = Callable[[Adam, Array, Array, int], Array]
"""What Adam multiplies its rate with: of both moments, at the k-th step."""


def _adam_with(rule: Adam, quotient: Quotient) -> Advance:
    def step(state: State, gradient: Mapping[str, Native]) -> State:
        after = advance(rule, state, gradient)
        first, second = after.memory
        rate = rate_at(rule, state.step)
        theta = {
            name: array - rate * quotient(rule, first[name], second[name], after.step)
            for name, array in state.theta.items()
        }
        return replace(after, theta=theta)

    return step


def _epsilon_inside(rule: Adam, first: Array, second: Array, k: int) -> Array:
    return np.asarray(first / (1 - BETA1**k) / np.sqrt(second / (1 - BETA2**k) + rule.epsilon))


def _epsilon_before(rule: Adam, first: Array, second: Array, k: int) -> Array:
    correction = np.sqrt(1 - BETA2**k) / (1 - BETA1**k)
    return np.asarray(correction * first / (np.sqrt(second) + rule.epsilon))


def _uncorrected(rule: Adam, first: Array, second: Array, _: int) -> Array:
    return np.asarray(first / (np.sqrt(second) + rule.epsilon))
