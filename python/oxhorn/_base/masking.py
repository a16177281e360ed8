"""Masks travel with tensors: an eager, traced or symbolic tensor has at most one.

A `KerasTensor` holds its mask as an attribute. Engine tensors have no attributes: theirs are in a table
that forgets an entry when its tensor dies.
"""

import weakref

from oxhorn import _core
from oxhorn._base.keras_tensor import KerasTensor

# id(tensor) -> (weak reference to the tensor, mask)
_masks = {}


def set_keras_mask(x, mask):
    """Gives the tensor a mask; None takes it away."""
    if isinstance(x, KerasTensor):
        x._keras_mask = mask
    elif mask is None:
        _masks.pop(id(x), None)
    else:
        key = id(x)
        _masks[key] = (weakref.ref(x, lambda ref: _forget(key, ref)), mask)


def _forget(key, ref):
    entry = _masks.get(key)
    if entry is not None and entry[0] is ref:
        del _masks[key]


def get_keras_mask(x):
    """The tensor's mask, or None."""
    if isinstance(x, KerasTensor):
        return getattr(x, "_keras_mask", None)
    if _masks:
        entry = _masks.get(id(x))
        if entry is not None and entry[0]() is x:
            return entry[1]
    return None


# Keras's guides look at masks as `layer(x)._keras_mask`.
_core.Tensor._keras_mask = property(get_keras_mask, set_keras_mask)
