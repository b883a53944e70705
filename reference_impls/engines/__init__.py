"""How each library differentiates: one folder per library, and nothing of it anywhere else.

A folder has the library's *backend*, which differentiates the computations of the catalogue; its
*adapter*, which makes of a user's function what `verify.check` judges; and, for the engines, the
argmin and the root as layers. To add a library, write a folder with a class that has the members
of `Backend`, and a field of `Computation` for its bodies. Or keep the bodies to yourself, and
`register` an instance: it is then verified, timed and reported beside the others.

A library is imported when its folder is.

An adapter must not make a gradient look better than it is. The engines repair what a node returns:
torch sums broadcasts that a VJP forgot to sum, and casts dtypes; autograd's containers broadcast
and cast as they accumulate. So gradients are taken where a node leaves them. Primals and
cotangents keep their memory and strides, so that a function which writes to them is seen to.
"""

from reference_impls.engines.backend import Backend, SecondOrder
from reference_impls.engines.registry import register, registered, unregister

__all__ = [
    "Backend",
    "SecondOrder",
    "register",
    "registered",
    "unregister",
]
