"""Right gradients, at points and of functions that make it hard to see.

Where ``true_vjp`` is given, it is the same derivative by another formula. It is None where several
answers are right, or where no other formula is simpler.
"""

from verify.trust.awkward.functions import (
    absolute_at,
    at_joint,
    beside_integers,
    beside_zero,
    constant,
    cubed_absolute,
    difference_of_roots,
    difference_the_other_way,
    entries_of_all_sizes,
    far_out,
    flat,
    hilbert,
    hilbert_solve,
    huber,
    identity,
    ill_scaled,
    ill_scaled_pair,
    large,
    linear,
    logsumexp_otherwise,
    mean_of_sines,
    near_pair,
    near_pole,
    nearly_equal,
    of_all_sizes,
    offset,
    oscillating,
    plant,
    rounded_off,
    saturated,
    scaled_sine,
    shared_among_winners,
    sinc_otherwise,
    steep,
    sum_of_softmax,
    three_times,
    with_dropout,
    with_exact_zeros,
    zero_for,
    zero_in_part,
)
from verify.trust.faults import kinks
from verify.trust.functions import normal
from verify.trust.planted import ELEMENTWISE, Awkward

RELU_AT_ZERO = tuple(
    Awkward(
        name=f"relu' = {slope:g} at 0",
        story="At 0 any slope from 0 to 1 is right, and no difference finds more than one of them: "
        "torch's gradcheck rejects relu there (pytorch #114234).",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_zeros("x"), kinks.relu_with(slope), "x"),
    )
    for slope in (0.0, 0.5, 1.0)
)


