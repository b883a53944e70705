"""How each library differentiates: one folder per library, and nothing of it anywhere else.

A folder has the library's *backend*, which differentiates the computations of the catalogue, and
its *adapter*, which turns a user's function into what `verify.check` judges. Those of autograd and
torch also have the argmin and the root as layers. To add a library, write a folder with a class
that has the members of `Backend`, and give `Computation` a field for its bodies. Or keep the bodies
in your own code, and `register` an instance: it is then verified, timed and reported beside the
others.

Importing a folder imports its library.

An adapter must not make a gradient look better than it is, as the engines do: torch sums a
gradient that a VJP forgot to sum over a broadcast axis, and casts it to the primal's dtype;
autograd broadcasts and casts the gradients that it adds up in place. So an adapter takes each
gradient before the engine repairs it, or says what was repaired. It hands primals and cotangents
on with their memory and strides, so that a function that writes to them is caught.
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
