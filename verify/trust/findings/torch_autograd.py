"""The findings of the tutorial *torch autograd*."""

from collections.abc import Callable

import torch

from verify.trust.findings.finding import Demonstration, Finding, Observation, Race

TUTORIAL = "torch_autograd"

Function = Callable[[torch.Tensor], torch.Tensor]


def _once_more(function: Function) -> Observation:
    """Two backward passes through one graph, without retain_graph."""
    x = torch.ones(2, requires_grad=True)
    total = function(x).sum()
    total.backward()  # type: ignore[no-untyped-call]
    try:
        total.backward()  # type: ignore[no-untyped-call]
    except RuntimeError:
        return Observation(is_wrong=False, evidence="the second backward raises")
    doubled = "nothing" if x.grad is None else x.grad.tolist()
    evidence = f"the second backward raises nothing, and leaves a gradient of {doubled}"
    return Observation(is_wrong=True, evidence=evidence)


def _nodes_before(moment: str) -> Observation:
    """How many nodes the graph has when it is said to be built: before or after a backward."""
    x = torch.ones(2, requires_grad=True)
    y = x.exp().sum()
    before = y.grad_fn is not None
    built = "going forward" if before else "going backward"
    return Observation(moment != built, f"{moment}, where the graph is built {built}")


def _forward_passes(inputs: int, outputs: int, rows: tuple[int, ...]) -> Race:
    def runners() -> dict[str, Callable[[], object]]:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(*rows, inputs, generator=generator)
        w = torch.randn(inputs, outputs, generator=generator).requires_grad_()
        b = torch.randn(outputs, generator=generator).requires_grad_()

        def recorded() -> torch.Tensor:
            return torch.matmul(x, w) + b

        def unrecorded() -> torch.Tensor:
            with torch.no_grad():
                return torch.matmul(x, w) + b

        return {"with a graph": recorded, "with no_grad": unrecorded}

    return Race(runners)


TORCH_FINDINGS = (
    Finding(
        key="D34",
        tutorial=TUTORIAL,
        place="Computing gradients, the warning",
        kind="behaviour",
        says="Without retain_graph, backward works once on a graph.",
        right="That is so only where the forward pass has saved something.",
        matters="A second backward by mistake doubles a gradient, and nothing raises.",
        proof=Demonstration(published=lambda x: x + 1, corrected=torch.exp, observe=_once_more),
    ),
    Finding(
        key="D34b",
        tutorial=TUTORIAL,
        place="Recap",
        kind="behaviour",
        says="The graph is made anew by walking backward through it.",
        right="It is made by the forward pass; backward walks it, and frees it.",
        matters="That is why control flow may change from call to call.",
        proof=Demonstration(
            published="going backward", corrected="going forward", observe=_nodes_before
        ),
    ),
    Finding(
        key="D35",
        tutorial=TUTORIAL,
        place="Disabling gradient tracking",
        kind="timing",
        says="no_grad speeds up a forward pass: here of 5 to 3.",
        right="What it saves is about what entering and leaving it takes.",
        matters="It saves memory; time it saves only where nodes are many and small.",
        proof=_forward_passes(5, 3, ()),
    ),
    Finding(
        key="D35b",
        tutorial=TUTORIAL,
        place="Disabling gradient tracking",
        kind="timing",
        says="no_grad speeds up a forward pass: here of 512 rows, 784 to 32.",
        right="A node costs about a microsecond, and the product hundreds.",
        matters="As above: the larger the operation, the less there is to save.",
        proof=_forward_passes(784, 32, (512,)),
    ),
)
