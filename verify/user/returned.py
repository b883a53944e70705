"""What a user's functions returned, as arrays that can be compared.

Where nothing can be compared, a `RefusalError` says so in one line; no traceback comes from inside
a check.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array, Arrays
from reference_impls.engines.loaded import loaded_torch
from reference_impls.engines.outputs import Outputs
from reference_impls.nested import Tree
from reference_impls.validation import nearest
from reference_impls.words import described
from verify.checks.check import RefusalError
from verify.user.arguments import Arguments
from verify.user.primals import leaves_of


def gradients_from(
    returned: Tree,
    arguments: Arguments,
    giver: str = "the vjp returned",
    dtype: npt.DTypeLike = np.float64,
) -> Arrays:
    """The gradients in what a VJP returned, by path.

    Args:
        returned: what it returned.
        arguments: of the call that it belongs to.
        giver: how a message begins.
        dtype: given to Python numbers, which have none.

    Raises:
        RefusalError: a gradient is missing, or is no array, or belongs to no argument.
    """
    trees = _by_argument(returned, arguments, giver)
    paths = {str(leaf): leaf.path for leaf in leaves_of(arguments.by_name)}
    gradients = {}
    for name in arguments.wrt:
        found: Tree = trees
        for key in paths[name]:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                given = ", ".join(map(str, trees)) or "none"
                raise RefusalError(f"{giver} no gradient for {name} (got {given})") from None
        _check_is_array(found, name, arguments.arrays[name].shape, giver)
        gradient = array_from(found, giver, f"for {name}", arguments.dtype, dtype)
        gradients[name] = arguments.without_holes(name, gradient)
    return gradients


def array_from(found: Tree, giver: str, what: str, wanted: str, dtype: npt.DTypeLike) -> Array:
    """What a user's function returned, as an array of real or complex numbers.

    Args:
        found: what it returned.
        giver: how a message begins.
        what: what it is meant to be, in a message.
        wanted: the dtype that it should have, in a message.
        dtype: given to Python numbers, which have none.

    Raises:
        RefusalError: it is neither an array of real or complex numbers nor such a number.
    """
    if type(found) is float:
        return np.asarray(found, dtype)
    if type(found) is complex:
        return np.asarray(found)
    torch = loaded_torch()
    if torch is not None and isinstance(found, torch.Tensor):
        raise RefusalError(f"{giver} a tensor {what}; wrap a torch function in from_torch")
    if isinstance(found, np.ma.MaskedArray):
        raise RefusalError(f"{giver} a masked array {what}, wanted one without a mask")
    if isinstance(found, np.ndarray | np.generic) and np.issubdtype(found.dtype, np.inexact):
        return np.asarray(found)
    raise RefusalError(
        f"{giver} {described(found)} {what}, wanted a number or an array of {wanted}"
    )


def is_number(found: Tree) -> bool:
    """Is it an output that has a derivative, an array or a number that is no integer?"""
    torch = loaded_torch()
    if torch is not None and isinstance(found, torch.Tensor):
        return True  # which `array_from` refuses, and says why
    is_array = isinstance(found, np.ndarray | np.generic)
    return type(found) in {float, complex} or (is_array and np.issubdtype(found.dtype, np.inexact))


def joined(found: Tree, outputs: Outputs, giver: str, wanted: str, dtype: npt.DTypeLike) -> Array:
    """A user's several outputs, end to end in one vector.

    Args:
        found: what the user's function returned.
        outputs: of it.
        giver: how a message begins.
        wanted: the dtype that they should have, in a message.
        dtype: given to Python numbers, which have none.

    Raises:
        RefusalError: as `array_from`.
    """
    named = zip(outputs.differentiated, outputs.taken(found), strict=True)
    arrays = [array_from(each, giver, f"as its {name}", wanted, dtype) for name, each in named]
    return np.concatenate([np.ravel(array) for array in arrays])


def _by_argument(returned: Tree, arguments: Arguments, giver: str) -> Mapping[str, Tree]:
    if not arguments.positional:
        return _named(returned, arguments, giver)
    names = list(arguments.by_name)
    in_tuple = isinstance(returned, tuple if arguments.alone else tuple | list)
    if len(names) == 1 and not (in_tuple and len(returned) == 1):
        return {names[0]: returned}
    if not in_tuple or len(returned) != len(names):
        wanted = f"a tuple of {len(names)}, for {', '.join(names)}"
        raise RefusalError(f"{giver} {described(returned)}, wanted {wanted}")
    return dict(zip(names, returned, strict=True))


def _named(returned: Tree, arguments: Arguments, giver: str) -> Mapping[str, Tree]:
    if not isinstance(returned, Mapping):
        raise RefusalError(f"{giver} {described(returned)}, wanted a dict of gradients")
    for key in returned:
        if key not in arguments.by_name:
            raise RefusalError(
                f"{giver} a gradient for {key!r}, which is none of {', '.join(arguments.by_name)}"
                f"{nearest(str(key), arguments.by_name)}"
            )
    return returned


def _check_is_array(found: Tree, name: str, shape: tuple[int, ...], giver: str) -> None:
    """A number will do for a number, and for nothing else."""
    if isinstance(found, list | tuple) or (shape and not hasattr(found, "shape")):
        hint = f", as {name} is no dict" if isinstance(found, Mapping) else ""
        wanted = f"wanted an array of shape {shape}{hint}"
        raise RefusalError(f"{giver} {described(found)} for {name}, {wanted}")
