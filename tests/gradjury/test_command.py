from pathlib import Path

import pytest

from gradjury.command import run
from tests.gradjury.fresh import python

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "arguments",
    [
        ["relu", "--size", "smallest", "--seed", "3"],
        ["--list"],
        ["rleu"],
        ["--sed=1"],
        ["no_such_file.py:f"],
    ],
)
def test_verify_is_python_dash_m_verify(arguments: list[str]) -> None:
    ours = python("-m", "gradjury", "verify", *arguments)
    theirs = python("-m", "verify", *arguments)
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        theirs.returncode,
        theirs.stdout,
        theirs.stderr,
    )
    assert ours.stdout or ours.stderr


@pytest.mark.parametrize("arguments", [["{empty}"], ["{missing}"]])
def test_report_is_python_dash_m_results_report(
    arguments: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("empty")
    given = [each.format(empty=folder, missing=folder / "missing") for each in arguments]
    ours = python("-m", "gradjury", "report", *given)
    theirs = python("-m", "results", "report", *given)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert ours.stderr == theirs.stderr.replace("results: ", "gradjury: ")
    assert ours.stderr


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--nope"], ["{missing}"]])
def test_a_mistake_in_report_is_answered_in_one_line(
    arguments: list[str], tmp_path: Path, capfd: Capture
) -> None:
    given = [each.format(missing=tmp_path / "missing") for each in arguments]
    assert run(["report", *given]) == 2
    out, err = capfd.readouterr()
    assert not out
    assert err.startswith("gradjury: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("subcommand", ["verify", "report"])
def test_a_subcommand_has_its_own_help_under_this_commands_name(subcommand: str) -> None:
    done = python("-m", "gradjury", subcommand, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: gradjury {subcommand} [OPTIONS]")


def test_help_and_version_end_with_status_0(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "Usage: gradjury [OPTIONS] COMMAND [ARGS]..." in out
    assert "verify " in out
    assert "report " in out
    assert run(["--version"]) == 0


def test_nothing_asked_for_is_answered_with_the_help_and_status_2(capsys: Capture) -> None:
    assert run([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: gradjury" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["verfy", "relu"],
            (
                "gradjury: unknown command 'verfy': accepted are report, verify; did you mean "
                "'verify'?\n"
            ),
        ),
        (["xyz"], "gradjury: unknown command 'xyz': accepted are report, verify\n"),
        (["--sed"], "gradjury: No such option '--sed'.\n"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_status_2(
    arguments: list[str], said: str, capsys: Capture
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["verify", "--help"]])
def test_asking_loads_no_engine(arguments: list[str]) -> None:
    code = (
        f"import sys; from gradjury.command import run; assert run({arguments}) == 0; "
        "print('loaded', *{'torch', 'scipy', 'pandas', 'pydantic'} & {*sys.modules})"
    )
    assert python("-c", code).stdout.endswith("\nloaded\n")
