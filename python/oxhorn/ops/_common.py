"""What the bodies of ops share: conversion, promotion, axes."""

import math
from functools import lru_cache

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.dtypes import FLOAT_TYPES, result_type
from oxhorn._base.settings import floatx

Tensor = _core.Tensor
FLOATS = frozenset(FLOAT_TYPES)
HALVES = ("float16", "bfloat16")
_SCALARS = (bool, int, float)


@lru_cache(1024)
def _join(dtypes, _floatx):
    dtype = result_type(*dtypes)
    # As under JAX, 32-bit operands never make a 64-bit result (uint32 with int8).
    return "int32" if dtype == "int64" and "int64" not in dtypes else dtype


def join_dtypes(*dtypes):
    """The dtype that operands of these dtypes promote to; `int` and `float` stand for Python scalars."""
    return _join(dtypes, floatx())


def dtype_of(x):
    """The dtype name of a tensor, a variable or a symbolic tensor; the Python type of a scalar."""
    if type(x) in _SCALARS:
        return "bool" if type(x) is bool else type(x)
    dtype = getattr(x, "dtype", None)
    if type(dtype) is str:
        return dtype
    return convert_to_tensor(x).dtype


def to_dtype(x, dtype):
    """`x` as a tensor of `dtype`."""
    if type(x) in _SCALARS:
        return _core.tensor(x, dtype)
    x = convert_to_tensor(x)
    return x if x.dtype == dtype else _core.cast(x, dtype)


def promote(*xs, also=()):
    """The operands in their common dtype (joined with those in `also`).

    Python scalars stay what they are when there is a tensor of that dtype, whose dtype they take. NumPy's
    float64 numbers and arrays are treated like them beside a tensor: in `x / np.sqrt(d)`, float64 is nobody's
    choice.
    """
    if any(_is_float64_of_numpy(x) for x in xs) and any(
        type(x) is Tensor or hasattr(x, "__oxhorn_tensor__") for x in xs
    ):
        xs = [_in_dtype_of_tensors(x, xs) if _is_float64_of_numpy(x) else x for x in xs]
    xs = [x if type(x) in _SCALARS else convert_to_tensor(x) for x in xs]
    dtypes = [dtype_of(x) for x in xs]
    if not also and len(set(dtypes)) == 1 and type(dtypes[0]) is str and type(xs[0]) is not bool:
        return xs
    dtype = join_dtypes(*dtypes, *also)
    keep = dtype in dtypes and dtype != "bool"
    return [x if d == dtype or (keep and type(d) is type) else to_dtype(x, dtype) for x, d in zip(xs, dtypes)]


def _is_float64_of_numpy(x):
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype == np.float64


def _in_dtype_of_tensors(x, xs):
    """A float64 number or array in the dtype that a Python float would have among `xs`."""
    others = [float if _is_float64_of_numpy(other) else dtype_of(other) for other in xs]
    return convert_to_tensor(x, join_dtypes(*others))


def to_float(x):
    """`x` as a tensor of a float dtype: integers and booleans become `floatx()`."""
    x = convert_to_tensor(x)
    return x if x.dtype in FLOATS else _core.cast(x, floatx())


def unary(name, x):
    """Row `name` of the engine's table on `x`."""
    return _core.elementwise(name, convert_to_tensor(x))


def float_unary(name, x):
    """Row `name` on `x` as floats."""
    return _core.elementwise(name, to_float(x))


def _takes(dtype, x):
    """Whether x joins a tensor of this dtype without a change of it: the common cases, quickly."""
    kind = type(x)
    if kind is Tensor:
        return x.dtype == dtype
    return (kind is float and dtype in FLOATS) or (kind is int and dtype != "bool")


def binary(name, x1, x2):
    """Row `name` on the promoted operands."""
    if type(x1) is Tensor and _takes(x1.dtype, x2):
        return _core.elementwise(name, x1, x2)
    return _core.elementwise(name, *promote(x1, x2))


def float_binary(name, x1, x2):
    """Row `name` on the operands promoted to a common float dtype."""
    return _core.elementwise(name, *promote(x1, x2, also=(float,)))


def where(condition, x1, x2):
    """Element-wise choice, with promotion; `condition` is a bool tensor."""
    return _core.elementwise("where", condition, *promote(x1, x2))


def is_integer(value):
    """Whether it is one integer: an int, or a NumPy or tensor scalar."""
    return isinstance(value, int) or (hasattr(value, "__index__") and getattr(value, "shape", ()) == ())


def canonical_axis(axis, rank):
    """`axis` counted from the front; ValueError when out of range."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of bounds for a tensor of rank {rank}")
    return axis % rank if rank else 0


def canonical_axes(axis, rank):
    """`axis` (None for all, an int, or several) as a tuple of distinct axes counted from the front."""
    if axis is None:
        return tuple(range(rank))
    axes = (axis,) if is_integer(axis) else tuple(axis)
    axes = tuple(canonical_axis(int(a), rank) for a in axes)
    if len(set(axes)) != len(axes):
        raise ValueError(f"Duplicate axes: {axis}")
    return axes


def take_slice(x, axis, start=None, stop=None, step=None):
    """`x[..., start:stop:step, ...]` on one axis."""
    axis = canonical_axis(axis, x.ndim)
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def expand(x, axis):
    """`x` with a new axis of length 1 before position `axis` of the result."""
    shape = list(x.shape)
    shape.insert(axis if axis >= 0 else axis + x.ndim + 1, 1)
    return _core.reshape(x, shape)


def move_axis(x, source, destination):
    """`x` with one axis moved."""
    order = [a for a in range(x.ndim) if a != source % x.ndim]
    order.insert(destination % x.ndim, source % x.ndim)
    return x if order == sorted(order) else _core.transpose(x, order)


def like_rank(v, rank, axis):
    """The vector `v` reshaped to lie along `axis` of a tensor of that rank."""
    shape = [1] * rank
    shape[axis] = -1
    return _core.reshape(v, shape)


def reduce_count(shape, axes):
    """How many elements a reduction over `axes` joins."""
    return math.prod(shape[a] for a in axes)


def static_value(x, name):
    """The concrete value of an argument that fixes a shape, as a NumPy array."""
    import numpy as np

    x = getattr(x, "__oxhorn_tensor__", lambda: x)()
    if isinstance(x, _core.Tensor) and x.is_traced:
        raise ValueError(f"`{name}` decides the shape of the result, so it must be a concrete value here.")
    return np.asarray(x)


def to_channels_last(x, data_format):
    """`x` with the channel axis last."""
    return move_axis(x, 1, -1) if data_format == "channels_first" else x


def from_channels_last(x, data_format):
    """The inverse of `to_channels_last`."""
    return move_axis(x, -1, 1) if data_format == "channels_first" else x


def float_max(dtype):
    """The largest finite number of a float dtype."""
    return {
        "float16": 65504.0,
        "bfloat16": 3.3895313892515355e38,
        "float32": 3.4028234663852886e38,
        "float64": 1.7976931348623157e308,
    }[dtype]


def limits(dtype):
    """The lowest and the highest finite number of a dtype."""
    if dtype in FLOATS:
        return -float_max(dtype), float_max(dtype)
    if dtype == "bool":
        return 0, 1
    bits = int(dtype.lstrip("uint"))
    return (0, 2**bits - 1) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def nested_shape(shape):
    """A shape argument as a tuple of ints."""
    if is_integer(shape):
        return (int(shape),)
    return tuple(int(d) for d in shape)
