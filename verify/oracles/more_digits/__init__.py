"""Derivations carried through with more digits than the dtype has."""
