"""Are two structures alike?"""

import collections
import warnings

from oxhorn.tree.structure import NODES, flatten_with_path

_DICTS = (dict, collections.OrderedDict, collections.defaultdict)


def _kind(x):
    name = type(x).__name__
    return f"namedtuple {name}" if hasattr(type(x), "_fields") else name


def node_mismatch(a, b):
    """Why `a` and `b`, of which one is nested, differ at their top level; None if they don't."""
    if type(a) in _DICTS and type(b) in _DICTS:
        if a.keys() != b.keys():
            return f"dictionary key mismatch, expected {list(a)}, got {list(b)}"
    elif type(a) is not type(b):
        return f"expected {_kind(a)}, got {_kind(b)}"
    elif len(a) != len(b):
        return f"arity mismatch, expected {len(a)}, got {len(b)}"
    elif hasattr(a, "keys") and a.keys() != b.keys():
        return f"keys {list(a)} and {list(b)} differ"
    return None


def children_like(a, b):
    """The children of `b` in the order of the children of `a`."""
    keys, _ = NODES[type(a)][0](a)
    return [b[k] for k in keys] if hasattr(b, "keys") else list(NODES[type(b)][0](b)[1])


def assert_same_structure(a, b, check_types=None):
    """Raises ValueError unless `a` and `b` are nested alike.

    Types and lengths must match at each level; `dict`, `OrderedDict` and `defaultdict` match each other.
    `check_types` is deprecated and ignored.
    """
    if check_types is not None:
        hint = "" if check_types else " `assert_same_paths` makes a looser check."
        warnings.warn(
            f"`check_types` is deprecated and has no effect; please remove it.{hint}",
            DeprecationWarning,
            stacklevel=2,
        )
    _assert_same(a, b)


def _assert_same(a, b):
    a_node, b_node = NODES[type(a)], NODES[type(b)]
    if a_node is None and b_node is None:
        return
    reason = node_mismatch(a, b)
    if reason:
        raise ValueError(f"Structures don't have the same nested structure: {reason}. Got {a} and {b}.")
    for x, y in zip(a_node[0](a)[1], children_like(a, b)):
        _assert_same(x, y)


def assert_same_paths(a, b):
    """Raises ValueError unless the leaves of `a` and `b` have the same paths, whatever the containers."""
    a_paths = {path for path, _ in flatten_with_path(a)}
    b_paths = {path for path, _ in flatten_with_path(b)}
    if a_paths == b_paths:
        return
    message = "`a` and `b` don't have the same paths."
    for missing, names in (
        (a_paths - b_paths, "`a` missing in `b`"),
        (b_paths - a_paths, "`b` missing in `a`"),
    ):
        if missing:
            message += f"\nPaths in {names}:\n{missing}"
    raise ValueError(message)
