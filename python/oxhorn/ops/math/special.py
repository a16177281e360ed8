"""Special functions, distances and selections."""

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import (
    FLOATS,
    canonical_axes,
    dtype_of,
    expand,
    float_unary,
    join_dtypes,
    limits,
    take_slice,
    to_dtype,
    to_float,
    unary,
    where,
)
from oxhorn.ops._shapes import inferring, unify, unify_broadcast


@op
def rsqrt(x):
    """1 / sqrt(x)."""
    return float_unary("rsqrt", x)


@op
def erf(x):
    """The error function."""
    return float_unary("erf", x)


@op
def erfc(x):
    """1 - erf(x), precise for large x."""
    return float_unary("erfc", x)


@op
def erfinv(x):
    """The inverse of `erf` on (-1, 1)."""
    return float_unary("erfinv", x)


@op
def logsumexp(x, axis=None, keepdims=False):
    """log(sum(exp(x))) over `axis` (all axes if None), without overflow."""
    x = to_float(x)
    axes = canonical_axes(axis, x.ndim)
    highest = _core.elementwise("stop_gradient", _core.reduce("max", x, axes, True))
    highest = where(unary("isfinite", highest), highest, 0.0)
    total = _core.reduce("sum", unary("exp", x - highest), axes, True)
    result = unary("log", total) + highest
    return result if keepdims else _core.reshape(result, [d for a, d in enumerate(x.shape) if a not in axes])


@op
def logdet(x):
    """The logarithm of the absolute value of determinants."""
    from oxhorn.ops.linalg import signed_log_determinant

    return signed_log_determinant(x)[1]


@op
def top_k(x, k, sorted=True):
    """The k largest elements of the last axis, in descending order: `(values, indices)`."""
    return _core.top_k(convert_to_tensor(x), int(k))


def _fill_first(first, second):
    """For two tensors whose first axes agree."""

    def fill(arguments):
        arguments.update(
            zip((first, second), unify([arguments[first], arguments[second]], [[(0, 0), (1, 0)]]))
        )

    return fill


@inferring(_fill_first("targets", "predictions"), tensors=("targets", "predictions"))
def in_top_k(targets, predictions, k):
    """Whether the prediction of each target is among the k largest of its row.

    Args:
        targets: class numbers, of shape `(batch,)`.
        predictions: of shape `(batch, classes)`.
    """
    targets, predictions = to_dtype(targets, "int32"), convert_to_tensor(predictions)
    chosen = _core.take_along_axis(predictions, expand(targets, -1), predictions.ndim - 1)
    if chosen.dtype in FLOATS:
        chosen = where(unary("isnan", chosen), float("-inf"), chosen)
    above = _core.reduce("sum", _core.cast(predictions > chosen, "int32"), (predictions.ndim - 1,))
    return above < k


def _fill_cdist(arguments):
    x, y = unify_broadcast([arguments["x"], arguments["y"]], skip_last=2)
    arguments["x"], arguments["y"] = unify([x, y], [[(0, -1), (1, -1)]])


@inferring(_fill_cdist, tensors=("x", "y"), class_name="CDist")
def cdist(x, y):
    """The Euclidean distances of the rows of x, `(..., n, d)`, to those of y, `(..., m, d)`."""
    dtype = join_dtypes(dtype_of(x), dtype_of(y), float)
    x, y = to_dtype(x, dtype), to_dtype(y, dtype)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError("`cdist` inputs must have rank >= 2")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError("Last dimension of inputs to `cdist` must match")
    difference = expand(x, -2) - expand(y, -3)
    return unary("sqrt", _core.reduce("sum", unary("square", difference), (difference.ndim - 1,)))


def _segment_spec(data, segment_ids, num_segments=None, sorted=False):
    _check_segments(data, segment_ids)
    return KerasTensor((num_segments, *data.shape[1:]), dtype=data.dtype)


