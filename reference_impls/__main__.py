"""`python -m reference_impls` prints the support matrix of the README, in Markdown."""

from tabulate import tabulate

from reference_impls import BACKENDS, COMPUTATIONS, GPU_BACKENDS, Backend, Computation

BODIES = {"autograd": "by_autograd", "torch": "by_torch", "manual": "by_hand"}


def support_matrix() -> str:
    """Which computation is differentiated by whom, where, and with respect to what."""
    backends = (*BACKENDS, *GPU_BACKENDS)
    headers = ["computation", "from", "gradient for", "sizes"]
    headers += [f"{backend.name} {backend.device}" for backend in backends]
    rows = [_row(computation, backends) for computation in COMPUTATIONS]
    return tabulate(rows, headers, tablefmt="github")


def _row(computation: Computation, backends: tuple[Backend, ...]) -> list[str]:
    tutorial, _, _ = computation.origin.partition(",")
    supported = [
        "✓" if getattr(computation, BODIES[backend.name], None) else "—" for backend in backends
    ]
    sizes = ", ".join(f"{size:,}" for size in sorted(computation.sizes))
    return [computation.name, tutorial, " ".join(computation.wrt), sizes, *supported]


if __name__ == "__main__":
    print(support_matrix())  # noqa: T201 -- its output is what it is for
