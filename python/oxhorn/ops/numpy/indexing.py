"""Choosing, finding and sorting elements."""

import builtins
import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import (
    canonical_axis,
    join_dtypes,
    nested_shape,
    promote,
    static_value,
    to_dtype,
)
from oxhorn.ops._common import (
    where as choose,
)
from oxhorn.ops._shapes import broadcasting, inferring, unify, unify_broadcast


@op(tensors=("x", "key"))
def get_item(x, key):
    """x[key]; a list is a tuple here, since files have no tuples."""
    return convert_to_tensor(x)[tuple(key) if isinstance(key, list) else key]


@op(tensors=("x", "indices"))
def take(x, indices, axis=None):
    """The elements (or slices along `axis`) at `indices`; of the flattened x if axis is None.

    Negative indices count from the end; indices out of range give the nearest element.
    """
    x, indices = convert_to_tensor(x), _indices(indices)
    if axis is None:
        x, axis = _core.reshape(x, (-1,)), 0
    return _core.gather(x, indices, canonical_axis(axis, x.ndim))


def _indices(indices):
    indices = convert_to_tensor(indices)
    return indices if "int" in indices.dtype else _core.cast(indices, "int32")


def _fill_take_along(arguments):
    x, indices, axis = arguments["x"], arguments["indices"], arguments["axis"]
    if axis is not None and len(x.shape) == len(indices.shape):
        groups = [[(0, a), (1, a)] for a in range(len(x.shape)) if a != axis % len(x.shape)]
        arguments["x"], arguments["indices"] = unify([x, indices], groups, ignore_ones=True)


@inferring(_fill_take_along, tensors=("x", "indices"))
def take_along_axis(x, indices, axis=None):
    """Elements picked along an axis: result[i, j] = x[i, indices[i, j]] for axis 1.

    The other axes broadcast. The flattened x is used if axis is None.
    """
    x, indices = convert_to_tensor(x), _indices(indices)
    if axis is None:
        x, axis = _core.reshape(x, (-1,)), 0
    axis = canonical_axis(axis, x.ndim)
    if x.ndim != indices.ndim:
        raise ValueError(
            f"`x` and `indices` must have the same rank. Received: {x.shape} and {indices.shape}"
        )
    sizes = [max(a, b) if 0 not in (a, b) else 0 for a, b in zip(x.shape, indices.shape)]
    x_shape, i_shape = list(sizes), list(sizes)
    x_shape[axis], i_shape[axis] = x.shape[axis], indices.shape[axis]
    return _core.take_along_axis(_core.broadcast_to(x, x_shape), _core.broadcast_to(indices, i_shape), axis)


