"""Every CSV's columns: name, unit, meaning and dtype, written once and read by all.

To add a table, write its row as a `Row`, each field annotated with a `column`, and list it in
`TABLES`: the store, the reader's messages and the dictionary in `results/README.md` follow. A new
column of an old table comes last and is optional, so that older files can still be read.
"""

from dataclasses import dataclass
from functools import cached_property
from inspect import cleandoc
from types import UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo


def column(meaning: str, unit: str = "") -> Any:  # noqa: ANN401 - as pydantic's own Field
    """Describe one column; a field of a row has this in its annotation."""
    return Field(description=meaning, json_schema_extra={"unit": unit})


class Row(BaseModel):
    """One line of a CSV file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _on_one_line(cls, value: object) -> object:
        """Join the lines of a text: only if a row is one line can a torn row be recognised."""
        return " ".join(value.splitlines()) if isinstance(value, str) else value


Status = Literal["ok", "skipped", "failed"]
Operator = Literal["value", "gradient"]
Pass = Literal["forward", "backward"]
Phase = Literal["forward", "backward", "forward and backward", "training step"]

# What every table of times has.
MeasuredAt = Annotated[str, column("when it was measured, ISO 8601 in UTC")]
TimedStatus = Annotated[Status, column("was it timed")]
WhyNot = Annotated[str, column("why it was not; empty when ok")]
MedianSeconds = Annotated[float | None, column("median time of one call over the rounds", "s")]
ShortestSeconds = Annotated[float | None, column("shortest time of one call", "s")]
SpreadSeconds = Annotated[float | None, column("interquartile range of the time of one call", "s")]
Rounds = Annotated[int | None, column("number of rounds timed")]
Iterations = Annotated[int | None, column("calls in each round")]


class Verdict(Row):
    """One check of one implementation."""

    computation: Annotated[str, column("name of the computation")]
    implementation: Annotated[str, column("who was checked: autograd, torch, manual or another")]
    device: Annotated[str, column("where it ran: cpu or cuda")]
    dtype: Annotated[
        str,
        column(
            "of the primals: float64 or float32; unknown if a user's function was ended before that"
        ),
    ]
    size: Annotated[int, column("size given to the computation's sample")]
    tutorial_size: Annotated[bool, column("is this the tutorial's own size")]
    seed: Annotated[int, column("of the generator of primals and cotangents")]
    check: Annotated[
        str,
        column(
            "what was checked: contract, stability, value, vjp, oracle, kink, extremes, precision, "
            "second order or argmin"
        ),
    ]
    against: Annotated[
        str,
        column(
            "what it was held against: another implementation, complex step, Richardson, "
            "wider precision, or a kind of evidence for an argmin"
        ),
    ]
    argument: Annotated[
        str | None, column("argument whose gradient has the worst entry; empty for values")
    ] = None
    index: Annotated[str | None, column("index of the worst entry")] = None
    got: Annotated[float | None, column("the worst entry")] = None
    expected: Annotated[float | None, column("what it should have been")] = None
    error: Annotated[
        float | None, column("distance between got and expected, at the worst entry")
    ] = None
    scale: Annotated[
        float | None, column("largest entry of what is compared: error / scale is relative")
    ] = None
    tolerance: Annotated[float | None, column("largest error allowed, absolute")] = None
    ulps: Annotated[
        float | None, column("the error, in units in the last place at scale", "ulp")
    ] = None
    verdict: Annotated[
        Literal["agree", "disagree", "inconclusive", "unsupported"], column("how the check ended")
    ]
    detail: Annotated[str, column("what else there is to say; may be empty")] = ""
    diagnosis: Annotated[
        str | None, column("how the gradient is wrong, where that was recognised")
    ] = None


class Argmin(Row):
    """One implementation of an argmin or root, and the evidence for its Jacobian.

    Errors are relative to the largest entry of what is compared, each the worst of its check in
    `verdicts.csv`; empty where a check was not made.
    """

    computation: Annotated[str, column("name of the computation")]
    implementation: Annotated[str, column("who was checked: autograd, torch, manual or another")]
    device: Annotated[str, column("where it ran: cpu or cuda")]
    size: Annotated[int, column("size given to the computation's sample")]
    tutorial_size: Annotated[bool, column("is this the tutorial's own size")]
    seed: Annotated[int, column("of the generator of primals and cotangents")]
    unknowns: Annotated[int, column("entries of the solution y*")]
    residual: Annotated[
        float | None, column("‖F(y*)‖ / (‖K‖ ‖y*‖) at its solution; empty where that is not shown")
    ] = None
    condition: Annotated[float, column("condition number of K = ∂F/∂y")]
    rank: Annotated[int, column("of K")]
    active: Annotated[
        int | None, column("unknowns not held at a kink; empty where there are no kinks")
    ] = None
    margin: Annotated[
        float | None, column("relative distance to a change of the active set, where there is one")
    ] = None
    optimality: Annotated[float | None, column("Newton step left at y*")] = None
    defining_equation: Annotated[
        float | None, column("K J + R, with K and R by the complex step")
    ] = None
    implicit_function: Annotated[
        float | None, column("against -K⁻¹ R, with K and R by the complex step")
    ] = None
    finite_differences: Annotated[
        float | None, column("against differences of the problem solved anew")
    ] = None
    plateau: Annotated[str, column("where those differences agree, and where the support changes")]
    unrolled: Annotated[
        float | None, column("against the derivative through the iterations of Newton's method")
    ] = None
    manual: Annotated[float | None, column("against the derivation by hand, entry by entry")] = None
    scaled: Annotated[float | None, column("change when the objective is multiplied by 2^±10")] = (
        None
    )
    initial_guess: Annotated[float | None, column("change with the initial guess")] = None
    guess_gradient: Annotated[float | None, column("gradient for the initial guess")] = None
    linearity: Annotated[float | None, column("in the cotangent")] = None
    one_side: Annotated[
        float | None, column("distance from what lies between the one-sided derivatives, at a kink")
    ] = None
    verdict: Annotated[
        Literal["agree", "disagree", "inconclusive", "unsupported"],
        column("the worst of its argmin checks"),
    ]


class Timing(Row):
    """One benchmark case."""

    measured_at: MeasuredAt
    computation: Annotated[str, column("name of the computation")]
    operator: Annotated[Operator, column("what was timed; gradient is value and VJP together")]
    implementation: Annotated[str, column("who was timed: autograd, torch, manual or another")]
    device: Annotated[str, column("where it ran: cpu or cuda")]
    dtype: Annotated[str, column("of the primals: float64 or float32")]
    size: Annotated[int, column("size given to the computation's sample")]
    tutorial_size: Annotated[bool, column("is this the tutorial's own size")]
    status: TimedStatus
    reason: WhyNot = ""
    median_s: MedianSeconds = None
    min_s: ShortestSeconds = None
    iqr_s: SpreadSeconds = None
    rounds: Rounds = None
    iterations: Iterations = None
    gate_error: Annotated[
        float | None, column("worst absolute error in the check a case passes before it is timed")
    ] = None
    gate_tolerance: Annotated[float | None, column("largest gate_error allowed")] = None


class Layer(Row):
    """One phase of one formulation of an argmin layer, or of a network around it.

    Errors are norms, relative to that of the closed form by hand; the closed form's own, to that
    of the general operator.
    """

    measured_at: MeasuredAt
    layer: Annotated[str, column("name of the computation")]
    formulation: Annotated[str, column("how the argmin is solved and differentiated")]
    phase: Annotated[
        Phase,
        column("what was timed; forward is recorded for a backward pass, which is the VJP alone"),
    ]
    dtype: Annotated[str, column("of the primals: float64 or float32")]
    size: Annotated[int, column("size given to the computation's sample")]
    status: TimedStatus
    reason: WhyNot = ""
    median_s: MedianSeconds = None
    min_s: ShortestSeconds = None
    iqr_s: SpreadSeconds = None
    rounds: Rounds = None
    iterations: Iterations = None
    first_call_s: Annotated[
        float | None, column("time of the first call beyond the median: imports, compilation", "s")
    ] = None
    tolerance: Annotated[
        float | None, column("of the solver; empty where it is the formulation's own")
    ] = None
    value_error: Annotated[float | None, column("of the value")] = None
    gradient_error: Annotated[
        float | None, column("of the cotangents together, for the seed cotangent")
    ] = None


class Memory(Row):
    """The memory that one pass of one formulation of an argmin layer takes, in a fresh process."""

    measured_at: MeasuredAt
    layer: Annotated[str, column("name of the computation")]
    formulation: Annotated[str, column("how the argmin is solved and differentiated")]
    phase: Annotated[Pass, column("which pass")]
    dtype: Annotated[str, column("of the primals: float64 or float32")]
    n_y: Annotated[int, column("entries of the solution y")]
    n_z: Annotated[int, column("entries of the parameters z, all of which get gradients")]
    status: Annotated[Status, column("was it measured")]
    reason: WhyNot = ""
    peak_bytes: Annotated[
        int | None, column("largest resident memory above that before the pass", "B")
    ] = None
    gradient_error: Annotated[
        float | None, column("of the cotangents, relative to the norm of the closed form's")
    ] = None


class Kill(Row):
    """One checker's answer to one planted gradient: a wrong one, or a right one that is awkward."""

    measured_at: MeasuredAt
    fault: Annotated[str, column("name of the fault, or of the correct function")]
    correct: Annotated[bool, column("is the gradient right, and a rejection a false alarm")]
    size: Annotated[int, column("size that was planted")]
    entries: Annotated[int, column("numbers it is differentiated with respect to")]
    dtype: Annotated[str, column("of the primals: float64 or float32")]
    seed: Annotated[int, column("of the planting and of the checker")]
    checker: Annotated[str, column("gradjury, or whose checker")]
    outcome: Annotated[
        Literal["caught", "missed", "passed", "flagged", "skipped"],
        column("caught or missed for a wrong gradient, passed or flagged for a right one"),
    ]
    verdict: Annotated[
        str | None, column("gradjury's: agree, disagree, inconclusive or unsupported")
    ] = None
    wanted: Annotated[
        str | None, column("class of fault that a diagnosis should name; empty if it has none")
    ] = None
    diagnosis: Annotated[
        str | None, column("class of fault that gradjury named; empty if it named none")
    ] = None
    time_s: Annotated[float, column("time of the check; 0 if skipped", "s")]
    detail: Annotated[str, column("the checker's own words, or why it was skipped")] = ""


