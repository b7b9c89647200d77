"""Trees of parameters, and their leaves by name."""

import functools
from collections.abc import Mapping
from typing import Any

import jax


def named_leaves(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree in order, by names as `generator/Dense_0/bias`."""
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in leaves
    }


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the tree of dicts whose `named_leaves` these are."""
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *outer, last = name.split("/")
        functools.reduce(lambda d, key: d.setdefault(key, {}), outer, tree)[last] = leaf
    return tree
