import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.argmin import memory
from bench.argmin.formulations import CLOSED_FORM, FULL_HESSIAN, GENERAL, K_ALONE
from bench.argmin.memory import CrashedError, NotMeasuredError, RidgeSize

LARGE = 2**23
"""Numbers that an allocator asks the kernel for, whatever it has kept of earlier ones: 64 MB."""

SMALL = RidgeSize(features=4, targets=3, rows=10)

needs_the_kernel = pytest.mark.skipif(
    not memory.CLEAR_REFS.exists(), reason="the kernel does not tell the peak"
)


def test_a_size_counts_unknowns_and_parameters() -> None:
    assert (SMALL.n_y, SMALL.n_z) == (12, 10 * 7 + 1)


def test_one_of_y_and_z_grows_at_a_time() -> None:
    growing_y = [size for size in memory.SIZES if size.n_z == memory.SIZES[0].n_z]
    growing_z = [size for size in memory.SIZES if size.n_y == memory.SIZES[0].n_y]
    assert [size.n_y for size in growing_y] == [200, 800, 3_200]
    assert [size.n_z for size in growing_z] == [3_841, 11_521, 38_401, 384_001]


@needs_the_kernel
class TestPeak:
    def test_it_is_that_of_the_call_and_not_of_before(self) -> None:
        assert np.ones(2 * LARGE).sum() == 2 * LARGE
        peak, result = memory.peak_of(lambda: np.ones(LARGE).sum())
        assert result == LARGE
        assert peak == pytest.approx(8 * LARGE, rel=0.1)

    def test_what_is_returned_counts(self) -> None:
        peak, kept = memory.peak_of(lambda: np.ones(LARGE))
        assert peak == pytest.approx(kept.nbytes, rel=0.1)

    def test_in_a_process_of_its_own(self) -> None:
        peaks = memory.measure(GENERAL, SMALL)
        assert peaks.gradient_error < 1e-12
        assert not peaks.wrong
        assert 0 <= peaks.backward < 2**23

    def test_a_large_gradient_takes_at_least_its_own_size(self) -> None:
        size = RidgeSize(features=20, targets=10, rows=10_000)
        assert memory.measure(CLOSED_FORM, size).backward >= 8 * size.n_z

    def test_a_wrong_formulation_is_said_to_be_wrong(self) -> None:
        def without_regularization(_f: object, start: object, *z: object) -> object:
            x, y, lam = z
            assert GENERAL.solve is not None
            return GENERAL.solve(_f, start, x, y, 0 * lam)  # type: ignore[operator]

        peaks = memory.measure_here(replace(GENERAL, solve=without_regularization), SMALL)
        assert "lam off by 1.0e+00" in peaks.wrong

    def test_too_long_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "MOST_SECONDS", 0.01)
        with pytest.raises(NotMeasuredError, match=r"took more than 0\.01 s"):
            memory.measure(GENERAL, SMALL)


@needs_the_kernel
class TestCrash:
    def test_a_child_that_is_killed_is_said_to_be(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        run_instead(
            monkeypatch, tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        )
        with pytest.raises(CrashedError, match=r"killed by signal 9, Killed, .*memory"):
            memory.measure(GENERAL, SMALL)

    def test_what_a_child_dies_of_is_said_in_one_line(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        run_instead(monkeypatch, tmp_path, "raise MemoryError('no 64 GB\\n')")
        with pytest.raises(CrashedError) as caught:
            memory.measure(GENERAL, SMALL)
        assert str(caught.value) == "exit status 1: MemoryError: no 64 GB"
        assert "Traceback" in capsys.readouterr().err

    def test_a_child_that_says_nothing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        run_instead(monkeypatch, tmp_path, "raise SystemExit(3)")
        with pytest.raises(CrashedError, match=r"^exit status 3$"):
            memory.measure(GENERAL, SMALL)


def run_instead(monkeypatch: pytest.MonkeyPatch, directory: Path, code: str) -> None:
    """Let the child run this code, in place of the measurement."""
    program = directory / "python"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{code}"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_a_full_hessian_that_does_not_fit_is_not_tried() -> None:
    large = RidgeSize(features=20, targets=10, rows=1_280)
    with pytest.raises(NotMeasuredError, match=r"would take 23\.8 GB; the limit is 4 GB"):
        memory.measure(FULL_HESSIAN, large)
    assert not memory.unfit(K_ALONE, large)


def test_a_kernel_that_does_not_tell_the_peak(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path_factory.mktemp("proc") / "clear_refs")
    with pytest.raises(NotMeasuredError, match=r"this system has no .*clear_refs"):
        memory.measure(GENERAL, SMALL)
