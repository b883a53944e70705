import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import pytest
from loky import ProcessPoolExecutor

from reference_impls.running import processes as processes_module
from reference_impls.running.errors import ProcessDiedError
from reference_impls.running.processes import MOST, processes, shared_by

ROOT = Path(__file__).parents[3]


def wait(seconds: float) -> None:
    time.sleep(seconds)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_work_is_done_in_other_processes() -> None:
    with processes(2) as pool:
        found = set(pool.map(_process, range(4)))
    assert os.getpid() not in found


def _process(_: int) -> int:
    return os.getpid()


def python(
    command: list[str], given: str = "", folder: Path = ROOT, installed: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Python with this project found wherever it runs."""
    return subprocess.run(  # noqa: S603 - the code is ours
        [sys.executable, *command],
        check=True,
        capture_output=True,
        text=True,
        input=given,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(installed)])},
    )


SCRIPT = """
from math import factorial
from reference_impls.running.processes import processes
with processes(2) as pool:
    print(list(pool.map(factorial, [3, 4])))
"""


def test_a_script_need_not_be_written_for_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    assert python([str(script)]).stdout == "[6, 24]\n"
    assert python(["-"], given=SCRIPT).stdout == "[6, 24]\n"


def test_modules_are_those_of_whoever_asked_not_of_the_folder(tmp_path: Path) -> None:
    for name in ("verify", "loky", "logging"):  # the last two are needed to start at all
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')")
    code = f"""
import sys
sys.path.remove("")
from {__name__} import home_of
from reference_impls.running.processes import processes
with processes(1) as pool:
    print(pool.submit(home_of, "verify").result())
"""
    done = python(["-c", code], folder=tmp_path)
    assert (done.stdout, done.stderr) == (f"{ROOT / 'verify' / '__init__.py'}\n", "")


GROWING = """
import time
import types

class Process:
    def __init__(self, pid): pass
    def memory_info(self): return types.SimpleNamespace(rss=int(time.time() * 1e9))
"""
"""A psutil that sees memory grow by a gigabyte a second."""


def test_a_process_that_grows_goes_on_where_psutil_is_installed(tmp_path: Path) -> None:
    (tmp_path / "psutil.py").write_text(GROWING)
    code = """
from time import sleep
from os import getpid
from reference_impls.running.processes import processes
with processes(1) as pool:
    first = pool.submit(getpid).result()
    pool.submit(sleep, 1.1).result()  # loky looks once a second
    print(first == pool.submit(getpid).result() == pool.submit(getpid).result())
"""
    done = python(["-c", code], installed=tmp_path)
    assert (done.stdout, done.stderr) == ("True\n", "")


def home_of(module: str) -> str:
    return str(importlib.import_module(module).__file__)


def test_a_killed_process_is_told_in_one_line() -> None:
    with pytest.raises(ProcessDiedError) as caught, processes(2) as pool:
        pool.submit(kill_itself).result()
    assert "\n" not in str(caught.value)
    assert "--jobs 1" in str(caught.value)


def interrupted(seconds: float) -> None:
    """Work for so long in two processes, and Ctrl-C in the midst of it."""
    with processes(2) as pool:
        pool.submit(_process, 0).result()
        pool.submit(wait, seconds)
        raise KeyboardInterrupt


def test_ctrl_c_ends_them_in_the_midst_of_their_work() -> None:
    others = set(multiprocessing.active_children())
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(60)
    for child in set(multiprocessing.active_children()) - others:
        child.join()
    assert time.monotonic() - started < 30


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows blocks no signals")
def test_ctrl_c_while_they_start_ends_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted_and_ask(pool: Executor, work: Callable[[], int]) -> None:
        submit(pool, work)
        submit(pool, wait, 60)
        signal.raise_signal(signal.SIGINT)  # it waits until they are started

    submit = ProcessPoolExecutor.submit
    monkeypatch.setattr(ProcessPoolExecutor, "submit", interrupted_and_ask)
    others = set(multiprocessing.active_children())
    started = time.monotonic()
    # A shell that starts the tests in its background has them ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), processes(2):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    for child in set(multiprocessing.active_children()) - others:
        child.join()
    assert time.monotonic() - started < 30


def test_processes_of_others_live_on() -> None:
    stays = multiprocessing.get_context("spawn").Process(target=wait, args=(60,))
    stays.start()
    with pytest.raises(KeyboardInterrupt):
        interrupted(0)
    assert stays.is_alive()
    stays.kill()
    stays.join()


def test_none_is_left_when_the_parent_is_killed() -> None:
    code = """
if __name__ == "__main__":
    from tests.reference_impls.running.test_processes import wait
    from reference_impls.running.processes import processes
    with processes(2) as pool:
        pool.submit(wait, 0).result()
        work = [pool.submit(wait, 600) for _ in range(2)]
        print("at work", flush=True)
        work[0].result()
"""
    parent = subprocess.Popen(  # noqa: S603 - the code is ours
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout
    assert parent.stdout.readline() == b"at work\n"
    parent.kill()
    # Each of them holds the pipe: it ends when the last of them does.
    ended = threading.Thread(target=parent.stdout.read, daemon=True)
    ended.start()
    ended.join(timeout=30)
    assert not ended.is_alive()
    parent.wait()
    parent.stdout.close()


def test_where_none_can_be_started_it_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes_module, "ProcessPoolExecutor", refuse)
    told = "cannot start processes: .* unavailable; try --jobs 1"
    with pytest.raises(ProcessDiedError, match=told), processes(2):
        pass


@pytest.mark.parametrize(
    ("pieces", "asked", "count"), [(9, 3, 3), (2, 3, 2), (0, 3, 1), (9, None, 2), (1, None, 1)]
)
def test_work_is_shared_by_no_more_than_it_has_pieces(
    pieces: int, asked: int | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes_module, "cpu_count", lambda: 2)
    assert shared_by(pieces, asked) == count


def test_many_cores_are_not_all_taken_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "cpu_count", lambda: 64)
    assert (shared_by(99, None), shared_by(99, 32)) == (MOST, 32)


def test_a_process_that_may_have_no_children_works_alone() -> None:
    with processes(1) as pool:
        assert pool.submit(_shared_in_a_daemon).result() == 1


def _shared_in_a_daemon() -> int:
    multiprocessing.current_process()._config["daemon"] = True  # type: ignore[attr-defined]  # noqa: SLF001 - as it is in a daemon
    return shared_by(9, 3)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows blocks no signals")
def test_ctrl_c_is_for_the_parent_alone_to_answer() -> None:
    with processes(2) as pool:
        assert pool.submit(_is_deaf).result()
    assert not _is_deaf()


def _is_deaf() -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
