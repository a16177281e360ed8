"""Reductions, running totals and statistics."""

import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.op import op
from oxhorn.ops._common import (
    FLOATS,
    binary,
    canonical_axes,
    canonical_axis,
    dtype_of,
    join_dtypes,
    like_rank,
    reduce_count,
    take_slice,
    to_dtype,
    to_float,
    unary,
    where,
)
from oxhorn.ops._shapes import inferring, unify, unify_broadcast


def _reduce(kind, x, axis, keepdims):
    return _core.reduce(kind, x, canonical_axes(axis, x.ndim), bool(keepdims))


def _accumulator(dtype):
    """The dtype in which integers are added up: 32 bits at least."""
    if dtype in ("uint8", "uint16"):
        return "uint32"
    return "int32" if dtype in ("bool", "int8", "int16") else dtype


def _total(kind, x, axis, keepdims, dtype=None):
    x = convert_to_tensor(x)
    return _reduce(kind, to_dtype(x, dtype or _accumulator(x.dtype)), axis, keepdims)


@op
def sum(x, axis=None, keepdims=False):
    """The sum over `axis` (all axes if None). Small integers and booleans are added up in 32 bits."""
    return _total("sum", x, axis, keepdims)


@op
def prod(x, axis=None, keepdims=False, dtype=None):
    """The product over `axis` (all axes if None). Small integers are multiplied in 32 bits."""
    return _total("prod", x, axis, keepdims, dtype and standardize_dtype(dtype))


@op
def mean(x, axis=None, keepdims=False):
    """The mean over `axis` (all axes if None). Halves are averaged in float32; integers give floats."""
    x = convert_to_tensor(x)
    compute = join_dtypes(x.dtype, "float32")
    axes = canonical_axes(axis, x.ndim)
    total = _core.reduce("sum", to_dtype(x, compute), axes, bool(keepdims))
    result = total / reduce_count(x.shape, axes) if reduce_count(x.shape, axes) else total / 0.0
    return to_dtype(result, x.dtype if x.dtype in FLOATS else compute)


@op
def var(x, axis=None, keepdims=False):
    """The variance over `axis` (all axes if None), divided by the number of elements."""
    x = convert_to_tensor(x)
    compute = to_dtype(x, join_dtypes(x.dtype, "float32"))
    deviation = compute - mean(compute, axis, keepdims=True)
    return to_dtype(mean(unary("square", deviation), axis, keepdims), join_dtypes(x.dtype, float))


@op
def std(x, axis=None, keepdims=False):
    """The standard deviation: the square root of `var`."""
    return unary("sqrt", var(x, axis, keepdims))


@op
def max(x, axis=None, keepdims=False, initial=None):
    """The largest element over `axis` (all axes if None); at least `initial`."""
    return _extremum("max", x, axis, keepdims, initial)


@op
def min(x, axis=None, keepdims=False, initial=None):
    """The smallest element over `axis` (all axes if None); at most `initial`."""
    return _extremum("min", x, axis, keepdims, initial)


def _extremum(kind, x, axis, keepdims, initial=None):
    x = convert_to_tensor(x)
    if x.dtype == "bool":
        return _reduce("any" if kind == "max" else "all", x, axis, keepdims)
    axes = canonical_axes(axis, x.ndim)
    if initial is None:
        return _core.reduce(kind, x, axes, bool(keepdims))
    if not reduce_count(x.shape, axes):
        shape = [1 if a in axes else d for a, d in enumerate(x.shape) if keepdims or a not in axes]
        return _core.broadcast_to(to_dtype(initial, x.dtype), shape)
    return binary(f"{kind}imum", _core.reduce(kind, x, axes, bool(keepdims)), initial)


@op
def amax(x, axis=None, keepdims=False):
    """The largest element over `axis` (all axes if None)."""
    return _extremum("max", x, axis, keepdims)


@op
def amin(x, axis=None, keepdims=False):
    """The smallest element over `axis` (all axes if None)."""
    return _extremum("min", x, axis, keepdims)


@op
def ptp(x, axis=None, keepdims=False):
    """The range: `max - min`."""
    x = convert_to_tensor(x)
    return _extremum("max", x, axis, keepdims) - _extremum("min", x, axis, keepdims)


@op
def all(x, axis=None, keepdims=False):
    """Whether all elements over `axis` are true (not zero)."""
    return _reduce("all", to_dtype(x, "bool"), axis, keepdims)


