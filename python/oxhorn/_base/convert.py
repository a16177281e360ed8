"""Conversions between tensors, arrays and Python values."""

import numpy as np

from oxhorn import _core
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.settings import floatx

Tensor = _core.Tensor


def is_tensor(x):
    """Whether `x` is a concrete or traced tensor (neither a `Variable` nor a `KerasTensor`)."""
    return isinstance(x, Tensor)


def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    """`x` as a tensor, cast to `dtype` if one is given.

    Takes tensors, variables, NumPy arrays, Python scalars, nested lists, and arrays of other libraries.
    Python floats become `floatx()`, ints int32.
    """
    if sparse:
        raise ValueError("`sparse=True` is not supported with oxhorn backend")
    if ragged:
        raise ValueError("`ragged=True` is not supported with oxhorn backend")
    if dtype is not None:
        dtype = standardize_dtype(dtype)
    if not isinstance(x, Tensor):
        if hasattr(x, "__oxhorn_tensor__"):
            x = x.__oxhorn_tensor__()
        else:
            return _from_value(x, dtype)
    if dtype is None or x.dtype == dtype:
        return x
    return _core.cast(x, dtype)


def _from_value(x, dtype):
    if isinstance(x, (bool, int, float, complex, list, tuple)):
        tensor = _core.tensor(x, dtype)
        if dtype is None and tensor.dtype == "float32" and floatx() != "float32" and not _has_array(x):
            return _core.tensor(x, floatx())
        return tensor
    if not isinstance(x, (np.ndarray, np.generic)):
        if not hasattr(x, "__array__"):
            raise TypeError(f"Cannot convert an object of type {type(x)} to a tensor: {x!r}")
        x = np.asarray(x)
    return _core.tensor(x, dtype)


def _has_array(x):
    if isinstance(x, (list, tuple)):
        return any(_has_array(e) for e in x)
    return hasattr(x, "dtype")


def convert_to_numpy(x):
    """`x` as a NumPy array; TypeError for a traced or symbolic tensor."""
    if hasattr(x, "__oxhorn_tensor__"):
        x = x.__oxhorn_tensor__()
    return np.array(x)
