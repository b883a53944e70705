"""What CONTRIBUTING.md has one run does run, and before a commit runs what tox runs."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import documents
from tests.documents import CONTRIBUTING, ROOT

QUICK = ("python -m pytest -q", "python -m verify relu", "ruff", "lint-imports")
"""What the commands begin with that are run here; of the others, `test_readme` knows the words."""

COMMANDS = [each for each in documents.commands(CONTRIBUTING) if each.startswith(QUICK)]


def run(command: str) -> subprocess.CompletedProcess[str]:
    programs = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    first, *rest = shlex.split(command)
    return subprocess.run(  # noqa: S603 -- our own command
        [sys.executable if first == "python" else programs / first, *rest],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_of_the_quick_commands_is_among_them() -> None:
    assert len(COMMANDS) == 5
    assert all(any(each.startswith(start) for each in COMMANDS) for start in QUICK)


def commands_of_tox(*names: str) -> list[str]:
    """Those of some environments, without where the environment is."""
    tox = documents.tox_environments()
    lines = "".join(tox[f"testenv:{name}"]["commands"] + "\n" for name in names).splitlines()
    python, programs = "{[testenv]gradjury}", '"{work_dir}/gradjury/bin/'
    return [
        line.replace(python, "python").replace(programs, "").replace('"', "").strip()
        for line in lines
        if line.strip()
    ]


def test_before_a_commit_runs_what_tox_runs() -> None:
    config = yaml.safe_load(documents.read(ROOT / ".pre-commit-config.yaml"))
    (repository,) = config["repos"]
    assert repository["repo"] == "local"
    hooks = repository["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["entry"] for hook in hooks] == commands_of_tox("lint", "type")
