import getpass
import json
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from results import environment as environment_module
from results.environment import (
    Environment,
    environment,
    git_state,
    read_environment,
    utc_now,
    write_environment,
)
from results.errors import ResultsError


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    return subprocess.run(  # noqa: S603 - the arguments are ours
        ["git", *identity, *arguments],  # noqa: S607 - the git of whoever runs this
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    file = tmp_path / "file.py"
    file.write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", "file.py")
    git(tmp_path, "commit", "-m", "first")
    return file


def words(record: object) -> list[str]:
    if isinstance(record, dict):
        return [word for value in record.values() for word in words(value)]
    if isinstance(record, list):
        return [word for value in record for word in words(value)]
    return str(record).split()


def test_it_says_what_is_installed() -> None:
    found = environment()
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["torch"] == torch.__version__
    assert set(found["versions"]) >= {"scipy", "autograd", "pandas", "pytest-benchmark", "cupy"}
    assert (found["gpu"] is not None) == torch.cuda.is_available()


def test_it_reports_the_threads_in_force() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1, user_api="blas"):
            found = environment()
    finally:
        torch.set_num_threads(before)
    assert found["threads"] == {"blas": 1, "torch": 1}
    assert {library["threads"] for library in found["blas"]} == {1}


def test_it_tells_nothing_about_who_ran_it() -> None:
    found = environment()
    assert not {platform.node(), getpass.getuser()} & set(words(found))
    for path in (Path.home(), Path.cwd(), Path(sys.prefix), Path(__file__).parents[2]):
        assert str(path) not in json.dumps(found)


def test_it_survives_json(tmp_path: Path) -> None:
    path = write_environment(tmp_path / "new")
    assert path == tmp_path / "new" / "environment.json"
    written = json.loads(path.read_text())
    assert read_environment(path.parent) == Environment.model_validate(written)
    assert written.keys() == environment().keys()


def test_the_time_is_utc() -> None:
    assert datetime.fromisoformat(utc_now()).utcoffset() == timedelta(0)


def test_a_clean_checkout(tracked: Path) -> None:
    (tracked.parent / "untracked").touch()
    assert git_state(tracked) == (git(tracked.parent, "rev-parse", "HEAD"), False)


def test_an_uncommitted_change(tracked: Path) -> None:
    commit = git(tracked.parent, "rev-parse", "HEAD")
    tracked.write_text("2")
    assert git_state(tracked) == (commit, True)


def test_a_file_that_is_only_inside_a_checkout(tracked: Path) -> None:
    installed = tracked.with_name("installed.py")
    installed.touch()
    assert git_state(installed) == (None, None)


def test_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.py"
    file.touch()
    assert git_state(file) == (None, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(file) == (None, None)


def test_an_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match=r"^cannot write .*environment\.json: Not a directory$"):
        write_environment(tmp_path / "file")


def test_a_writer_that_is_killed_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_environment(tmp_path)
    before = path.read_bytes()

    def killed(_self: Path, _text: str, **_how: str) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        write_environment(tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_several_at_once_leave_a_whole_file_at_any_moment(tmp_path: Path) -> None:
    path = write_environment(tmp_path)
    found = environment()
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(3) as pool:
        # What it describes is of no account here, and takes long.
        patched.setattr(environment_module, "environment", lambda: found)
        writing = [pool.submit(write_environment, tmp_path) for _ in range(300)]
        while not all(each.done() for each in writing):
            read_environment(tmp_path)
        assert {each.result() for each in writing} == {path}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"environment\.json: Invalid JSON"),
        ("{}", r"environment\.json, measured_at: Field required"),
    ],
)
def test_a_broken_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "environment.json").write_text(text)
    with pytest.raises(ResultsError, match=message) as refusal:
        read_environment(tmp_path)
    assert "\n" not in str(refusal.value)