AWKWARD_POINTS = (
    *RELU_AT_ZERO,
    Awkward(
        name="abs at 0, slope 0",
        story="Any slope from -1 to 1 is right; most engines return 0.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_zeros("x"), absolute_at(0.0), "x"),
    ),
    Awkward(
        name="abs at 0, slope 1",
        story="The derivative from the right is as right as any.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_zeros("x"), absolute_at(1.0), "x"),
    ),
    Awkward(
        name="max with ties, to the first",
        story="Of several largest entries the first gets all of the gradient, as in max pooling.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_ties, kinks.largest_in_row, "X"),
    ),
    Awkward(
        name="max with ties, shared",
        story="Of several largest entries each gets its share, as in HIPS autograd and amax.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_ties, shared_among_winners, "X"),
    ),
    Awkward(
        name="kink at a distance of 1e-6",
        story="There is a derivative, and every difference with a longer step gets another.",
        sizes=ELEMENTWISE,
        plant=plant(beside_zero, kinks.relu, "x"),
    ),
    Awkward(
        name="norm at 0, gradient 0",
        story="A row of zeros, where any vector of length up to 1 is right.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.LENGTHS.sample, kinks.lengths, "X"),
    ),
    Awkward(
        name="huber at its joint",
        story="The second derivative jumps where half of the entries are: differences are of first "
        "order there, and their extrapolation is of no use.",
        sizes=ELEMENTWISE,
        plant=plant(at_joint, huber, "x"),
    ),
    Awkward(
        name="|x|³ at 0",
        story="The third derivative jumps where half of the entries are.",
        sizes=ELEMENTWISE,
        plant=plant(with_exact_zeros, cubed_absolute, "x"),
    ),
    Awkward(
        name="exactly linear",
        story="Differences are exact, or all rounding: the Taylor test's remainder has no rate.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), linear, "x", true=three_times),
    ),
    Awkward(
        name="identity",
        story="Value and gradient are copies of what was given.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), identity, "x"),
    ),
    Awkward(
        name="constant",
        story="The gradient is exactly zero, and so is everything it could be relative to.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), constant, "x"),
    ),
    Awkward(
        name="piecewise constant",
        story="Zero wherever there is a derivative; beyond the next jump, a difference is not.",
        sizes=ELEMENTWISE,
        plant=plant(beside_integers, rounded_off, "x"),
    ),
    Awkward(
        name="zero by cancellation",
        story="The sum of a softmax is constant, and its gradient is computed as rounding.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), sum_of_softmax, "x", true=zero_for),
    ),
    Awkward(
        name="independent of one argument",
        story="That argument's gradient is exactly zero, and right.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x", "w"), zero_in_part, "x", "w"),
    ),
    Awkward(
        name="values of 1e-12",
        story="Below every absolute tolerance.",
        sizes=ELEMENTWISE,
        plant=scaled_sine({"float64": -12, "float32": -12}),
    ),
    Awkward(
        name="values of 1e12",
        story="Above every absolute tolerance.",
        sizes=ELEMENTWISE,
        plant=scaled_sine({"float64": 12, "float32": 12}),
    ),
    Awkward(
        name="values of 1e-30",
        story="Whose squares are below float32's range.",
        sizes=ELEMENTWISE,
        plant=scaled_sine({"float64": -30, "float32": -30}),
    ),
    Awkward(
        name="values of 1e30",
        story="Whose squares are above float32's range.",
        sizes=ELEMENTWISE,
        plant=scaled_sine({"float64": 30, "float32": 30}),
    ),
    Awkward(
        name="Hilbert matrix",
        story="Solving loses as many digits as the condition of the matrix has, in any code.",
        sizes=(2, 3, 4),
        plant=plant(hilbert, hilbert_solve, "b", "d"),
    ),
    Awkward(
        name="difference of roots",
        story="√(x + 1) - √x for x of 10⁴, where the formula as it stands loses eight digits.",
        sizes=ELEMENTWISE,
        plant=plant(large, difference_of_roots, "x", true=difference_the_other_way),
    ),
    Awkward(
        name="difference of nearly equal numbers",
        story="Arguments that agree in three digits: moving both by one rounding moves the "
        "gradient by a thousand.",
        sizes=ELEMENTWISE,
        plant=plant(near_pair, nearly_equal, "x", "y"),
    ),
    Awkward(
        name="ill-scaled arguments",
        story="One of 1e-8 with gradients of 1e8, one of 1e8 with gradients of 1e-8: one step for "
        "both is wrong for both.",
        sizes=ELEMENTWISE,
        plant=plant(ill_scaled_pair, ill_scaled, "x", "y"),
    ),
    Awkward(
        name="entries of all sizes",
        story="Gradients of eight orders of magnitude in one array.",
        sizes=ELEMENTWISE,
        plant=plant(of_all_sizes, entries_of_all_sizes, "x"),
    ),
    Awkward(
        name="large offset",
        story="1e6 + sin x: in the values, six digits of it are gone; in the gradient, none.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), offset, "x"),
    ),
    Awkward(
        name="mean over all entries",
        story="Every entry's gradient is 1/n of what one expects.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), mean_of_sines, "x"),
    ),
    Awkward(
        name="near a pole",
        story="1/(x - 1) within 1/32 of 1: long steps jump over the pole.",
        sizes=ELEMENTWISE,
        plant=plant(near_pole, steep, "x"),
    ),
    Awkward(
        name="x⁴ at 0",
        story="Value, gradient and second derivative vanish together, in every other entry.",
        sizes=ELEMENTWISE,
        plant=plant(with_exact_zeros, flat, "x"),
    ),
    Awkward(
        name="saturated",
        story="log(1 + eˣ) of ±10⁴: slopes of exactly 0 and 1, by a formula that never sees ∞.",
        sizes=ELEMENTWISE,
        plant=plant(far_out, saturated, "x"),
    ),
    Awkward(
        name="sinc at 0",
        story="A removable 0/0, removed.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.with_zeros("x"), kinks.sinc, "x", true=sinc_otherwise),
    ),
    Awkward(
        name="logsumexp of -inf",
        story="Entries of -∞ are terms of 0, with gradients of 0; their differences are NaN.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.after_infinities, kinks.logsumexp, "x", true=logsumexp_otherwise),
    ),
    Awkward(
        name="elu for large arguments",
        story="eˣ is infinite in the branch that is not taken, and is not computed.",
        sizes=ELEMENTWISE,
        plant=plant(kinks.SMOOTH_ELU.sample, kinks.smooth_elu, "z"),
    ),
    Awkward(
        name="seeded dropout",
        story="A generator inside, seeded there: it looks random and is a function.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), with_dropout, "x"),
    ),
    Awkward(
        name="sin(10⁴ x)",
        story="Differences with steps of 1e-3 and more are noise.",
        sizes=ELEMENTWISE,
        plant=plant(normal("x"), oscillating, "x"),
    ),
)
