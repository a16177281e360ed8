"""Tensors from shapes and numbers."""

import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.op import op
from oxhorn._base.settings import floatx
from oxhorn.ops._common import (
    FLOATS,
    dtype_of,
    join_dtypes,
    like_rank,
    move_axis,
    nested_shape,
    static_value,
    to_dtype,
)
from oxhorn.ops._shapes import broadcasting


def zeros(shape, dtype=None):
    """A tensor of zeros (`floatx()` by default)."""
    return full(shape, 0, dtype)


def ones(shape, dtype=None):
    """A tensor of ones (`floatx()` by default)."""
    return full(shape, 1, dtype)


def empty(shape, dtype=None):
    """A tensor whose values do not matter: zeros."""
    return full(shape, 0, dtype)


@op(tensors=("fill_value",))
def full(shape, fill_value, dtype=None):
    """A tensor of `fill_value`, a number or a tensor that broadcasts (`floatx()` by default)."""
    shape, dtype = nested_shape(shape), standardize_dtype(dtype)
    if type(fill_value) in (bool, int, float):
        return _core.full(shape, fill_value, dtype)
    return _core.broadcast_to(to_dtype(fill_value, dtype), shape)


@op
def zeros_like(x, dtype=None):
    """Zeros in the shape of x, and its dtype by default."""
    return full_like(x, 0, dtype)


@op
def ones_like(x, dtype=None):
    """Ones in the shape of x, and its dtype by default."""
    return full_like(x, 1, dtype)


@op
def empty_like(x, dtype=None):
    """Zeros in the shape of x, and its dtype by default."""
    return full_like(x, 0, dtype)


@op(tensors=("x", "fill_value"))
def full_like(x, fill_value, dtype=None):
    """`fill_value` in the shape of x, and its dtype by default."""
    x = convert_to_tensor(x)
    return full(x.shape, fill_value, dtype or x.dtype)


@op
def array(x, dtype=None):
    """x as a tensor."""
    return convert_to_tensor(x, dtype=dtype and standardize_dtype(dtype))


@op(tensors=("start", "stop", "step"))
def arange(start, stop=None, step=None, dtype=None):
    """start, start + step, ... up to but without stop; from 0 when only one number is given.

    The numbers decide the length, so they must be concrete. The dtype is theirs by default.
    """
    if dtype is None:
        dtype = join_dtypes(*(dtype_of(v) for v in (start, stop, step) if v is not None))
    dtype = standardize_dtype(dtype)
    if stop is None:
        start, stop = 0, start
    start, stop, step = (static_value(1 if v is None else v, "arange").item() for v in (start, stop, step))
    length = max(0, math.ceil((stop - start) / step))
    steps = _core.iota((length,), 0, dtype if dtype in FLOATS or dtype == "int64" else "int32")
    if step != 1:
        steps = steps * step
    return to_dtype(steps + start if start else steps, dtype)


