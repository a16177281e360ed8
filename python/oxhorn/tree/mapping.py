"""Functions that build a structure from another one."""

from oxhorn.tree.compare import children_like, node_mismatch
from oxhorn.tree.structure import NODES


class MAP_TO_NONE:
    """What a function given to `traverse` returns to put `None` in place of a sub-tree."""


def _check_callable(func):
    if not callable(func):
        raise TypeError(f"`func` must be callable, got {func} of type {type(func)}")


def traverse(func, structure, top_down=True):
    """Calls `func` on every sub-tree and leaf, depth first, and returns the structure that results.

    A result other than None takes the sub-tree's place (`MAP_TO_NONE` puts None there); with
    `top_down`, that sub-tree is not entered.
    """
    _check_callable(func)

    def enter(x):
        functions = NODES[type(x)]
        if functions is None:
            return x
        keys, children = functions[0](x)
        return functions[1](x, keys, [visit(child) for child in children])

    def visit(x):
        if top_down:
            result = func(x)
            if result is None:
                return enter(x)
        else:
            x = enter(x)
            result = func(x)
            if result is None:
                return x
        return None if result is MAP_TO_NONE else result

    return visit(structure)


def map_structure(func, *structures, none_is_leaf=True):
    """`func(*leaves)` over structures of one layout; the result has the layout of the first.

    Args:
        none_is_leaf: if False, `None` is kept and not given to `func`.

    Raises:
        ValueError: the structures differ.
    """
    _check_callable(func)
    if not structures:
        raise ValueError("Must provide at least one structure")
    if len(structures) == 1:
        return _map_one(func, structures[0], none_is_leaf)
    return _map_many(func, structures, none_is_leaf, exact=True)


def _map_one(func, x, none_is_leaf):
    functions = NODES[type(x)]
    if functions is None:
        return None if x is None and not none_is_leaf else func(x)
    keys, children = functions[0](x)
    return functions[1](x, keys, [_map_one(func, child, none_is_leaf) for child in children])


def _map_many(func, structures, none_is_leaf, exact, skip=0):
    """Maps as deep as the first structure goes; `exact`: the others go no deeper."""
    first = structures[0]
    functions = NODES[type(first)]
    if functions is None:
        if exact and any(NODES[type(s)] is not None for s in structures):
            raise ValueError("Structures don't have the same nested structure.")
        if not none_is_leaf and any(s is None for s in structures):
            if all(s is None for s in structures):
                return None
            raise ValueError(f"Structures don't match: only some leaves are None. Got {structures}.")
        return func(*structures[skip:])
    for other in structures[1:]:
        reason = node_mismatch(first, other)
        if reason:
            raise ValueError(f"Structures don't have the same nested structure: {reason}.")
    keys, children = functions[0](first)
    columns = zip(children, *(children_like(first, other) for other in structures[1:]))
    return functions[1](
        first, keys, [_map_many(func, column, none_is_leaf, exact, skip) for column in columns]
    )


def map_structure_up_to(shallow_structure, func, *structures):
    """As `map_structure`, but only as deep as `shallow_structure` goes; what lies below is a leaf.

    >>> map_structure_up_to([None, None], len, [[1, 1], [2]])
    [2, 1]
    """
    _check_callable(func)
    if not structures:
        raise ValueError("Must provide at least one structure")
    return _map_many(func, (shallow_structure, *structures), True, exact=False, skip=1)


def lists_to_tuples(structure):
    """The structure with tuples in place of lists."""
    return traverse(lambda x: tuple(x) if isinstance(x, list) else None, structure, top_down=False)


def _is_shape(x):
    return isinstance(x, (list, tuple)) and all(e is None or isinstance(e, int) for e in x)


def map_shape_structure(func, structure):
    """`map_structure` whose leaves are shapes: tuples or lists of ints and Nones."""
    _check_callable(func)

    def visit(x):
        functions = None if _is_shape(x) else NODES[type(x)]
        if functions is None:
            return func(x)
        keys, children = functions[0](x)
        return functions[1](x, keys, [visit(child) for child in children])

    return visit(structure)
