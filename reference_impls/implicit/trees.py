"""Nested structures with anything as leaves, in the order of `nested.flatten`."""

from collections.abc import Callable, Iterable

from reference_impls.nested import Tree, located, map_located


def map_leaves(function: Callable[[Tree], Tree], tree: Tree) -> Tree:
    """Returns the tree with the function's values as leaves, taken in the order of `flatten`."""
    return map_located(lambda _, leaf: function(leaf), tree)


def leaves_of(tree: Tree, name: str = "tree") -> list[Tree]:
    """Returns the leaves; the name is for the message if there are keys that do not sort."""
    return [leaf.value for leaf in located(tree, name)]


def refill(tree: Tree, leaves: Iterable[Tree]) -> Tree:
    """Returns the tree with the first of these as leaves."""
    given = iter(leaves)
    return map_leaves(lambda _: next(given), tree)
