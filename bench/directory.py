"""Where benchmarks write what they measure, unless they are told."""

from datetime import UTC, datetime
from pathlib import Path

from results.environment import git_state

ROOT = Path(__file__).parents[1]


def new_directory() -> Path:
    """A folder of `results/local` that bears the time and the commit; it is not created."""
    commit, _ = git_state(Path(__file__))
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    return ROOT / "results" / "local" / f"{started}-{(commit or 'no-commit')[:10]}"