@broadcasting(tensors=("condition", "x1", "x2"))
def where(condition, x1=None, x2=None):
    """x1 where the condition holds, x2 elsewhere. With the condition alone: `nonzero(condition)`.

    Raises:
        ValueError: if only one of x1 and x2 is given.
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("`x1` and `x2` either both should be `None` or both should have non-None value.")
    if x1 is None:
        return nonzero(condition)
    return choose(to_dtype(condition, "bool"), x1, x2)


@op(spec=lambda x: tuple(KerasTensor((None,), dtype="int32") for _ in x.shape))
def nonzero(x):
    """The indices of the elements that are not zero: a tuple of int32 vectors, one per axis.

    Their number depends on the values, so x must be concrete.
    """
    import numpy as np

    found = np.nonzero(static_value(x, "x"))
    return tuple(_core.tensor(i.astype(np.int32)) for i in found)


def _fill_select(arguments):
    lists = [list(arguments["condlist"]), list(arguments["choicelist"]), [arguments["default"]]]
    flat = unify_broadcast([x for part in lists for x in part])
    n = len(lists[0])
    arguments["condlist"], arguments["choicelist"] = flat[:n], flat[n:-1]
    arguments["default"] = flat[-1]


@inferring(_fill_select, tensors=("condlist", "choicelist", "default"))
def select(condlist, choicelist, default=0):
    """From each place, the choice whose condition is the first that holds there, else the default.

    Raises:
        ValueError: if the lists are not lists, or empty.
    """
    lists = (list, tuple)
    if not isinstance(condlist, lists) or not isinstance(choicelist, lists):
        raise ValueError(
            "condlist and choicelist must be lists. Received: "
            f"type(condlist) = {type(condlist)}, type(choicelist) = {type(choicelist)}"
        )
    if not condlist or not choicelist:
        raise ValueError(
            f"condlist and choicelist must not be empty. Received: condlist = {condlist}, choicelist = "
            f"{choicelist}"
        )
    *choices, result = promote(*choicelist, default)
    for condition, choice in reversed(list(zip(condlist, choices))):
        result = choose(to_dtype(condition, "bool"), choice, result)
    return result


@op
def sort(x, axis=-1):
    """The elements in ascending order along an axis; NaN last."""
    return _sort(x, axis)[0]


@op
def argsort(x, axis=-1):
    """The int32 indices that sort x along an axis (flattened if None); equals stay in order."""
    return _sort(x, axis)[1]


def _sort(x, axis):
    x = convert_to_tensor(x)
    if axis is None or not x.ndim:
        x, axis = _core.reshape(x, (-1,)), 0
    axis = canonical_axis(axis, x.ndim)
    if x.dtype != "bool":
        return _core.sort(x, axis)
    values, order = _core.sort(_core.cast(x, "int32"), axis)
    return _core.cast(values, "bool"), order


@op
def argpartition(x, kth, axis=-1):
    """Indices that bring the kth smallest element to place k, smaller ones before and larger ones after."""
    return _sort(x, axis)[1]


def _search_spec(sorted_sequence, values, side="left"):
    if len(sorted_sequence.shape) != 1:
        raise ValueError("`searchsorted` only supports 1-D sorted sequences.")
    # As in Keras: where the length is not known, it might not fit into an int32.
    return KerasTensor(values.shape, dtype="int64" if sorted_sequence.shape[0] is None else "int32")


@op(tensors=("sorted_sequence", "values"), class_name="SearchSorted", spec=_search_spec)
def searchsorted(sorted_sequence, values, side="left"):
    """Where to insert the values so that the vector stays sorted; int32.

    Args:
        side: "left" of equal elements, or "right" of them.
    """
    sequence, values = convert_to_tensor(sorted_sequence), convert_to_tensor(values)
    if sequence.ndim != 1:
        raise ValueError(
            "`searchsorted` only supports 1-D sorted sequences. You can use `keras.ops.vectorized_map` to "
            "extend it "
            f"to N-D sequences. Received: sorted_sequence.shape={sequence.shape}"
        )
    if side not in ("left", "right"):
        raise ValueError(f"`side` must be 'left' or 'right'. Received: side={side}")
    sequence, values = map(convert_to_tensor, promote(sequence, values))
    n = sequence.shape[0]
    # Bisection: log2(n) steps over all values at once.
    low = _core.full(values.shape, 0, "int32")
    width = 1 << max(n, 1).bit_length()
    while width:
        probe = low + width
        element = _core.gather(sequence, _core.elementwise("minimum", probe - 1, n - 1), 0) if n else values
        before = element < values if side == "left" else element <= values
        low = choose(_core.elementwise("logical_and", before, probe <= n), probe, low)
        width //= 2
    return low


@op(tensors=("x", "bins"))
def digitize(x, bins):
    """The number of the bin that each element falls into: bins[i - 1] <= x < bins[i]; int32."""
    return searchsorted(bins, x, side="right")


@op(tensors=("indices",))
def unravel_index(indices, shape):
    """Indices into a flattened tensor of that shape as a tuple of indices per axis."""
    indices = _indices(indices)
    result, shape = [], nested_shape(shape)
    indices = choose(indices < 0, indices + math.prod(shape), indices)
    for d in reversed(shape):
        result.append(_core.elementwise("mod", indices, d))
        indices = _core.elementwise("floor_divide", indices, d)
    return tuple(result[::-1])


@op(class_name="IsIn")
def isin(x1, x2, assume_unique=False, invert=False):
    """Whether each element of x1 is among those of x2, in the shape of x1."""
    x1, x2 = map(convert_to_tensor, promote(x1, x2))
    if not x2.size:
        return _core.full(x1.shape, bool(invert), "bool")
    equal = _core.reshape(x1, (-1, 1)) == _core.reshape(x2, (1, -1))
    result = _core.reshape(_core.reduce("any", equal, (1,)), x1.shape)
    return _core.elementwise("logical_not", result) if invert else result


@op
def bincount(x, weights=None, minlength=0, sparse=False):
    """How often each number occurs in a vector of non-negative integers, or in each row of a matrix.

    Args:
        weights: what each occurrence counts; of the shape of x. None: 1.
        minlength: the least length of the result; the largest number + 1 decides otherwise, so x must be
            concrete unless this is given inside a compiled function.
        sparse: not supported.
    """
    if sparse:
        raise ValueError("`sparse=True` is not supported: there are no sparse tensors.")
    x = _indices(x)
    if x.is_traced:
        length = minlength
        if not length:
            raise ValueError(
                "bincount: inside a compiled function `minlength` must be given; it is the length."
            )
    else:
        length = max(int(minlength), int(x.numpy().max()) + 1 if x.size else 0)
    weights = None if weights is None else convert_to_tensor(weights)
    dtype = "int32" if weights is None or weights.dtype == "bool" else weights.dtype
    if x.ndim == 1:
        updates = _core.full(x.shape, 1, dtype) if weights is None else to_dtype(weights, dtype)
        return _core.scatter_nd("add", _core.full((length,), 0, dtype), _core.reshape(x, (-1, 1)), updates)
    rows = _core.iota(x.shape, 0, "int32")
    index = _core.concat([_core.reshape(v, (*x.shape, 1)) for v in (rows, to_dtype(x, "int32"))], x.ndim)
    updates = _core.full(x.shape, 1, dtype) if weights is None else to_dtype(weights, dtype)
    return _core.scatter_nd("add", _core.full((x.shape[0], length), 0, dtype), index, updates)


@op
def histogram(x, bins=10, range=None):
    """How many elements of a vector fall into each of `bins` intervals of equal width.

    Args:
        range: `(lowest, highest)`; those of x by default. Elements outside are not counted.

    Returns:
        `(counts, edges)`; there is one edge more than bins.
    """
    if not isinstance(bins, int):
        raise TypeError(f"Argument `bins` must be of type `int`. Received: bins={bins}")
    if bins < 0:
        raise ValueError(f"Argument `bins` should be a non-negative integer. Received: bins={bins}")
    if range:
        if len(range) < 2 or not isinstance(range, tuple):
            raise ValueError(f"Argument `range` must be a tuple of two elements. Received: range={range}")
        if range[1] < range[0]:
            raise ValueError(
                f"The second element of `range` must be greater than the first. Received: range={range}"
            )
    from oxhorn.ops.numpy.creation import linspace

    x = convert_to_tensor(x)
    if x.ndim > 1:
        raise ValueError(f"Input tensor must be 1-dimensional. Received: input.shape={x.shape}")
    x = to_dtype(x, join_dtypes(x.dtype, float))
    axes = tuple(builtins.range(x.ndim))
    if range:
        low, high = (_core.tensor(float(v), x.dtype) for v in range)
    elif x.size:
        low, high = _core.reduce("min", x, axes), _core.reduce("max", x, axes)
    else:
        low, high = _core.tensor(0.0, x.dtype), _core.tensor(1.0, x.dtype)
    flat = low == high
    low, high = choose(flat, low - 0.5, low), choose(flat, high + 0.5, high)
    edges = linspace(low, high, bins + 1)
    place = searchsorted(edges, x, side="right")
    place = choose(x == high, bins, place)  # the last interval includes its end
    counts = _core.scatter_nd(
        "add",
        _core.full((bins + 2,), 0, "int32"),
        _core.reshape(place, (-1, 1)),
        _core.full((x.size,), 1, "int32"),
    )
    return _core.cast(counts[1 : bins + 1], x.dtype), edges


def _unique_spec(
    x,
    sorted=True,
    return_index=False,
    return_inverse=False,
    return_counts=False,
    axis=None,
    size=None,
    fill_value=None,
):
    shape = (size,)
    if axis is not None:
        axis = canonical_axis(axis, len(x.shape))
        shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    inverse = x.shape if axis is None else (x.shape[axis],)
    result = [KerasTensor(shape, dtype=x.dtype)]
    for wanted, shape in ((return_index, (size,)), (return_inverse, inverse), (return_counts, (size,))):
        if wanted:
            result.append(KerasTensor(shape, dtype="int32"))
    return result[0] if len(result) == 1 else tuple(result)


@op(spec=_unique_spec)
def unique(
    x,
    sorted=True,
    return_index=False,
    return_inverse=False,
    return_counts=False,
    axis=None,
    size=None,
    fill_value=None,
):
    """The different elements of x, or slices along `axis`, in ascending order.

    Args:
        return_index, return_inverse, return_counts: also return where each occurs first, which of them
            each element of x is, and how often each occurs.
        size: cut or fill the result to this length, with `fill_value` (the smallest by default).

    Their number depends on the values, so x must be concrete.
    """
    import numpy as np

    x = static_value(x, "x")
    values, index, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(x.shape if axis is None else (x.shape[axis],))
    if size is not None:
        along = 0 if axis is None else canonical_axis(axis, values.ndim)
        values = _resized(values, along, size, fill_value)
        index, counts = _resized(index, 0, size, None), _resized(counts, 0, size, 0)
    result = [_core.tensor(values)]
    for wanted, array in ((return_index, index), (return_inverse, inverse), (return_counts, counts)):
        if wanted:
            result.append(_core.tensor(array.astype(np.int32)))
    return result[0] if len(result) == 1 else tuple(result)


def _resized(array, axis, size, fill_value):
    """A NumPy array cut to a size, or filled up; with its first slice if `fill_value` is None."""
    import numpy as np

    missing = size - array.shape[axis]
    if missing <= 0:
        return np.take(array, builtins.range(size), axis)
    shape = (*array.shape[:axis], missing, *array.shape[axis + 1 :])
    if fill_value is not None or not array.size:
        rest = np.full(shape, fill_value or 0, array.dtype)
    else:
        rest = np.take(array, [0] * missing, axis)
    return np.concatenate([array, rest], axis)
