"""Nested structures with anything as leaves, in the order of `nested.flatten`."""

from collections.abc import Callable, Iterable

from reference_impls.nested import Tree


def map_leaves(function: Callable[[Tree], Tree], tree: Tree) -> Tree:
    """Returns the tree with the function's values as leaves, taken in the order of `flatten`."""
    if type(tree) is dict:
        mapped = {key: map_leaves(function, tree[key]) for key in sorted(tree)}
        return {key: mapped[key] for key in tree}
    if type(tree) in {list, tuple}:
        return type(tree)(map_leaves(function, child) for child in tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_leaves(function, child) for child in tree))
    return function(tree)


def leaves_of(tree: Tree) -> list[Tree]:
    """Returns the leaves."""
    leaves: list[Tree] = []
    map_leaves(leaves.append, tree)
    return leaves


def refill(tree: Tree, leaves: Iterable[Tree]) -> Tree:
    """Returns the tree with other leaves."""
    given = iter(leaves)
    return map_leaves(lambda _: next(given), tree)