class Alarms(Row):
    """The checks of one correct computation over many seeds, in which any disagreement is false."""

    measured_at: MeasuredAt
    computation: Annotated[str, column("name of the computation")]
    dtype: Annotated[str, column("of the primals: float64 or float32")]
    size: Annotated[int, column("size given to the computation's sample")]
    first_seed: Annotated[int, column("of the generators of primals and cotangents")]
    seeds: Annotated[int, column("how many, one after the other")]
    checks: Annotated[int, column("made in all")]
    agree: Annotated[int, column("of them")]
    disagree: Annotated[int, column("of them")]
    inconclusive: Annotated[int, column("of them")]
    unsupported: Annotated[int, column("of them")]
    closest: Annotated[
        float | None, column("largest error / tolerance of those that agree: 1 is an alarm")
    ] = None
    closest_check: Annotated[str | None, column("which check that was, and of what seed")] = None
    note: Annotated[str, column("what else there is to say; may be empty")] = ""


class Cost(Row):
    """What one checker takes for one function."""

    measured_at: MeasuredAt
    function: Annotated[str, column("name of the function")]
    entries: Annotated[int, column("numbers it is differentiated with respect to")]
    checker: Annotated[str, column("gradjury, or whose checker")]
    status: TimedStatus
    reason: WhyNot = ""
    median_s: MedianSeconds = None
    unit_s: Annotated[
        float | None, column("median time of a value and gradient, interleaved with it", "s")
    ] = None
    cost_units: Annotated[float | None, column("median_s / unit_s")] = None
    evaluations: Annotated[int | None, column("calls of the function and of its VJP")] = None


