"""Projections that weights undergo after each update."""

from oxhorn._base import lookup
from oxhorn.constraints.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_TABLE = lookup.name_table([Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm])


def serialize(constraint):
    """The configuration of a constraint as a dict."""
    return lookup.serialize(constraint)


def deserialize(config, custom_objects=None):
    """The constraint that `serialize` described."""
    return lookup.deserialize(config, _TABLE, custom_objects)


def get(identifier):
    """A constraint from its name, its serialized form, a class or a callable.

    Raises ValueError for anything else; None gives None.
    """
    return lookup.interpret(identifier, _TABLE, "constraint")
