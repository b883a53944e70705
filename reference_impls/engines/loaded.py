"""Has torch been imported? Until then no value can be one of its tensors."""

import sys
from types import ModuleType


def loaded_torch() -> ModuleType | None:
    """Torch if it has been imported, else None: asking for a value's type must not import it."""
    return sys.modules.get("torch")
