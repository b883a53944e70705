"""`python -m reference_impls` prints the support matrix of the README, in Markdown."""

from tabulate import tabulate

from reference_impls import COMPUTATIONS, Computation
from reference_impls.engines import registered

MOST_NAMES = 10


def support_matrix() -> str:
    """Which computation is differentiated by whom, and with respect to what."""
    headers = ["computation", "from", "gradient for", "sizes, the tutorial's in bold"]
    headers += [backend.name for backend in registered("cpu")]
    return tabulate([_row(computation) for computation in COMPUTATIONS], headers, tablefmt="github")


def _row(computation: Computation) -> list[str]:
    tutorial, _, _ = computation.origin.partition(",")
    sizes = [
        f"**{size:,}**" if size == computation.tutorial_size else f"{size:,}"
        for size in sorted(computation.sizes)
    ]
    supported = ["✓" if backend.body_of(computation) else "—" for backend in registered("cpu")]
    return [computation.name, tutorial, _listed(computation.wrt), ", ".join(sizes), *supported]


def _listed(names: tuple[str, ...]) -> str:
    if len(names) <= MOST_NAMES:
        return " ".join(names)
    return f"{names[0]} {names[1]} … {names[-1]} ({len(names)} in all)"


if __name__ == "__main__":
    print(support_matrix())  # noqa: T201 -- its output is what it is for