class GraphNode(Row):
    """One node of the graph that an implementation records of a computation.

    The nodes of a graph follow one another, the parents of each before it and the value last.
    """

    computation: Annotated[str, column("name of the computation")]
    implementation: Annotated[str, column("whose graph it is: autograd, torch or another")]
    size: Annotated[int, column("size given to the computation's sample")]
    node: Annotated[int, column("its number in the graph, from 0 on")]
    name: Annotated[str, column("of the operation, in the library's words, or of the primal")]
    kind: Annotated[
        Literal["operation", "primal"],
        column("a primal is one that is differentiated with respect to; constants are no nodes"),
    ]
    shape: Annotated[
        str | None, column("of its value, as in (5, 3), or () for a scalar; empty where unknown")
    ] = None
    parents: Annotated[
        str | None, column("their numbers, in the order of the arguments; empty for a primal")
    ] = None


# What every table of trainings has.
RunName = Annotated[str, column("name of the training")]
RunSeed = Annotated[int, column("of its record: data, initial parameters, batches")]
RunDtype = Annotated[str, column("of all arrays: float64 or float32")]
Runner = Annotated[str, column("whose run it was: autograd, torch or manual")]


class TrainingStep(Row):
    """One step of a training, of at most 500 that are evenly spread over its logarithm.

    Distances are those of losses, as a part of the larger one. The twins are runs by hand whose
    parameters are moved by a unit in the last place at every step.
    """

    run: RunName
    seed: RunSeed
    dtype: RunDtype
    implementation: Runner
    step: Annotated[int, column("counted from 0")]
    loss: Annotated[float, column("before the step, of its batch")]
    to_manual: Annotated[float | None, column("distance from the run by hand")] = None
    to_twins: Annotated[
        float | None, column("how far the twins have been from it until then, at most")
    ] = None
    time_s: Annotated[float, column("since the start of the run", "s")]


