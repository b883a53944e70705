"""A directory of CSV as data: frames and counts, from which Markdown or a plot can be made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from results import environment
from results.environment import Environment, read_environment
from results.errors import ResultsError
from results.report.argmin import ArgminSection, evidence_section
from results.report.field import FieldSection, field_section
from results.report.findings import FindingSection, finding_section
from results.report.graphs import GraphSection, graph_section
from results.report.layers import LayerSection, MemorySection, memory_section, time_section
from results.report.speeds import ClaimSection, SpeedSection, claim_section, speed_section
from results.report.start import StartSection, start_section
from results.report.summaries import (
    TimingSection,
    VerdictSection,
    timing_section,
    verdict_section,
)
from results.report.trainings import (
    CurveSection,
    PathSection,
    TrainingSection,
    curve_section,
    path_section,
    training_section,
)
from results.report.trust import (
    AlarmSection,
    CostSection,
    KillSection,
    alarm_section,
    cost_section,
    kill_section,
)
from results.store import Contents, read
from results.tables import (
    ALARMS,
    ARGMIN,
    CLAIMS,
    COSTS,
    CURVES,
    FIELD,
    FINDINGS,
    GRAPHS,
    KILLS,
    LAYERS,
    MEMORY,
    SPEEDS,
    STARTS,
    TABLES,
    TIMINGS,
    TRAINING_CHECKS,
    TRAININGS,
    VERDICTS,
    Row,
    Table,
)

R = TypeVar("R", bound=Row)
S = TypeVar("S")


@dataclass(frozen=True, eq=False)
class Sections:
    """What a directory of measurements says; None for each file that is not there."""

    environment: Environment | None
    verdicts: VerdictSection | None
    argmin: ArgminSection | None
    kills: KillSection | None
    alarms: AlarmSection | None
    timings: TimingSection | None
    layers: LayerSection | None
    memory: MemorySection | None
    costs: CostSection | None
    starts: StartSection | None
    speeds: SpeedSection | None
    claims: ClaimSection | None
    graphs: GraphSection | None
    findings: FindingSection | None
    field: FieldSection | None
    training_checks: TrainingSection | None
    trainings: PathSection | None
    curves: CurveSection | None


def read_sections(directory: Path) -> Sections:
    """Read and summarise a directory of measurements.

    Raises:
        ResultsError: The measurements cannot be read, or there are none.
    """
    if not directory.is_dir():
        raise ResultsError(f"cannot read {directory}: not a directory")
    if not any((directory / kind.file_name).exists() for kind in TABLES):
        names = ", ".join(kind.file_name for kind in TABLES)
        raise ResultsError(f"{directory}: none of {names}")
    return Sections(
        environment=_environment(directory),
        verdicts=_section(directory, VERDICTS, verdict_section),
        argmin=_section(directory, ARGMIN, evidence_section),
        kills=_section(directory, KILLS, kill_section),
        alarms=_section(directory, ALARMS, alarm_section),
        timings=_section(directory, TIMINGS, timing_section),
        layers=_section(directory, LAYERS, time_section),
        memory=_section(directory, MEMORY, memory_section),
        costs=_section(directory, COSTS, cost_section),
        starts=_section(directory, STARTS, start_section),
        speeds=_section(directory, SPEEDS, speed_section),
        claims=_section(directory, CLAIMS, claim_section),
        graphs=_section(directory, GRAPHS, graph_section),
        findings=_section(directory, FINDINGS, finding_section),
        field=_section(directory, FIELD, field_section),
        training_checks=_section(directory, TRAINING_CHECKS, training_section),
        trainings=_section(directory, TRAININGS, path_section),
        curves=_section(directory, CURVES, curve_section),
    )


def _environment(directory: Path) -> Environment | None:
    known = (directory / environment.FILE_NAME).exists()
    return read_environment(directory) if known else None


def _section(directory: Path, table: Table[R], section: Callable[[Contents[R]], S]) -> S | None:
    """Make a section of a file, if it is there."""
    path = directory / table.file_name
    return section(read(path, table)) if path.exists() else None
