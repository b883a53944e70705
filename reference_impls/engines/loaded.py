"""Is torch there already? Only then can a value be one of its tensors."""

import sys
from types import ModuleType


def loaded_torch() -> ModuleType | None:
    """Torch, if anybody has imported it; to ask about a value's type must not load it."""
    return sys.modules.get("torch")