class CurvePoint(Row):
    """One point of what a figure of a training shows."""

    run: RunName
    seed: RunSeed
    implementation: Runner
    series: Annotated[str, column("which curve, or which heat map")]
    x: Annotated[float, column("of the horizontal axis")]
    y: Annotated[float, column("of the vertical axis")]
    value: Annotated[float | None, column("of a heat map; empty for a curve")] = None


class TrainingVerdict(Row):
    """One check of one implementation of a training; the last of a run is called finished."""

    measured_at: MeasuredAt
    run: RunName
    seed: RunSeed
    dtype: RunDtype
    implementation: Runner
    check: Annotated[
        str,
        column(
            "gradient, update or Hessian at the states of the run by hand, end, free run, "
            "repetition, closed form, number or finished"
        ),
    ]
    verdict: Annotated[
        Literal["agree", "disagree", "parted", "reported", "skipped", "diverged"],
        column("how it ended; a run that parted from the twins is not wrong for that"),
    ]
    quantity: Annotated[str | None, column("which number, or which entry of which array")] = None
    step: Annotated[int | None, column("where; empty if it holds for all")] = None
    got: Annotated[float | None, column("what was found")] = None
    expected: Annotated[float | None, column("what it was held against")] = None
    tolerance: Annotated[
        float | None, column("largest difference allowed; empty if the least is expected")
    ] = None
    printed: Annotated[float | None, column("what the tutorial prints")] = None
    fault: Annotated[str | None, column("what is done wrong, where that was recognised")] = None
    detail: Annotated[str, column("what else there is to say; may be empty")] = ""


class FindingRow(Row):
    """Something that a tutorial publishes, and what came of showing that it is not so."""

    measured_at: MeasuredAt
    key: Annotated[str, column("S1, S2, … of the list in the design, D1, D2, … found later")]
    tutorial: Annotated[str, column("whose it is")]
    place: Annotated[str, column("where in it")]
    kind: Annotated[
        Literal["gradient", "value", "behaviour", "text", "timing"],
        column(
            "what is shown: of a gradient or value that a check convicts it, of an API how it "
            "behaves, of a text what it is about; a timing is measured"
        ),
    ]
    says: Annotated[str, column("what is published, in other words")]
    right: Annotated[str, column("what is so")]
    matters: Annotated[str, column("who is misled, and to what")]
    evidence: Annotated[str, column("what was seen, or why nothing was")]
    outcome: Annotated[
        Literal["shown", "not shown", "skipped", "measured"],
        column("not shown: what is published came out right, or what is right came out wrong"),
    ]
    time_s: Annotated[float, column("how long it took", "s")]