@broadcasting(tensors=("start", "stop"))
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` evenly spaced numbers from start to stop (without it if not `endpoint`).

    start and stop may be tensors; the numbers then lie along the new axis `axis`. With `retstep`
    returns `(numbers, step)`.
    """
    compute = join_dtypes(dtype_of(start), dtype_of(stop), float)
    start, stop = to_dtype(start, compute), to_dtype(stop, compute)
    intervals = num - 1 if endpoint else num
    shape = _core.elementwise("add", start, stop).shape
    start, stop = _core.broadcast_to(start, shape), _core.broadcast_to(stop, shape)
    step = (stop - start) / intervals if intervals > 0 else _core.full(shape, math.nan, compute)
    t = _core.iota((num,), 0, "float64" if compute == "float64" else "float32") / max(intervals, 1)
    t = to_dtype(like_rank(t, len(shape) + 1, 0), compute)
    start, stop = (_core.reshape(v, (1, *shape)) for v in (start, stop))
    result = move_axis(start * (1 - t) + stop * t, 0, axis)
    dtype = compute if dtype is None else standardize_dtype(dtype)
    if dtype not in FLOATS:
        result = _core.elementwise("floor", result)
    result = to_dtype(result, dtype)
    return (result, step) if retstep else result


@broadcasting(tensors=("start", "stop"))
def logspace(start, stop, num=50, endpoint=True, base=10, dtype=None, axis=0):
    """`base` to the powers `linspace(start, stop, ...)`."""
    exponents = linspace(start, stop, num=num, endpoint=endpoint, axis=axis)
    result = _core.elementwise("power", float(base), exponents)
    return to_dtype(result, result.dtype if dtype is None else standardize_dtype(dtype))


@broadcasting(tensors=("start", "stop"))
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from start to stop, each the same multiple of the one before.

    start and stop must have the same sign.
    """
    compute = join_dtypes(dtype_of(start), dtype_of(stop), float)
    start, stop = to_dtype(start, compute), to_dtype(stop, compute)
    sign = _core.elementwise("sign", start)
    logs = [_core.elementwise("log", _core.elementwise("abs", v)) for v in (start, stop)]
    result = _core.elementwise("exp", linspace(*logs, num=num, endpoint=endpoint, axis=axis))
    if sign.ndim:
        sign = move_axis(_core.reshape(sign, (1, *sign.shape)), 0, axis)
    return to_dtype(result * sign, compute if dtype is None else standardize_dtype(dtype))


def eye(N, M=None, k=0, dtype=None):
    """An N x M matrix (M = N by default) with ones on the k-th diagonal.

    Raises:
        TypeError: if N or M is not an integer.
    """
    for name, value in (("N", N), ("M", M)):
        if type(value) is float or getattr(value, "dtype", None) in FLOATS:
            raise TypeError(f"Argument `{name}` must be an integer or an integer tensor.")
    column, row = _grid(N, M)
    return _core.cast(column - row == k, standardize_dtype(dtype))


def identity(n, dtype=None):
    """The n x n identity matrix."""
    return eye(n, dtype=dtype)


def tri(N, M=None, k=0, dtype=None):
    """An N x M matrix with ones on and below the k-th diagonal."""
    column, row = _grid(N, M)
    return _core.cast(column - row <= k, standardize_dtype(dtype))


def _grid(rows, columns):
    rows = int(rows)
    shape = (rows, rows if columns is None else int(columns))
    return _core.iota(shape, 1, "int32"), _core.iota(shape, 0, "int32")


def _window(x, function):
    n = int(static_value(x, "x"))
    if n <= 1:
        return _core.full((max(n, 0),), 1, floatx())
    return _core.cast(function(_core.iota((n,), 0, "float32"), n - 1), floatx())


def _cosines(*coefficients):
    def function(i, last):
        terms = (
            a * _core.elementwise("cos", i * (2 * math.pi * k / last)) if k else a
            for k, a in enumerate(coefficients)
        )
        return sum(terms)

    return function


@op
def bartlett(x):
    """The triangular window of x samples."""
    return _window(x, lambda i, last: 1 - _core.elementwise("abs", i * (2 / last) - 1))


@op
def blackman(x):
    """The Blackman window of x samples."""
    return _window(x, _cosines(0.42, -0.5, 0.08))


@op
def hamming(x):
    """The Hamming window of x samples."""
    return _window(x, _cosines(0.54, -0.46))


@op
def hanning(x):
    """The Hann window of x samples."""
    return _window(x, _cosines(0.5, -0.5))


@op(tensors=("x", "beta"))
def kaiser(x, beta):
    """The Kaiser window of x samples with shape parameter beta."""
    from oxhorn.ops.numpy.elementwise import i0

    beta = to_dtype(beta, "float32")

    def function(i, last):
        t = i * (2 / last) - 1
        return i0(beta * _core.elementwise("sqrt", _core.elementwise("maximum", 1 - t * t, 0))) / i0(beta)

    return _window(x, function)


@op(tensors=("x",))
def meshgrid(*x, indexing="xy"):
    """Coordinate grids from vectors: a list of tensors, one per vector, each of the shape of the grid.

    With indexing "xy" the first two axes are swapped, as of images; with "ij" they are not.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Valid values for `indexing` are 'xy' and 'ij'. Received: indexing={indexing}")
    x = [convert_to_tensor(v) for v in x]
    x = [_core.reshape(v, (-1,)) for v in x]
    order = list(range(len(x)))
    if indexing == "xy" and len(x) > 1:
        order[:2] = [1, 0]
    shape = [x[i].shape[0] for i in order]
    return [_core.broadcast_to(like_rank(v, len(x), order[i]), shape) for i, v in enumerate(x)]
