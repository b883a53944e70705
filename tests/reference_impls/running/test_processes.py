import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reference_impls.running.processes import ProcessDiedError, processes, usable_cores

ROOT = Path(__file__).parents[3]


def wait(seconds: float) -> None:
    time.sleep(seconds)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def knows(module: str) -> bool:
    return module in sys.modules


def test_work_is_done_in_other_processes() -> None:
    with processes(2) as pool:
        found = set(pool.map(_process, range(4)))
    assert os.getpid() not in found


def _process(_: int) -> int:
    return os.getpid()


def test_what_takes_long_to_import_is_there_before_any_work() -> None:
    # A server that another test has started has imported what that one wanted.
    code = """
if __name__ == "__main__":
    from tests.reference_impls.running.test_processes import knows
    from reference_impls.running.processes import processes
    with processes(1, ["wave"]) as pool:
        print(pool.submit(knows, "wave").result())
"""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    done = subprocess.run(  # noqa: S603 - the code is ours
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "True\n"


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


def test_cores_that_the_process_may_not_use_do_not_count() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert usable_cores() == len(before)
