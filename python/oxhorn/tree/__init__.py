"""Nested structures of lists, tuples, named tuples, dicts and deques, and functions over their leaves.

Dicts are visited in the order of their sorted keys (in insertion order where keys cannot be sorted),
`OrderedDict`s in their own order. `None` is a leaf. Subclasses of list and dict are leaves unless they
were registered.
"""

from oxhorn.tree.compare import assert_same_paths, assert_same_structure
from oxhorn.tree.mapping import (
    MAP_TO_NONE,
    lists_to_tuples,
    map_shape_structure,
    map_structure,
    map_structure_up_to,
    traverse,
)
from oxhorn.tree.structure import (
    flatten,
    flatten_with_path,
    is_nested,
    pack_sequence_as,
    register_tree_node_class,
)
