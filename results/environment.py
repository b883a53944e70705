"""Where numbers come from: machine, threads, libraries and commit, and nothing about who ran them.

No host name, no user name and no path is recorded, since measurements are committed.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError
from threadpoolctl import threadpool_info

from results.errors import ResultsError, explained, make_directory

FILE_NAME = "environment.json"

_LIBRARIES = ("numpy", "scipy", "torch", "autograd", "pandas", "pytest-benchmark")
_RIVALS = ("cvxpylayers", "torchopt", "jaxopt", "jax")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Threads(_Record):
    """How many threads each library may use."""

    blas: int | None
    torch: int


class Blas(_Record):
    """One BLAS library in the process."""

    name: str
    version: str | None
    architecture: str | None
    threads: int


class Environment(_Record):
    """Where numbers come from.

    Attributes:
        measured_at: ISO 8601, in UTC.
        commit: Of this code; None outside a git checkout.
        dirty: Were there uncommitted changes to tracked files? None outside a git checkout.
        cpu: Its model.
        cores: Logical ones.
        gpu: The name of the first one; None if there is none.
        system: Operating system and the family of its kernel.
        architecture: Of the instruction set.
        threads: How many each library may use.
        blas: The libraries in the process.
        versions: Of Python and of each library; None for one that is not installed.
    """

    measured_at: str
    commit: str | None
    dirty: bool | None
    cpu: str
    cores: int | None
    gpu: str | None
    system: str
    architecture: str
    threads: Threads
    blas: tuple[Blas, ...]
    versions: dict[str, str | None]


def environment() -> dict[str, Any]:
    """Describe this process's surroundings, ready for JSON: the fields of `Environment`."""
    torch = _torch()
    blas = _blas()
    commit, dirty = git_state(Path(__file__))
    return Environment(
        measured_at=utc_now(),
        commit=commit,
        dirty=dirty,
        cpu=_cpu(),
        cores=os.cpu_count(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        system=f"{platform.system()} {_major_minor(platform.release())}",
        architecture=platform.machine(),
        threads=Threads(
            blas=max((library.threads for library in blas), default=None),
            torch=torch.get_num_threads(),
        ),
        blas=blas,
        versions=_versions(),
    ).model_dump(mode="json")


def write_environment(directory: Path | str) -> Path:
    """Write `environment.json` into a directory, creating it if need be.

    Several processes may do so at once: the file is always one of theirs, and whole.

    Returns:
        The file's path.

    Raises:
        ResultsError: It cannot be written.
    """
    path = Path(directory) / FILE_NAME
    text = json.dumps(environment(), indent=2) + "\n"
    with explained("write", path):
        make_directory(path.parent)
        _replace(path, text)
    return path


def read_environment(directory: Path | str) -> Environment:
    """Read `environment.json` back.

    Raises:
        ResultsError: It cannot be read, or holds something else.
    """
    path = Path(directory) / FILE_NAME
    with explained("read", path):
        content = path.read_bytes()
    try:
        return Environment.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = "".join(f", {part}" for part in problem["loc"])
        raise ResultsError(f"{path}{place}: {problem['msg']}") from error


def utc_now() -> str:
    """Tell the time, as every table writes it: ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def git_state(file: Path) -> tuple[str | None, bool | None]:
    """Say at which commit a file is, and whether tracked files of its checkout were changed since.

    Returns:
        The commit and whether it is dirty; None and None if git does not track the file.
    """
    # This package may be installed inside someone else's checkout, whose commit is not its own.
    tracked = _git(file, "ls-files", "--error-unmatch", file.name)
    commit = _git(file, "rev-parse", "HEAD") if tracked else None
    if commit is None:
        return None, None
    return commit, bool(_git(file, "status", "--porcelain", "--untracked-files=no"))


def _replace(path: Path, text: str) -> None:
    """Put a text into a file, of which a reader sees the old text or the new, never a part."""
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _git(file: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            ["git", *arguments],  # noqa: S607 - the git of whoever runs this
            cwd=file.parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _torch() -> ModuleType:
    import torch  # noqa: PLC0415 - takes a second, and a report does without

    return torch


def _blas() -> tuple[Blas, ...]:
    return tuple(
        Blas(
            name=library["internal_api"],
            version=library["version"],
            architecture=library.get("architecture"),
            threads=library["num_threads"],
        )
        for library in threadpool_info()
        if library["user_api"] == "blas"
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(models), platform.processor() or platform.machine())


def _versions() -> dict[str, str | None]:
    installed = {name: _version(name) for name in (*_LIBRARIES, *_RIVALS)}
    return {"python": platform.python_version(), **installed, "cupy": _cupy_version()}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cupy_version() -> str | None:
    # CuPy's distribution is named after the CUDA it was built for, as in cupy-cuda12x.
    distributions = importlib.metadata.packages_distributions().get("cupy", [])
    return _version(distributions[0]) if distributions else None


def _major_minor(release: str) -> str:
    """Shorten a kernel's release: the rest may name a cloud or a person's own build."""
    return ".".join(release.partition("-")[0].split(".")[:2])