def _check_segments(data, ids):
    if len(ids.shape) > 1:
        raise ValueError(f"Argument `segment_ids` should be an 1-D vector, got shape: {len(ids.shape)}.")
    if None not in (ids.shape[0], data.shape[0]) and ids.shape[0] != data.shape[0]:
        raise ValueError(
            "Argument `segment_ids` and `data` should have same leading dimension. "
            f"Got {ids.shape} v.s. {data.shape}."
        )


def _segment_reduction(mode, empty, data, segment_ids, num_segments):
    """`empty`: what a segment without elements holds, of a dtype."""
    data, ids = convert_to_tensor(data), to_dtype(segment_ids, "int32")
    _check_segments(data, ids)
    if num_segments is None:
        if ids.is_traced:
            raise ValueError("Argument `num_segments` must be set inside a compiled function.")
        num_segments = int(ids.numpy().max()) + 1 if ids.size else 0
    start = _core.full((num_segments, *data.shape[1:]), empty(data.dtype), data.dtype)
    # A negative id belongs to no segment; as an index it would count from the end.
    ids = where(ids < 0, num_segments, ids)
    return _core.scatter_nd(mode, start, _core.reshape(ids, (-1, 1)), data)


def _lowest(dtype):
    return float("-inf") if dtype in FLOATS else limits(dtype)[0]


def _highest(dtype):
    return float("inf") if dtype in FLOATS else limits(dtype)[1]


@op(tensors=("data", "segment_ids"), spec=_segment_spec)
def segment_sum(data, segment_ids, num_segments=None, sorted=False):
    """The sums of the slices of `data` that have one segment id.

    Args:
        segment_ids: a vector of ints, one per slice along the first axis. Those out of range are left out.
        num_segments: the number of results; the largest id + 1 by default.
        sorted: a hint that the ids ascend.
    """
    return _segment_reduction("add", lambda _: 0, data, segment_ids, num_segments)


@op(tensors=("data", "segment_ids"), spec=_segment_spec)
def segment_prod(data, segment_ids, num_segments=None, sorted=False):
    """The products of slices of one segment id; 1 for empty segments. See `segment_sum`."""
    return _segment_reduction("mul", lambda _: 1, data, segment_ids, num_segments)


@op(tensors=("data", "segment_ids"), spec=_segment_spec)
def segment_max(data, segment_ids, num_segments=None, sorted=False):
    """The largest elements of slices of one segment id; the lowest number for empty segments."""
    return _segment_reduction("max", _lowest, data, segment_ids, num_segments)


@op(tensors=("data", "segment_ids"), spec=_segment_spec)
def segment_min(data, segment_ids, num_segments=None, sorted=False):
    """The smallest elements of slices of one segment id; the highest number for empty segments."""
    return _segment_reduction("min", _highest, data, segment_ids, num_segments)


@op
def extract_sequences(x, sequence_length, sequence_stride):
    """Windows of the last axis, one every `sequence_stride`: `(..., windows, sequence_length)`."""
    x = convert_to_tensor(x)
    count = (x.shape[-1] - sequence_length) // sequence_stride + 1
    if sequence_length == sequence_stride:
        return _core.reshape(
            take_slice(x, -1, 0, count * sequence_stride), (*x.shape[:-1], count, sequence_length)
        )
    shape = (max(count, 0), sequence_length)
    index = _core.iota(shape, 0, "int32") * sequence_stride + _core.iota(shape, 1, "int32")
    return _core.gather(x, index, x.ndim - 1)


@op
def view_as_complex(x):
    """Not supported: there are no complex tensors. `fft` and others use pairs (real, imaginary)."""
    raise NotImplementedError(
        "view_as_complex: there are no complex tensors in Oxhorn; use pairs (real, imaginary)."
    )


@op
def view_as_real(x):
    """Real and imaginary parts along a new last axis; the imaginary ones are zeros, as tensors are real."""
    x = convert_to_tensor(x)
    return _core.concat([expand(x, -1), _core.full((*x.shape, 1), 0, x.dtype)], x.ndim)