class FieldRow(Row):
    """What `check` says of a function of somebody else's, at one point."""

    measured_at: MeasuredAt
    library: Annotated[str, column("whose function it is")]
    version: Annotated[str, column("of the library")]
    function: Annotated[str, column("its name there")]
    sample: Annotated[int, column("which of its points, counted from 0")]
    seed: Annotated[int, column("of the point, and of everything random")]
    dtype: Annotated[Literal["float64", "float32"], column("of the primals")]
    order: Annotated[int, column("2 if second derivatives were checked, too")]
    entries: Annotated[int, column("numbers that it is differentiated with respect to")]
    verdict: Annotated[
        Literal["agree", "disagree", "inconclusive", "unsupported", "left out"],
        column("left out: it was not checked, for the reason in the detail"),
    ]
    fault: Annotated[str | None, column("how the gradient is wrong, where that was recognised")]
    known: Annotated[
        str | None,
        column("the evidence from elsewhere that it is wrong; empty if nothing is known of it"),
    ]
    gradcheck: Annotated[
        str | None,
        column("passes or fails: torch's slow gradcheck, in float64; empty if it was not asked"),
    ] = None
    detail: Annotated[str, column("the first line of the report, or the reason")] = ""
    time_s: Annotated[float, column("how long the check took", "s")]
    evaluations: Annotated[
        int | None, column("calls of the function that it took; empty if it was not done")
    ] = None


class Speed(Row):
    """How fast one implementation of a training takes its steps.

    The implementations took turns, in each of which a run is repeated until it can be timed; each
    is compared with the run by hand of the same round.
    """

    measured_at: MeasuredAt
    run: RunName
    dtype: RunDtype
    implementation: Runner
    status: TimedStatus
    reason: WhyNot = ""
    steps: Annotated[int | None, column("of one run, beside the first, which is not timed")] = None
    rounds: Rounds = None
    steps_per_second: Annotated[float | None, column("median over the rounds", "1/s")] = None
    spread: Annotated[float | None, column("interquartile range of it", "1/s")] = None
    over_manual: Annotated[
        float | None, column("median ratio of its speed to that by hand in the same round")
    ] = None


class Claim(Row):
    """One of several ways to compute, of one of which a tutorial says that it is the fastest.

    The ways took turns, and each is divided by the first one of the same round.
    """

    measured_at: MeasuredAt
    claim: Annotated[str, column("what the tutorial says")]
    size: Annotated[str, column("of what is computed")]
    dtype: Annotated[str, column("of all arrays: float64 or float32")]
    way: Annotated[str, column("how it was computed")]
    status: TimedStatus
    reason: WhyNot = ""
    median_s: MedianSeconds = None
    min_s: ShortestSeconds = None
    iqr_s: SpreadSeconds = None
    rounds: Rounds = None
    iterations: Iterations = None
    over_first: Annotated[
        float | None, column("median ratio of its time to that of the claim's first way")
    ] = None


NUMPY_IMPORT = "import numpy"
TORCH_IMPORT = "import torch"
"""The bare imports in `starts.csv`, beside which every other command is timed."""


class Start(Row):
    """How long one command takes from the start of a fresh process to its end.

    All commands take turns, and each is divided by the bare imports of the same round.
    """

    measured_at: MeasuredAt
    commit: Annotated[
        str | None, column("of the checkout it ran in; empty for a bare import and outside git")
    ] = None
    dirty: Annotated[
        bool | None, column("were tracked files changed since; empty where commit is")
    ] = None
    command: Annotated[str, column("what was started, or the line that Python was given")]
    status: TimedStatus
    reason: WhyNot = ""
    median_s: Annotated[float | None, column("median time over the rounds", "s")] = None
    min_s: Annotated[float | None, column("shortest time", "s")] = None
    iqr_s: Annotated[float | None, column("interquartile range of the time", "s")] = None
    cpu_s: Annotated[
        float | None, column("median time on the processor, which others' work changes less", "s")
    ] = None
    rounds: Rounds = None
    over_numpy: Annotated[
        float | None, column(f"median ratio to `{NUMPY_IMPORT}` in the same round")
    ] = None
    over_torch: Annotated[
        float | None, column(f"median ratio to `{TORCH_IMPORT}` in the same round")
    ] = None