@op
def any(x, axis=None, keepdims=False):
    """Whether an element over `axis` is true (not zero)."""
    return _reduce("any", to_dtype(x, "bool"), axis, keepdims)


@op
def count_nonzero(x, axis=None):
    """How many elements over `axis` are not zero; int32."""
    return _reduce("sum", _core.cast(to_dtype(x, "bool"), "int32"), axis, False)


@op
def argmax(x, axis=None, keepdims=False):
    """The int32 index of the first largest element along `axis` (of the flattened x if None)."""
    return _arg_reduce("argmax", x, axis, keepdims)


@op
def argmin(x, axis=None, keepdims=False):
    """The int32 index of the first smallest element along `axis` (of the flattened x if None)."""
    return _arg_reduce("argmin", x, axis, keepdims)


def _arg_reduce(kind, x, axis, keepdims):
    x = convert_to_tensor(x)
    if x.dtype == "bool":
        x = _core.cast(x, "int32")
    if axis is None:
        result = _core.arg_reduce(kind, _core.reshape(x, (-1,)), 0)
        return _core.reshape(result, (1,) * x.ndim) if keepdims else result
    return _core.arg_reduce(kind, x, canonical_axis(axis, x.ndim), bool(keepdims))


def _fill_average(arguments):
    x, weights, axis = arguments["x"], arguments["weights"], arguments["axis"]
    if weights is not None:
        if len(weights.shape) == len(x.shape):
            arguments["x"], arguments["weights"] = unify_broadcast([x, weights])
        elif isinstance(axis, int):
            arguments["x"], arguments["weights"] = unify([x, weights], [[(0, axis), (1, 0)]])


@inferring(_fill_average, tensors=("weights",))
def average(x, axis=None, weights=None):
    """The mean over `axis`, weighted.

    Args:
        weights: of the shape of x, or a vector along `axis`. None: all one.
    """
    x = convert_to_tensor(x)
    if weights is None:
        return mean(to_dtype(x, join_dtypes(x.dtype, float)), axis)
    dtype = join_dtypes(x.dtype, dtype_of(weights), float)
    x, weights = to_dtype(x, dtype), to_dtype(weights, dtype)
    if weights.shape != x.shape:
        if not isinstance(axis, int):
            raise ValueError("average: weights of another shape than x need an integer axis.")
        if weights.shape != (x.shape[axis],):
            raise ValueError(
                f"average: expected weights of length {x.shape[axis]}, got shape {weights.shape}"
            )
        weights = like_rank(weights, x.ndim, axis)
    weights = _core.broadcast_to(weights, x.shape)
    return _reduce("sum", x * weights, axis, False) / _reduce("sum", weights, axis, False)


@op
def cumsum(x, axis=None, dtype=None):
    """Running sums along `axis` (of the flattened x if None)."""
    return _cumulative("sum", x, axis, dtype)


@op
def cumprod(x, axis=None, dtype=None):
    """Running products along `axis` (of the flattened x if None)."""
    return _cumulative("prod", x, axis, dtype)


def _cumulative(kind, x, axis, dtype):
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = _core.reshape(x, (-1,)), 0
    dtype = standardize_dtype(dtype) if dtype else "int32" if x.dtype == "bool" else x.dtype
    (axis,) = canonical_axes(axis, x.ndim)
    return _core.cumulative(kind, to_dtype(x, dtype), axis)


