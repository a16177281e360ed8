"""Which objects are nested, what their children are, and how to build one anew."""

import collections


def _sorted_keys(mapping):
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def _sequence_items(x):
    return range(len(x)), x


def _dict_items(x):
    keys = _sorted_keys(x)
    return keys, [x[k] for k in keys]


def _rebuild_dict(x, keys, values):
    new = dict(zip(keys, values))
    return {k: new[k] for k in x}


def _rebuild_defaultdict(x, keys, values):
    return collections.defaultdict(x.default_factory, _rebuild_dict(x, keys, values))


_NAMED_TUPLE = (_sequence_items, lambda x, keys, values: type(x)(*values))


class _Nodes(dict):
    """type -> (keys and children of an instance, instance like `x` with other children), or None for the
    type of a leaf. Types are entered when they are first met."""

    def __missing__(self, cls):
        functions = _NAMED_TUPLE if issubclass(cls, tuple) and hasattr(cls, "_fields") else None
        self[cls] = functions
        return functions


NODES = _Nodes(
    {
        list: (_sequence_items, lambda x, keys, values: list(values)),
        tuple: (_sequence_items, lambda x, keys, values: tuple(values)),
        collections.deque: (
            _sequence_items,
            lambda x, keys, values: collections.deque(values, maxlen=x.maxlen),
        ),
        dict: (_dict_items, _rebuild_dict),
        collections.defaultdict: (_dict_items, _rebuild_defaultdict),
        collections.OrderedDict: (
            lambda x: (list(x), list(x.values())),
            lambda x, keys, values: collections.OrderedDict(zip(keys, values)),
        ),
    }
)


def register_tree_node_class(cls):
    """Makes instances of `cls` nested. The class has `tree_flatten()`, which returns
    `(children, metadata)` or `(children, metadata, keys)`, and a class method
    `tree_unflatten(metadata, children)`."""

    def items(x):
        children, _, *keys = x.tree_flatten()
        children = list(children)
        return (list(keys[0]) if keys else range(len(children))), children

    def rebuild(x, keys, values):
        return cls.tree_unflatten(x.tree_flatten()[1], list(values))

    NODES[cls] = (items, rebuild)
    return cls


def is_nested(structure):
    """Whether `structure` is a list, tuple, named tuple, dict, deque or registered class."""
    return NODES[type(structure)] is not None


def _flatten_into(x, leaves):
    functions = NODES[type(x)]
    if functions is None:
        leaves.append(x)
    else:
        for child in functions[0](x)[1]:
            _flatten_into(child, leaves)


def flatten(structure):
    """The leaves as a list; `[structure]` if it is one.

    >>> flatten({"b": 1, "a": [2, (3,)]})
    [2, 3, 1]
    """
    leaves = []
    _flatten_into(structure, leaves)
    return leaves


def flatten_with_path(structure):
    """A list of `(path, leaf)`; a path is a tuple of indices and keys.

    >>> flatten_with_path([{"foo": 42}])
    [((0, 'foo'), 42)]
    """
    result = []

    def visit(path, x):
        functions = NODES[type(x)]
        if functions is None:
            result.append((path, x))
            return
        for key, child in zip(*functions[0](x)):
            visit((*path, key), child)

    visit((), structure)
    return result


def pack_sequence_as(structure, flat_sequence):
    """`structure` with the items of `flat_sequence` as its leaves, in `flatten`'s order.

    Raises:
        TypeError: `flat_sequence` is not iterable.
        ValueError: it has too few or too many items.
    """
    items = iter(flat_sequence)
    try:
        result = _refill(structure, items)
    except StopIteration:
        misfit = "few"
    else:
        if next(items, _END) is _END:
            return result
        misfit = "many"
    raise ValueError(
        f"`flat_sequence` has too {misfit} leaves for `structure`: expected: {len(flatten(structure))}, "
        f"got {len(flat_sequence)}."
    )


_END = object()


def _refill(x, items):
    """`x` with the next of `items` as leaves; StopIteration if they do not suffice."""
    functions = NODES[type(x)]
    if functions is None:
        return next(items)
    keys, children = functions[0](x)
    return functions[1](x, keys, [_refill(child, items) for child in children])
