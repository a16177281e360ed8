"""`tree` against Keras's."""

import collections

import keras
import numpy as np
import pytest

from oxhorn import tree

Point = collections.namedtuple("Point", "x y")

STRUCTURES = [
    1,
    None,
    [],
    (),
    {},
    [1, (2, [None, 3])],
    {"b": 1, "a": [2, {"d": 3, "c": 4}]},
    collections.OrderedDict([("b", 1), ("a", (2,))]),
    collections.defaultdict(list, {"b": 1, "a": 2}),
    collections.deque([1, [2]]),
    Point(1, Point([2], 3)),
    {1: "a", 0: Point(1, {"z": None})},
    ((2, None), [3]),
]


def show(x):
    return repr(x)


@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_like_keras(structure):
    ref = keras.tree
    assert tree.flatten(structure) == ref.flatten(structure)
    assert tree.is_nested(structure) == ref.is_nested(structure)
    assert show(tree.flatten_with_path(structure)) == show(ref.flatten_with_path(structure))
    assert show(tree.map_structure(show, structure)) == show(ref.map_structure(show, structure))
    assert tree.lists_to_tuples(structure) == ref.lists_to_tuples(structure)
    assert show(tree.map_shape_structure(show, structure)) == show(ref.map_shape_structure(show, structure))
    leaves = list(range(len(tree.flatten(structure))))
    assert show(tree.pack_sequence_as(structure, leaves)) == show(ref.pack_sequence_as(structure, leaves))
    for top_down in (True, False):
        for k, calls in ((tree, ours := []), (ref, theirs := [])):

            def visit(x):
                calls.append(repr(x))  # noqa: B023
                return k.MAP_TO_NONE if x == 2 else -1 if x == (2,) else None  # noqa: B023

            calls.append(repr(k.traverse(visit, structure, top_down=top_down)))
        assert ours == theirs


@pytest.mark.parametrize("a", STRUCTURES, ids=repr)
def test_comparisons_like_keras(a):
    def outcome(function, *args):
        try:
            return repr(function(*args))
        except (ValueError, TypeError):
            return "refused"

    for b in STRUCTURES:
        for name in ("assert_same_structure", "assert_same_paths"):
            assert outcome(getattr(tree, name), a, b) == outcome(getattr(keras.tree, name), a, b), (name, b)
        for name, args in (("map_structure", (show_two, a, b)), ("map_structure_up_to", (a, show, b))):
            if name == "map_structure_up_to" and None in tree.flatten(a):
                continue  # Keras refuses, against its own documentation
            assert outcome(getattr(tree, name), *args) == outcome(getattr(keras.tree, name), *args), (name, b)


def show_two(x, y):
    return f"{x},{y}"


def test_errors():
    for sequence in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match="leaves"):
            tree.pack_sequence_as([0, 0], sequence)
    with pytest.raises(TypeError):
        tree.pack_sequence_as([0], 1)
    with pytest.raises(TypeError):
        tree.map_structure("f", [0])
    with pytest.raises(ValueError):
        tree.map_structure(print)
    assert tree.map_structure(np.shape, [None, 1], none_is_leaf=False) == [None, ()]
