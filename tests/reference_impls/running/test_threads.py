import os
import subprocess
import sys
from pathlib import Path

import pytest

from reference_impls.running import threads
from reference_impls.running.threads import add_pool, one_thread

ROOT = Path(__file__).parents[3]


class Library:
    """One whose threads are ruled by nobody else."""

    def __init__(self) -> None:
        self.threads = 7

    def count(self) -> int:
        return self.threads

    def limit(self, count: int) -> None:
        self.threads = count


@pytest.fixture
def _no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if neither the session nor an engine had done anything about threads."""
    monkeypatch.setattr(threads, "_pools", [])
    monkeypatch.setattr(threads, "_blocks", [])


@pytest.mark.usefixtures("_no_block")
def test_a_library_gets_its_threads_back() -> None:
    library = Library()
    add_pool(library.count, library.limit)
    with one_thread():
        assert library.threads == 1
        with one_thread():
            assert library.threads == 1
        assert library.threads == 1
    assert library.threads == 7


@pytest.mark.usefixtures("_no_block")
def test_a_library_loaded_inside_is_limited_until_the_outermost_block_ends() -> None:
    library = Library()
    with one_thread():
        with one_thread():
            add_pool(library.count, library.limit)
            assert library.threads == 1
        assert library.threads == 1
    assert library.threads == 7


def test_torch_is_limited_whether_loaded_before_or_inside() -> None:
    two = os.environ | {"OMP_NUM_THREADS": "2"}
    load = "import reference_impls.engines.pytorch, torch"
    use = "from reference_impls.running.threads import one_thread"
    before = f"""
{use}
{load}
torch.set_num_threads(3)
with one_thread():
    print(torch.get_num_threads())
print(torch.get_num_threads())
"""
    inside = f"""
{use}
import sys
with one_thread():
    assert "torch" not in sys.modules
    {load}
    print(torch.get_num_threads())
"""
    for code, counts in ((before, ["1", "3"]), (inside, ["1"])):
        command = [sys.executable, "-c", code]
        done = subprocess.run(  # noqa: S603 -- the code is this file's
            command, cwd=ROOT, env=two, check=True, capture_output=True, text=True
        )
        assert done.stdout.split() == counts