@dataclass(frozen=True)
class Column:
    """What is known of one column.

    Attributes:
        name: As in the header.
        unit: Empty for a pure number or text.
        meaning: One line.
        dtype: The type of a cell, in words.
        optional: May a cell be empty, which says that there is no such number or text?
        pandas_dtype: The type of the column in a data frame.
    """

    name: str
    unit: str
    meaning: str
    dtype: str
    optional: bool
    pandas_dtype: str


R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Table(Generic[R]):
    """A kind of CSV file: what it is called, and what its rows are."""

    file_name: str
    row: type[R]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Its columns, in the order of the file."""
        return tuple(_column(name, field) for name, field in self.row.model_fields.items())

    @property
    def header(self) -> list[str]:
        """The names of its columns."""
        return [column.name for column in self.columns]


UNCOUNTED = ("extremes", "unsupported")
"""The check and its verdict that count neither for nor against an implementation: it refuses to be
looked at far away, where nobody asked it."""

OURS = "gradjury"
"""The `checker` of this project in `kills.csv` and `costs.csv`; every other is somebody else's."""

VERDICTS = Table("verdicts.csv", Verdict)
ARGMIN = Table("argmin.csv", Argmin)
TIMINGS = Table("timings.csv", Timing)
LAYERS = Table("layers.csv", Layer)
MEMORY = Table("memory.csv", Memory)
KILLS = Table("kills.csv", Kill)
ALARMS = Table("alarms.csv", Alarms)
COSTS = Table("costs.csv", Cost)
STARTS = Table("starts.csv", Start)
GRAPHS = Table("graphs.csv", GraphNode)
TRAININGS = Table("trainings.csv", TrainingStep)
CURVES = Table("curves.csv", CurvePoint)
TRAINING_CHECKS = Table("training_checks.csv", TrainingVerdict)
FINDINGS = Table("findings.csv", FindingRow)
FIELD = Table("field.csv", FieldRow)
SPEEDS = Table("speeds.csv", Speed)
CLAIMS = Table("claims.csv", Claim)
TABLES: tuple[Table[Any], ...] = (
    *(VERDICTS, ARGMIN, KILLS, ALARMS),
    *(TIMINGS, LAYERS, MEMORY, COSTS, STARTS, GRAPHS),
    *(TRAININGS, TRAINING_CHECKS, CURVES, FINDINGS, FIELD),
    *(SPEEDS, CLAIMS),
)


def column_dictionary() -> str:
    """Every table's columns, in Markdown."""
    return "\n\n".join(_table_section(table) for table in TABLES)


def _table_section(table: Table[Any]) -> str:
    lines = [
        f"### `{table.file_name}`",
        "",
        cleandoc(str(table.row.__doc__)),
        "",
        "| column | unit | dtype | meaning |",
        "|---|---|---|---|",
    ]
    lines += [f"| {c.name} | {c.unit} | {c.dtype} | {c.meaning} |" for c in table.columns]
    return "\n".join(lines)


def _column(name: str, field: FieldInfo) -> Column:
    base, optional = _split_optional(field.annotation)
    extra = field.json_schema_extra
    return Column(
        name=name,
        unit=str(extra["unit"]) if isinstance(extra, dict) else "",
        meaning=field.description or "",
        dtype=_in_words(base) + (" or empty" if optional else ""),
        optional=optional,
        pandas_dtype=_pandas_dtype(base, optional=optional),
    )


def _split_optional(annotation: Any) -> tuple[Any, bool]:  # noqa: ANN401 - any type at all
    if get_origin(annotation) is UnionType:
        base, _none = get_args(annotation)
        return base, True
    return annotation, False


def _in_words(base: Any) -> str:  # noqa: ANN401 - any type at all
    if get_origin(base) is Literal:
        return "one of " + ", ".join(get_args(base))
    return str(base.__name__)


def _pandas_dtype(base: Any, *, optional: bool) -> str:  # noqa: ANN401 - any type at all
    if base is int:
        return "Int64" if optional else "int64"
    if base is bool:
        return "boolean" if optional else "bool"
    return "float64" if base is float else "string"
