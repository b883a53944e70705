"""torch's own database of operators, which ships inside it: each at the points it is tested at.

What is differentiated are the tensors that the database marks as such: real, dense and strided.
Everything else is a constant, which is cast along where the function is computed in another dtype.
Several outputs are laid one after the other, and complex numbers as pairs of real ones.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch.utils import _pytree as pytree

from reference_impls.engines.pytorch.choice import from_torch
from reference_impls.engines.pytorch.function import TorchFunction
from verify.checks.check import one_line
from verify.trust.field.subject import TOO_MANY, LeftOut, Subject

LIBRARY = "torch"

FLAG = "__allow_nonbracketed_mutation_flag"
"""Of `torch.backends`: may its flags be set?"""


@cache
def operators() -> dict[str, Any]:
    """The database's entries that have a derivative in float64, by name.

    Raises:
        ImportError: the database wants a package that is not installed.
    """
    # It warns of what its own tests want, and from then on forbids to set torch's flags.
    before = torch.backends.flags_frozen()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db  # noqa: PLC0415 -- it takes 4 s
    if not before:
        setattr(torch.backends, FLAG, True)

    with_derivative = [op for op in op_db if torch.float64 in op.supported_backward_dtypes("cpu")]  # type: ignore[no-untyped-call]
    return {op.formatted_name: op for op in with_derivative}


def functions() -> list[str]:
    """Their names."""
    return list(operators())


def subjects(name: str, seed: int, dtype: str, most_entries: int) -> Iterator[Subject | LeftOut]:
    """Every sample of an operator as something to check.

    Args:
        name: of an entry of the database.
        seed: of the samples.
        dtype: ``float64`` or ``float32``.
        most_entries: samples with more numbers to differentiate with respect to are left out.
    """
    operator = operators()[name]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        try:
            samples = list(operator.sample_inputs("cpu", torch.float64, requires_grad=True))
        except Exception as error:  # noqa: BLE001 -- a sample that its own library cannot draw
            yield LeftOut(LIBRARY, name, 0, seed, dtype, 0, f"no samples: {one_line(error)}")
            return
    for number, sample in enumerate(samples):
        given = (sample.input, sample.args, sample.kwargs)
        leaves, structure = pytree.tree_flatten(given)
        places = [place for place, leaf in enumerate(leaves) if _is_differentiable(leaf)]
        call = _Call(operator, sample.output_process_fn_grad, leaves, structure, places)
        reason = _reason_against(leaves, places, most_entries) or call.reason_against
        if reason:
            entries = sum(leaves[place].numel() for place in places)
            yield LeftOut(LIBRARY, name, number, seed, dtype, entries, reason)
            continue
        primals = tuple(leaves[place].detach().clone().numpy().astype(dtype) for place in places)
        yield Subject(LIBRARY, name, number, seed, dtype, call.checkable(), primals)


@dataclass(frozen=True)
class _Call:
    """A call of an operator, as a function of the tensors that are differentiated."""

    operator: Any
    process: Callable[..., Any]
    leaves: list[Any]
    structure: Any
    places: list[int]

    def checkable(self) -> TorchFunction:
        """As `check` takes it, with the operator's name."""

        def function(*tensors: torch.Tensor) -> torch.Tensor:
            return self(tensors)

        function.__name__ = function.__qualname__ = self.operator.formatted_name
        return from_torch(function)

    def __call__(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """The outputs that have a derivative, as one tensor of real numbers."""
        outputs = [self._outputs(tensors)[place] for place in self._differentiable]
        if any(tensor.is_complex() for tensor in tensors):
            if self._has_complex_outputs:
                raise TypeError("its values are complex, which leaves no room for a complex step")
            chosen = outputs
        else:
            chosen = [_as_real(output).to(tensors[0].dtype) for output in outputs]
        return chosen[0] if len(chosen) == 1 else torch.cat([each.reshape(-1) for each in chosen])

    @cached_property
    def _differentiable(self) -> list[int]:
        # Where one output has a derivative, as of batch_norm, the statistics beside it may have
        # none: torch promises nothing of those.
        numbers = [k for k, each in enumerate(self._first) if _is_number(each)]
        return [k for k in numbers if self._first[k].requires_grad] or numbers

    @property
    def reason_against(self) -> str:
        """Why it is not to be checked; empty if it is."""
        try:
            outputs = [self._first[place] for place in self._differentiable]
        except Exception as error:  # noqa: BLE001 -- it refuses a sample whose memory is its own
            return f"at the sample itself it {one_line(error)}"
        if any(output.dtype not in (torch.float64, torch.complex128) for output in outputs):
            return "its value is of a narrower dtype"
        return "" if outputs else "no value that has a derivative"

    @cached_property
    def _has_complex_outputs(self) -> bool:
        return any(self._first[place].is_complex() for place in self._differentiable)

    @cached_property
    def _first(self) -> list[Any]:
        """The outputs at the sample itself."""
        with torch.enable_grad():
            return self._outputs(
                [self.leaves[place].detach().clone().requires_grad_() for place in self.places]
            )

    def _outputs(self, tensors: Sequence[torch.Tensor]) -> list[Any]:
        filled = [_as(leaf, tensors[0]) for leaf in self.leaves]
        for place, tensor in zip(self.places, tensors, strict=True):
            filled[place] = tensor
        first, args, kwargs = pytree.tree_unflatten(filled, self.structure)
        value = self.process(
            self.operator.gradcheck_wrapper(self.operator.op, first, *args, **kwargs)
        )
        return pytree.tree_leaves(value)


def _is_differentiable(leaf: object) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.requires_grad


def _reason_against(leaves: Sequence[Any], places: Sequence[int], most_entries: int) -> str:
    varied = [leaves[place] for place in places]
    if not varied:
        return "nothing to differentiate"
    if any(leaf.layout is not torch.strided for leaf in varied):
        return "not strided"
    if any(leaf.is_complex() for leaf in varied):
        return "complex"
    entries = sum(leaf.numel() for leaf in varied)
    if entries > most_entries:
        return TOO_MANY.format(most_entries)
    return ""


def _as(leaf: object, like: torch.Tensor) -> object:
    """A constant in the precision of the tensors it meets, in memory of its own."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    leaf = leaf.detach().clone()
    if leaf.dtype == torch.float64:
        return leaf.to(like.dtype)
    if leaf.dtype == torch.complex128 and like.dtype == torch.float32:
        return leaf.to(torch.complex64)
    return leaf


def _is_number(output: object) -> bool:
    return isinstance(output, torch.Tensor) and (output.is_floating_point() or output.is_complex())


def _as_real(output: torch.Tensor) -> torch.Tensor:
    # Of an empty tensor torch refuses to be shown the numbers as pairs.
    return torch.stack([output.real, output.imag], -1) if output.is_complex() else output
