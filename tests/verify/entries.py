"""A catalogue of a test's own computations."""

from types import ModuleType

import pytest

from reference_impls import Computation, Entry


def entry_of(computation: Computation) -> Entry:
    return Entry(
        computation.name,
        computation.origin,
        computation.wrt,
        computation.sizes,
        is_argmin=computation.optimality is not None,
    )


def catalogue_of(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, *computations: Computation
) -> tuple[Entry, ...]:
    """What the module takes for the catalogue: these computations, and no others."""
    by_name = {computation.name: computation for computation in computations}
    entries = tuple(map(entry_of, computations))
    monkeypatch.setattr(module, "CATALOGUE", entries)
    monkeypatch.setattr(Entry, "load", lambda entry: by_name[entry.name])
    return entries
