"""Into and out of tensors, and between dtypes."""

from oxhorn import _core
from oxhorn._base import convert
from oxhorn._base.convert import is_tensor  # noqa: F401  (public here)
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import FLOATS, limits, promote


def _convert_spec(x, dtype=None, sparse=None, ragged=None):
    # A symbolic tensor may be marked as sparse or ragged; asking for False unmarks it.
    marks = {"sparse": x.sparse and sparse is not False, "ragged": x.ragged and ragged is not False}
    return KerasTensor(x.shape, dtype=dtype or x.dtype, **marks)


@op(spec=_convert_spec)
def _convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    return convert.convert_to_tensor(x, dtype, sparse, ragged)


def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    """`x` as a tensor.

    Args:
        x: tensor, variable, NumPy array, Python number, or nested list of these. Python floats become
            `floatx()`, ints int32; arrays keep their dtype.
        dtype: to cast to.
        sparse, ragged: True is refused: there are only dense tensors.
    """
    dtype = None if dtype is None else standardize_dtype(dtype)
    if isinstance(x, KerasTensor):
        return _convert_to_tensor(x, dtype=dtype, sparse=sparse, ragged=ragged)
    return convert.convert_to_tensor(x, dtype, sparse, ragged)


def convert_to_numpy(x):
    """`x` as a NumPy array.

    Raises:
        TypeError: inside a compiled function, where tensors have no values yet.
        ValueError: for a symbolic tensor.
    """
    return convert.convert_to_numpy(x)


def _cast_spec(x, dtype):
    return KerasTensor(x.shape, dtype=dtype)


@op(spec=_cast_spec)
def _cast(x, dtype):
    return convert.convert_to_tensor(x, dtype)


def cast(x, dtype):
    """`x` in another dtype. Floats are cut toward zero on the way to integers."""
    dtype = standardize_dtype(dtype)
    if isinstance(x, KerasTensor):
        return _cast(x, dtype)
    return convert.convert_to_tensor(x, dtype)


@op
def saturate_cast(x, dtype):
    """`x` in another dtype, numbers beyond its range becoming its limits."""
    import numpy as np

    dtype, x = standardize_dtype(dtype), convert.convert_to_tensor(x)
    (in_low, in_high), (out_low, out_high) = limits(x.dtype), limits(dtype)
    low, high = max(in_low, out_low), min(in_high, out_high)
    if x.dtype in FLOATS and dtype not in FLOATS:
        # The nearest numbers of x's dtype that are not beyond the limits.
        kind = np.dtype(x.dtype if x.dtype != "bfloat16" else "float32").type
        low = kind(low) if kind(low) >= low else np.nextafter(kind(low), kind(0))
        high = kind(high) if kind(high) <= high else np.nextafter(kind(high), kind(0))
        if x.dtype == "bfloat16":  # toward zero
            high = (np.float32(high).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        low, high = float(low), float(high)
    if x.dtype == "bool":
        return _core.cast(x, dtype)
    for name, limit, of_input in (("maximum", low, in_low), ("minimum", high, in_high)):
        if limit != of_input:
            x = _core.elementwise(name, *promote(x, limit))
    return _core.cast(x, dtype)


def dtype(x):
    """The name of the dtype of a tensor."""
    return standardize_dtype(x.dtype)


def shape(x):
    """The shape as a tuple of ints; unknown dimensions of a symbolic tensor are None."""
    if hasattr(x, "shape"):
        return tuple(x.shape)
    return convert.convert_to_tensor(x).shape


@op(tensors=("variable",))
def stop_gradient(variable):
    """The same values, through which no gradient flows."""
    return _core.elementwise("stop_gradient", convert.convert_to_tensor(variable))
