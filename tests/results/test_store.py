import csv
import errno
import math
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import lock_descriptor, unlock_descriptor

from results import store
from results.errors import ResultsError
from results.store import Appender, read
from results.tables import TABLES, TIMINGS, VERDICTS, Timing, Verdict

ROOT = Path(__file__).parents[2]


def verdict(seed: int = 0, **changes: object) -> Verdict:
    plain: dict[str, object] = {
        "computation": "relu",
        "implementation": "torch",
        "device": "cpu",
        "dtype": "float64",
        "size": 10,
        "tutorial_size": True,
        "seed": seed,
        "check": "vjp",
        "against": "manual",
        "verdict": "agree",
    }
    return Verdict.model_validate(plain | changes)


def write(path: Path, *rows: Verdict) -> None:
    with Appender(path, VERDICTS) as verdicts:
        for row in rows:
            verdicts.append(row)


def replace_cell(path: Path, line: int, column: str, cell: str) -> None:
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[line - 1][VERDICTS.header.index(column)] = cell
    path.write_text("".join(",".join(row) + "\n" for row in rows))


class TestRoundTrip:
    def test_rows_come_back_exactly(self, tmp_path: Path) -> None:
        numbers = random.Random(0)  # noqa: S311 - no secret
        rows = [
            verdict(
                seed,
                error=numbers.uniform(-1, 1) * 10.0 ** numbers.randint(-320, 300),
                argument=numbers.choice([None, "w", "with, comma", 'with "quotes"']),
                detail=numbers.choice(["", "é", "a; b, c", "nan"]),
                tutorial_size=numbers.choice([True, False]),
                verdict=numbers.choice(["agree", "disagree", "inconclusive", "unsupported"]),
            )
            for seed in range(200)
        ]
        write(tmp_path / "verdicts.csv", *rows)
        assert list(read(tmp_path / "verdicts.csv", VERDICTS).rows) == rows

    def test_nan_infinity_and_nothing_stay_apart(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(got=math.nan, expected=math.inf, error=-math.inf, scale=None))
        (row,) = read(path, VERDICTS).rows
        assert row.got is not None
        assert math.isnan(row.got)
        assert (row.expected, row.error, row.scale) == (math.inf, -math.inf, None)

    def test_the_frame_has_the_dtypes_of_the_table(self, tmp_path: Path) -> None:
        path = tmp_path / "timings.csv"
        with Appender(path, TIMINGS) as timings:
            timings.append(
                Timing(
                    measured_at="2025-01-01T00:00:00+00:00",
                    computation="relu",
                    operator="value",
                    implementation="torch",
                    device="cuda",
                    dtype="float32",
                    size=3,
                    tutorial_size=False,
                    status="skipped",
                    reason="no GPU",
                )
            )
        frame = read(path, TIMINGS).frame
        assert frame["median_s"].dtype == "float64"
        assert frame["rounds"].dtype == "Int64"
        assert frame["size"].dtype == "int64"
        assert frame["tutorial_size"].dtype == "bool"
        assert frame["reason"].tolist() == ["no GPU"]

    def test_a_second_run_adds_to_the_first_under_one_header(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "down" / "verdicts.csv"
        write(path, verdict(1))
        write(path, verdict(2))
        assert [row.seed for row in read(path, VERDICTS).rows] == [1, 2]
        assert path.read_text().count("computation") == 1

    @pytest.mark.skipif(os.name == "nt", reason="Windows removes no open file")
    def test_a_row_for_a_file_that_was_removed_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        with Appender(path, VERDICTS) as verdicts:
            verdicts.append(verdict())
            path.unlink()
            with pytest.raises(ResultsError) as caught:
                verdicts.append(verdict())
        assert str(caught.value) == f"cannot write {path}: it was removed after it was opened"

    @pytest.mark.parametrize("length", [0, 1, 30])
    def test_a_file_that_was_only_begun_has_no_rows(self, tmp_path: Path, length: int) -> None:
        path = tmp_path / "verdicts.csv"
        path.write_text(",".join(VERDICTS.header)[:length])
        contents = read(path, VERDICTS)
        assert contents.rows == ()
        assert contents.note == "verdicts.csv: nothing is in it yet"

    def test_a_file_without_rows_is_an_empty_frame(self, tmp_path: Path) -> None:
        write(tmp_path / "verdicts.csv")
        frame = read(tmp_path / "verdicts.csv", VERDICTS).frame
        assert list(frame.columns) == VERDICTS.header
        assert frame.empty


def without_last(path: Path, count: int) -> None:
    """Cut the last columns off a file, as of one written before there were any."""
    rows = list(csv.reader(path.read_text().splitlines()))
    path.write_text("".join(",".join(row[:-count]) + "\n" for row in rows))


class TestOlderFiles:
    def test_the_committed_runs_can_be_read(self) -> None:
        tables = {table.file_name: table for table in TABLES}
        paths = sorted((ROOT / "results" / "runs").glob("*/*/*.csv"))
        assert paths
        assert all(read(path, tables[path.name]).rows for path in paths)

    def test_an_optional_last_column_may_be_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        rows = [verdict(1, diagnosis="sign"), verdict(2, detail="said")]
        write(path, *rows)
        without_last(path, 1)
        contents = read(path, VERDICTS)
        assert list(contents.rows) == [rows[0].model_copy(update={"diagnosis": None}), rows[1]]
        assert list(contents.frame.columns) == VERDICTS.header
        assert contents.note == ""

    def test_no_other_column_may(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(1))
        without_last(path, 2)
        with pytest.raises(ResultsError, match=r"line 1: .* missing 'detail', 'diagnosis'$"):
            read(path, VERDICTS)

    def test_its_rows_are_as_long_as_its_header(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(1))
        header, row = path.read_text().splitlines()
        path.write_text(f"{header.removesuffix(',diagnosis')}\n{row}\n")
        wanted = len(VERDICTS.columns)
        with pytest.raises(ResultsError, match=f"line 2: got {wanted} cells, wanted {wanted - 1}"):
            read(path, VERDICTS)

    def test_nothing_is_appended_to_it(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(1))
        without_last(path, 1)
        with pytest.raises(ResultsError, match="missing 'diagnosis'"):
            Appender(path, VERDICTS)


class TestCrash:
    def test_rows_survive_kill_9(self, tmp_path: Path) -> None:
        """Kill a process mid-way: each row it had said was written is there."""
        path = tmp_path / "verdicts.csv"
        script = (
            "import itertools, sys\n"
            "from results.store import Appender\n"
            "from results.tables import VERDICTS, Verdict\n"
            "row = Verdict.model_validate_json(sys.argv[2])\n"
            "verdicts = Appender(sys.argv[1], VERDICTS)\n"
            "for seed in itertools.count():\n"
            "    verdicts.append(row.model_copy(update={'seed': seed}))\n"
            "    print(seed, flush=True)\n"
        )
        command = [sys.executable, "-c", script, str(path), verdict().model_dump_json()]
        with subprocess.Popen(  # noqa: S603 - the script above
            command, stdout=subprocess.PIPE, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            first = [process.stdout.readline() for _ in range(50)]
            process.send_signal(signal.SIGKILL)
            acknowledged = len(first) + len(process.stdout.readlines())
        seeds = [row.seed for row in read(path, VERDICTS).rows]
        assert process.returncode == -signal.SIGKILL
        assert len(seeds) >= acknowledged
        assert seeds == list(range(len(seeds)))

    def test_a_row_is_one_write_then_a_sync(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[bytes | str] = []
        write_to, sync = os.write, os.fsync

        def recorded_write(descriptor: int, line: bytes) -> int:
            calls.append(line)
            return write_to(descriptor, line)

        def recorded_sync(descriptor: int) -> None:
            calls.append("sync")
            sync(descriptor)

        with Appender(tmp_path / "verdicts.csv", VERDICTS) as verdicts, monkeypatch.context() as m:
            m.setattr(os, "write", recorded_write)
            m.setattr(os, "fsync", recorded_sync)
            verdicts.append(verdict(7))
        last = (tmp_path / "verdicts.csv").read_bytes().splitlines(keepends=True)[-1]
        assert calls == [last, "sync"]

    @pytest.mark.parametrize("kept", [1, 20, 40])
    def test_a_torn_last_line_is_dropped_and_said(self, tmp_path: Path, kept: int) -> None:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(1), verdict(2))
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0] + lines[1] + lines[2][:kept])
        contents = read(path, VERDICTS)
        assert [row.seed for row in contents.rows] == [1]
        assert contents.note == "verdicts.csv: dropped a torn last line"

    def test_a_whole_file_has_no_note(self, tmp_path: Path) -> None:
        write(tmp_path / "verdicts.csv", verdict())
        assert read(tmp_path / "verdicts.csv", VERDICTS).note == ""

    def test_a_new_row_does_not_glue_to_a_torn_line(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(1), verdict(2))
        path.write_bytes(path.read_bytes()[:-5])
        write(path, verdict(3))
        contents = read(path, VERDICTS)
        assert [row.seed for row in contents.rows] == [1, 3]
        assert contents.note == ""

    @pytest.mark.parametrize("kept", [0, 7])
    def test_a_torn_header_is_written_again(self, tmp_path: Path, kept: int) -> None:
        path = tmp_path / "verdicts.csv"
        write(path)
        path.write_bytes(path.read_bytes()[:kept])
        write(path, verdict(1))
        assert [row.seed for row in read(path, VERDICTS).rows] == [1]

    def test_a_disk_that_fills_up_keeps_whole_rows(self, tmp_path: Path) -> None:
        """A limit on the file's size stands for the end of the disk."""
        path = tmp_path / "verdicts.csv"
        script = (
            "import os, resource, sys\n"
            "from results.errors import ResultsError\n"
            "from results.store import Appender\n"
            "from results.tables import VERDICTS, Verdict\n"
            "def limit(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))\n"
            "row = Verdict.model_validate_json(sys.argv[2])\n"
            "def attempt(action):\n"
            "    try: action()\n"
            "    except ResultsError as error: print(error)\n"
            "verdicts = Appender(sys.argv[1], VERDICTS)\n"
            "verdicts.append(row)\n"
            "limit(os.path.getsize(sys.argv[1]) + 20)\n"
            "attempt(lambda: verdicts.append(row))\n"
            "limit(-1)\n"
            "verdicts.append(row)\n"
            "limit(os.path.getsize(sys.argv[1]) + 20)\n"
            "attempt(lambda: Appender(sys.argv[1], VERDICTS))\n"
        )
        done = subprocess.run(  # noqa: S603 - the script above
            [sys.executable, "-c", script, str(path), verdict().model_dump_json()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        refused_row, refused_opening = done.stdout.splitlines()
        assert refused_row.startswith(f"cannot write {path}: the disk took 20 of ")
        assert refused_opening == f"cannot write {path}: the disk took 20 of 4096 bytes"
        contents = read(path, VERDICTS)
        assert (len(contents.rows), contents.note) == (2, "")


# The file is opened anew all the time: opening cuts off what looks torn, and tries for room.
APPEND_800 = """
import sys
from results.store import Appender
from results.tables import VERDICTS, Verdict
row = Verdict.model_validate_json(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for first in range(0, 800, 4):
    with Appender(sys.argv[1], VERDICTS) as verdicts:
        for seed in range(first, first + 4):
            verdicts.append(row.model_copy(update={"seed": seed}))
"""


def appending(path: Path, name: str) -> subprocess.Popen[str]:
    """Start a process that appends 800 rows under this name once it reads a line."""
    row = verdict(implementation=name).model_dump_json()
    return subprocess.Popen(  # noqa: S603 - the script above
        [sys.executable, "-c", APPEND_800, str(path), row],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


class TestSeveralProcesses:
    def test_no_row_is_lost_and_a_reader_sees_whole_rows_only(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "verdicts.csv"
        writers = [appending(path, name) for name in ("first", "second", "third")]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n", writer.communicate()[1]
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        seen, notes = [0], set()
        while any(writer.poll() is None for writer in writers):
            if path.exists() and path.stat().st_size:
                contents = read(path, VERDICTS)
                seen.append(len(contents.rows))
                notes.add(contents.note)
        assert [writer.communicate()[1] for writer in writers] == ["", "", ""]
        assert notes <= {""}
        assert seen == sorted(seen)
        written = Counter((row.implementation, row.seed) for row in read(path, VERDICTS).rows)
        names = ("first", "second", "third")
        assert written == Counter((name, seed) for name in names for seed in range(800))
        assert path.read_text().count("computation") == 1
        assert [each.name for each in path.parent.iterdir()] == ["verdicts.csv"]

    def test_a_row_goes_to_the_end_that_another_process_has_moved(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        with Appender(path, VERDICTS) as one, Appender(path, VERDICTS) as other:
            one.append(verdict(1))
            other.append(verdict(2))
            one.append(verdict(3))
        assert [row.seed for row in read(path, VERDICTS).rows] == [1, 2, 3]

    @pytest.mark.parametrize("kept", [0, 7, -5])
    def test_a_line_that_another_process_tore_is_cut_off_before_the_next_row(
        self, tmp_path: Path, kept: int
    ) -> None:
        path = tmp_path / "verdicts.csv"
        with Appender(path, VERDICTS) as verdicts:
            verdicts.append(verdict(1))
            whole = path.read_bytes()
            path.write_bytes(whole[:kept])
            verdicts.append(verdict(2))
        assert [row.seed for row in read(path, VERDICTS).rows] == [2]
        assert read(path, VERDICTS).note == ""

    def test_a_killed_process_takes_its_lock_along(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        write(path)
        script = (
            "import sys, time\n"
            "from filelock import lock_descriptor\n"
            "file = open(sys.argv[1], 'rb+')\n"
            "lock_descriptor(file.fileno())\n"
            "print('locked', flush=True)\n"
            "time.sleep(600)\n"
        )
        with subprocess.Popen(  # noqa: S603 - the script above
            [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"locked\n"
            with path.open("rb+") as file:
                assert not lock_descriptor(file.fileno(), blocking=False)
            process.kill()
        write(path, verdict(1))
        assert [row.seed for row in read(path, VERDICTS).rows] == [1]

    def test_a_reader_waits_for_the_row_that_is_being_written(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(1), verdict(2))
        content = path.read_bytes()
        with path.open("rb+", buffering=0) as writer, ThreadPoolExecutor(1) as pool:
            lock_descriptor(writer.fileno())
            writer.truncate(len(content) - 9)
            reading = pool.submit(read, path, VERDICTS)
            with pytest.raises(TimeoutError):
                reading.result(timeout=0.1)
            writer.seek(0, os.SEEK_END)
            writer.write(content[-9:])
            unlock_descriptor(writer.fileno())
            contents = reading.result(timeout=60)
        assert [row.seed for row in contents.rows] == [1, 2]
        assert contents.note == ""

    def test_a_file_system_without_locks_is_read_but_not_appended_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(1))

        def refuse(_descriptor: int, *, poll_interval: float) -> bool:
            del poll_interval
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(store, "lock_descriptor", refuse)
        with pytest.raises(ResultsError) as refusal:
            Appender(path, VERDICTS)
        assert str(refusal.value) == (
            f"cannot write {path}: it cannot be locked: Function not implemented"
        )
        assert [row.seed for row in read(path, VERDICTS).rows] == [1]


class TestRefusalToAppend:
    def test_a_path_under_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for path in (tmp_path / "file" / "v.csv", tmp_path / "file" / "deeper" / "v.csv"):
            with pytest.raises(ResultsError) as refusal:
                Appender(path, VERDICTS)
            assert str(refusal.value) == f"cannot write {path}: Not a directory"

    def test_a_path_that_is_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ResultsError, match="Is a directory"):
            Appender(tmp_path, VERDICTS)

    @pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux's /proc")
    def test_an_unwritable_directory(self) -> None:
        with pytest.raises(ResultsError, match=r"^cannot write /proc/nowhere/v\.csv: "):
            Appender("/proc/nowhere/v.csv", VERDICTS)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
    def test_a_full_disk(self) -> None:
        with pytest.raises(ResultsError) as refusal:
            Appender("/dev/full", VERDICTS)
        assert str(refusal.value) == "cannot write /dev/full: No space left on device"

    def test_a_device_that_takes_everything_is_taken(self) -> None:
        write(Path(os.devnull), verdict())

    def test_other_columns(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.csv"
        text = ",".join(["colour", *VERDICTS.header[1:]]) + "\n"
        path.write_text(text)
        with pytest.raises(ResultsError) as refusal:
            Appender(path, VERDICTS)
        assert str(refusal.value) == (
            f"{path}, line 1: not the columns of verdicts.csv: "
            "missing 'computation'; unknown 'colour'"
        )
        assert path.read_text() == text

    def test_a_file_of_something_else_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("one line, no newline")
        with pytest.raises(ResultsError, match=r"not the columns of verdicts\.csv"):
            Appender(path, VERDICTS)
        assert path.read_text() == "one line, no newline"


class TestRefusalToRead:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "verdicts.csv"
        write(path, verdict(1), verdict(2))
        return path

    def refusal(self, path: Path) -> str:
        with pytest.raises(ResultsError) as refusal:
            read(path, VERDICTS)
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    def test_a_missing_file_or_directory(self, tmp_path: Path) -> None:
        path = tmp_path / "nowhere" / "verdicts.csv"
        assert self.refusal(path) == f"cannot read {path}: No such file or directory"

    @pytest.mark.parametrize(
        ("column", "cell", "wanted"),
        [
            ("error", "tiny", "float or empty"),
            ("size", "", "int"),
            ("size", "1.5", "int"),
            ("tutorial_size", "perhaps", "bool"),
            ("verdict", "maybe", "one of agree, disagree, inconclusive, unsupported"),
        ],
    )
    def test_a_bad_cell(self, path: Path, column: str, cell: str, wanted: str) -> None:
        replace_cell(path, 3, column, cell)
        assert self.refusal(path) == (
            f"{path}, line 3, column {column}: got {cell!r}, wanted {wanted}"
        )

    def test_a_row_of_another_length(self, path: Path) -> None:
        path.write_text(path.read_text() + "relu,torch\n")
        wanted = len(VERDICTS.columns)
        assert self.refusal(path) == f"{path}, line 4: got 2 cells, wanted {wanted}"

    def test_columns_in_another_order(self, path: Path) -> None:
        first, second = VERDICTS.header[:2]
        path.write_text(path.read_text().replace(f"{first},{second}", f"{second},{first}", 1))
        assert "line 1" in self.refusal(path)
        assert f"wanted the order {first}, {second}" in self.refusal(path)

    def test_a_line_that_is_no_header_and_has_no_end(self, path: Path) -> None:
        path.write_bytes(b"fault,correct")
        assert "missing 'computation'" in self.refusal(path)

    def test_bytes_that_are_not_text(self, path: Path) -> None:
        path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
        assert self.refusal(path).startswith(f"{path}, line 4: not CSV in UTF-8: ")

    def test_a_quote_that_does_not_close(self, path: Path) -> None:
        path.write_text(path.read_text() + '"relu,torch\n')
        assert self.refusal(path).startswith(f"{path}, line 4: not CSV in UTF-8: ")
