"""The packages beside this one, and files of a user's that hide them.

Their names are common words. Python looks in the user's folder first, so that a ``verify.py`` there
is imported in place of our package, and whatever is missing in it makes a baffling error.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]


def check_not_hidden(*packages: str) -> None:
    """Refuses to go on where another file would be imported in place of one of our packages.

    Args:
        packages: of this project, which are about to be imported.

    Raises:
        ImportError: a file hides one of them; the message is one line that says which.
    """
    for package in packages:
        found = _found(package)
        if found is not None and found.resolve() != HOME / package / "__init__.py":
            raise ImportError(
                f"{found} hides gradjury's own package {package!r}: rename it, or work in another "
                "folder"
            )


def _found(package: str) -> Path | None:
    """The file that importing the package gives, or has given."""
    module = sys.modules.get(package)
    spec = module.__spec__ if module else find_spec(package)
    origin = spec.origin if spec else getattr(module, "__file__", None)
    return Path(origin) if origin else None
