"""Penalties on weights and outputs."""

from oxhorn._base import lookup
from oxhorn.regularizers.regularizers import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

l1 = L1
l1_l2 = L1L2
l2 = L2
orthogonal_regularizer = OrthogonalRegularizer

_TABLE = lookup.name_table([Regularizer, L1, L2, L1L2, OrthogonalRegularizer], {"l1_l2": L1L2})


def serialize(regularizer):
    """The configuration of a regularizer as a dict."""
    return lookup.serialize(regularizer)


def deserialize(config, custom_objects=None):
    """The regularizer that `serialize` described."""
    return lookup.deserialize(config, _TABLE, custom_objects)


def get(identifier):
    """A regularizer from its name, its serialized form, a class or a callable.

    Raises ValueError for anything else; None gives None.
    """
    return lookup.interpret(identifier, _TABLE, "regularizer")