def _rows(x, axis):
    """x with the reduced axes joined as its last, and the shape that `keepdims` gives."""
    axes = canonical_axes(axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    shape = [1 if a in axes else d for a, d in enumerate(x.shape)]
    rows = _core.transpose(x, (*kept, *axes)) if x.ndim else x
    return _core.reshape(rows, (*(x.shape[a] for a in kept), reduce_count(x.shape, axes))), shape


def _interpolated(rows, count, q, method):
    """Quantile q (a scalar tensor) of each sorted row, of which the first `count` elements count."""
    place = (count - 1) * q
    low, high = _core.elementwise("floor", place), _core.elementwise("ceil", place)
    if method == "nearest":
        low = high = _core.elementwise("round", place)
    elif method == "lower":
        high = low
    elif method == "higher":
        low = high
    index = [_core.cast(_core.elementwise("maximum", i, 0), "int32") for i in (low, high)]
    below, above = (_core.take_along_axis(rows, _last_index(i, rows), rows.ndim - 1)[..., 0] for i in index)
    if method == "midpoint":
        return (below + above) * 0.5
    if method != "linear":
        return below
    weight = to_dtype(place - low, rows.dtype)
    return below * (1 - weight) + above * weight


def _last_index(i, rows):
    i = _core.broadcast_to(i, rows.shape[:-1])
    return _core.reshape(i, (*i.shape, 1))


def _quantile(x, q, axis, method, keepdims, skip_nan=False):
    if method not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise ValueError(
            "Invalid quantile method. Expected 'linear', 'lower', 'higher', 'midpoint' or 'nearest'. "
            f"Received: method={method}"
        )
    dtype = (
        join_dtypes(dtype_of(x), dtype_of(q), float)
        if type(q) is not float
        else join_dtypes(dtype_of(x), float)
    )
    x, q = to_dtype(x, dtype), to_dtype(q, "float64" if dtype == "float64" else "float32")
    rows, shape = _rows(x, axis)
    nan = unary("isnan", rows)
    count = _core.reduce("sum", _core.cast(_core.elementwise("logical_not", nan), q.dtype), (rows.ndim - 1,))
    missing = _core.reduce("any", nan, (rows.ndim - 1,))
    # NaNs go last, where no index below `count` reaches them.
    rows = _core.sort(where(nan, math.inf, rows), rows.ndim - 1)[0]
    if not skip_nan:
        count = _core.full(count.shape, rows.shape[-1], q.dtype)
    else:
        missing = count == 0

    def one(value):
        result = where(missing, math.nan, _interpolated(rows, count, value, method))
        return _core.reshape(result, shape) if keepdims else result

    if not q.ndim:
        return one(q)
    flat = _core.reshape(q, (-1,))
    parts = [one(flat[i]) for i in range(flat.shape[0])]
    parts = _core.concat([_core.reshape(p, (1, *p.shape)) for p in parts], 0)
    return _core.reshape(parts, (*q.shape, *parts.shape[1:]))


@op(tensors=("x", "q"))
def quantile(x, q, axis=None, method="linear", keepdims=False):
    """The q-quantiles over `axis` (all axes if None).

    Args:
        q: a number in [0, 1], or a tensor of them, whose shape comes first in the result's.
        method: "linear", "lower", "higher", "midpoint" or "nearest": between two elements.
    """
    return _quantile(x, q, axis, method, keepdims)


@op(tensors=("x", "q"))
def percentile(x, q, axis=None, method="linear", keepdims=False):
    """The q-th percentiles over `axis`: quantiles at q / 100."""
    return _quantile(x, _hundredth(x, q), axis, method, keepdims)


def _hundredth(x, q):
    dtype = (
        join_dtypes(dtype_of(x), float)
        if type(q) in (int, float)
        else join_dtypes(dtype_of(x), dtype_of(q), float)
    )
    return to_dtype(q, dtype) / 100


@op
def median(x, axis=None, keepdims=False):
    """The median over `axis` (all axes if None)."""
    return _quantile(x, 0.5, axis, "linear", keepdims)


def _without_nan(x, value):
    """x as a tensor with its NaNs replaced."""
    x = convert_to_tensor(x)
    return where(unary("isnan", x), value, x) if x.dtype in FLOATS else x


def _is_number(x):
    return _core.elementwise("logical_not", unary("isnan", x))


@op
def nansum(x, axis=None, keepdims=False):
    """`sum` with NaN counted as 0."""
    return sum(_without_nan(x, 0.0), axis, keepdims)


@op
def nanprod(x, axis=None, keepdims=False):
    """`prod` with NaN counted as 1."""
    return prod(_without_nan(x, 1.0), axis, keepdims)


@op
def nancumsum(x, axis=None, dtype=None):
    """`cumsum` with NaN counted as 0."""
    return cumsum(_without_nan(x, 0.0), axis, dtype)


@op
def nancumprod(x, axis=None, dtype=None):
    """`cumprod` with NaN counted as 1."""
    return cumprod(_without_nan(x, 1.0), axis, dtype)


@op
def nanmax(x, axis=None, keepdims=False):
    """`max` of the elements that are not NaN; NaN if there are none."""
    return _nan_extremum("max", x, axis, keepdims)


@op
def nanmin(x, axis=None, keepdims=False):
    """`min` of the elements that are not NaN; NaN if there are none."""
    return _nan_extremum("min", x, axis, keepdims)


def _nan_extremum(kind, x, axis, keepdims):
    x = convert_to_tensor(x)
    result = _extremum(kind, _without_nan(x, -math.inf if kind == "max" else math.inf), axis, keepdims)
    if x.dtype not in FLOATS:
        return result
    return where(_reduce("any", _is_number(x), axis, keepdims), result, math.nan)


@op
def nanargmax(x, axis=None, keepdims=False):
    """`argmax` of the elements that are not NaN; -1 if there are none."""
    return _nan_arg("argmax", x, axis, keepdims, -math.inf)


@op
def nanargmin(x, axis=None, keepdims=False):
    """`argmin` of the elements that are not NaN; -1 if there are none."""
    return _nan_arg("argmin", x, axis, keepdims, math.inf)


def _nan_arg(kind, x, axis, keepdims, value):
    x = convert_to_tensor(x)
    result = _arg_reduce(kind, _without_nan(x, value), axis, keepdims)
    if x.dtype not in FLOATS:
        return result
    return where(_reduce("any", _is_number(x), axis, keepdims), result, -1)


@op
def nanmean(x, axis=None, keepdims=False):
    """`mean` of the elements that are not NaN."""
    x = to_float(x)
    compute = to_dtype(x, join_dtypes(x.dtype, "float32"))
    count = _reduce("sum", _core.cast(_is_number(x), compute.dtype), axis, keepdims)
    return to_dtype(_reduce("sum", _without_nan(compute, 0.0), axis, keepdims) / count, x.dtype)


@op
def nanvar(x, axis=None, keepdims=False):
    """`var` of the elements that are not NaN."""
    x = to_float(x)
    compute = to_dtype(x, join_dtypes(x.dtype, "float32"))
    return to_dtype(nanmean(unary("square", compute - nanmean(compute, axis, True)), axis, keepdims), x.dtype)


@op
def nanstd(x, axis=None, keepdims=False):
    """`std` of the elements that are not NaN."""
    return unary("sqrt", nanvar(x, axis, keepdims))


@op
def nanmedian(x, axis=None, keepdims=False):
    """`median` of the elements that are not NaN."""
    return _quantile(x, 0.5, axis, "linear", keepdims, skip_nan=True)


@op(tensors=("x", "q"))
def nanquantile(x, q, axis=None, method="linear", keepdims=False):
    """`quantile` of the elements that are not NaN."""
    return _quantile(x, q, axis, method, keepdims, skip_nan=True)


@op(tensors=("x", "q"))
def nanpercentile(x, q, axis=None, method="linear", keepdims=False):
    """`percentile` of the elements that are not NaN."""
    return _quantile(x, _hundredth(x, q), axis, method, keepdims, skip_nan=True)


@op
def corrcoef(x):
    """Correlation coefficients of the rows of x (variables) over its columns (observations)."""
    x = to_float(x)
    rows = _core.reshape(x, (1, -1)) if x.ndim < 2 else x
    rows = rows - mean(rows, 1, keepdims=True)
    covariance = _core.matmul(rows, rows, False, True)
    n = rows.shape[0]
    scale = unary("rsqrt", _core.reduce("sum", unary("square", rows), (1,)))
    result = covariance * _core.reshape(scale, (n, 1)) * scale
    result = binary("maximum", binary("minimum", result, 1.0), -1.0)
    return result if x.ndim > 1 else _core.reshape(result, ())


@op(tensors=("y",))
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral of y along `axis` by the trapezoid rule.

    Args:
        x: where the samples lie: a vector, or of the shape of y. None: `dx` apart.
    """
    dtype = join_dtypes(dtype_of(y), *(() if x is None else (dtype_of(x),)), float)
    y = to_dtype(y, dtype)
    axis = canonical_axis(axis, y.ndim)
    if x is not None:
        x = to_dtype(x, dtype)
        dx = take_slice(x, -1 if x.ndim == 1 else axis, 1) - take_slice(
            x, -1 if x.ndim == 1 else axis, None, -1
        )
        dx = like_rank(dx, y.ndim, axis) if x.ndim == 1 else dx
    else:
        dx = to_dtype(dx, dtype)
    pairs = take_slice(y, axis, 1) + take_slice(y, axis, None, -1)
    return _core.reduce("sum", pairs * dx * 0.5, (axis,))
