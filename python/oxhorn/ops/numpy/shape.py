"""Functions that rearrange elements and leave them as they are."""

import itertools
import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import (
    canonical_axes,
    canonical_axis,
    expand,
    is_integer,
    nested_shape,
    promote,
    static_value,
    take_slice,
    to_dtype,
)
from oxhorn.ops._shapes import fill_equal_but, inferring


def _reshape_spec(x, newshape):
    newshape = _target_shape(newshape)
    if None in x.shape:
        return KerasTensor([None if d == -1 else d for d in newshape], dtype=x.dtype)
    size, known = math.prod(x.shape), math.prod(d for d in newshape if d != -1)
    if (size % known if known else size) if -1 in newshape else size != known:
        raise ValueError(f"The total size of the tensor must be unchanged. Received: {x.shape} to {newshape}")
    return KerasTensor([size // max(known, 1) if d == -1 else d for d in newshape], dtype=x.dtype)


def _target_shape(newshape):
    if isinstance(newshape, _core.Tensor):
        return tuple(static_value(newshape, "newshape").tolist())
    newshape = (newshape,) if is_integer(newshape) or newshape is None else tuple(newshape)
    if any(d is None for d in newshape):
        raise ValueError(
            f"`newshape` must not contain None; -1 stands for one unknown dimension. Received: {newshape}"
        )
    newshape = tuple(int(d) for d in newshape)
    if sum(d == -1 for d in newshape) > 1 or any(d < -1 for d in newshape):
        raise ValueError(
            f"`newshape` must hold non-negative integers, and -1 at most once. Received: newshape={newshape}"
        )
    return newshape


@op(spec=_reshape_spec)
def reshape(x, newshape):
    """x in another shape with as many elements; one dimension may be -1."""
    if type(newshape) is not tuple or not all(type(d) is int and d >= 0 for d in newshape):
        newshape = _target_shape(newshape)
    return _core.reshape(convert_to_tensor(x), newshape)


@op
def ravel(x):
    """x as a vector."""
    return _core.reshape(convert_to_tensor(x), (-1,))


@op
def transpose(x, axes=None):
    """x with its axes in the order `axes`; reversed by default."""
    x = convert_to_tensor(x)
    if axes is None:
        return _core.transpose(x, range(x.ndim)[::-1])
    axes = canonical_axes(axes, x.ndim)
    if len(axes) != x.ndim:
        raise ValueError(
            f"axes must be a permutation of the axes of x. Received: axes={axes}, x.shape={x.shape}"
        )
    return _core.transpose(x, axes)


@op
def swapaxes(x, axis1, axis2):
    """x with two axes exchanged."""
    x = convert_to_tensor(x)
    order = list(range(x.ndim))
    a, b = canonical_axis(axis1, x.ndim), canonical_axis(axis2, x.ndim)
    order[a], order[b] = b, a
    return _core.transpose(x, order)


@op
def moveaxis(x, source, destination):
    """x with the axes `source` moved to the positions `destination`, the others in order."""
    x = convert_to_tensor(x)
    source, destination = canonical_axes(source, x.ndim), canonical_axes(destination, x.ndim)
    if len(source) != len(destination):
        raise ValueError(
            f"`source` and `destination` must be of one length. Received: {source}, {destination}"
        )
    order = [a for a in range(x.ndim) if a not in source]
    for d, s in sorted(zip(destination, source)):
        order.insert(d, s)
    return _core.transpose(x, order)


@op
def expand_dims(x, axis):
    """x with new axes of length 1 at the positions `axis` of the result."""
    x = convert_to_tensor(x)
    count = 1 if is_integer(axis) else len(axis)
    axes = canonical_axes(axis, x.ndim + count)
    sizes = iter(x.shape)
    return _core.reshape(x, [1 if a in axes else next(sizes) for a in range(x.ndim + count)])


def _squeeze_spec(x, axis=None):
    if axis is None:
        shape = [d for d in x.shape if d != 1]
    else:
        axes = canonical_axes(axis, len(x.shape))
        _check_squeeze(x.shape, axes)
        shape = [d for a, d in enumerate(x.shape) if a not in axes]
    return KerasTensor(shape, dtype=x.dtype)


def _check_squeeze(shape, axes):
    for a in axes:
        if shape[a] not in (1, None):
            raise ValueError(
                f"Cannot squeeze axis {a}, because the dimension is not 1. Received shape: {shape}"
            )


@op(spec=_squeeze_spec)
def squeeze(x, axis=None):
    """x without axes of length 1: all of them, or those in `axis`."""
    x = convert_to_tensor(x)
    if axis is None:
        return _core.reshape(x, [d for d in x.shape if d != 1])
    axes = canonical_axes(axis, x.ndim)
    _check_squeeze(x.shape, axes)
    return _core.reshape(x, [d for a, d in enumerate(x.shape) if a not in axes])


@op
def broadcast_to(x, shape):
    """x repeated along axes of length 1 and new leading axes."""
    return _core.broadcast_to(convert_to_tensor(x), nested_shape(shape))


def _fill_concatenate(arguments):
    if arguments["axis"] is None:
        raise ValueError("`axis=None` is not supported for symbolic tensors.")
    fill_equal_but("axis")(arguments)


@inferring(_fill_concatenate)
def concatenate(xs, axis=0):
    """The tensors joined along an axis."""
    return concat(xs, axis)


def concat(xs, axis):
    """The body of `concatenate`; None flattens."""
    xs = [convert_to_tensor(x) for x in promote(*xs)] if len(xs) > 1 else [convert_to_tensor(xs[0])]
    if axis is None:
        return _core.concat([_core.reshape(x, (-1,)) for x in xs], 0)
    return _core.concat(xs, canonical_axis(axis, xs[0].ndim))


@inferring(fill_equal_but(None))
def stack(x, axis=0):
    """The tensors, of one shape, joined along a new axis."""
    x = [convert_to_tensor(v) for v in promote(*(convert_to_tensor(v) for v in x))]
    axis = canonical_axis(axis, x[0].ndim + 1)
    return _core.concat([expand(v, axis) for v in x], axis)


def _fill_stacked(axis):
    """For tensors joined along an axis (of those that have it; the first of vectors)."""

    def fill(arguments):
        xs = list(arguments["xs"])
        pair = {"xs": xs, "axis": axis(len(xs[0].shape))}
        if pair["axis"] is not None:
            fill_equal_but("axis")(pair)
            arguments["xs"] = pair["xs"]

    return fill


@inferring(_fill_stacked(lambda rank: 0 if rank == 1 else 1))
def hstack(xs):
    """The tensors joined along their second axis, or their first if they are vectors."""
    xs = [_at_least(x, 1) for x in xs]
    return concat(xs, 0 if xs[0].ndim == 1 else 1)


@inferring(_fill_stacked(lambda rank: 0 if rank > 1 else None))
def vstack(xs):
    """The tensors joined along their first axis; vectors count as rows."""
    return concat([_at_least(x, 2) for x in xs], 0)


@inferring(_fill_stacked(lambda rank: 2 if rank > 2 else None))
def dstack(xs):
    """The tensors joined along their third axis."""
    xs = [_at_least(x, 2) for x in xs]
    return concat([expand(x, 2) if x.ndim == 2 else x for x in xs], 2)


def _at_least(x, rank):
    x = convert_to_tensor(x)
    return _core.reshape(x, (1,) * (rank - x.ndim) + x.shape) if x.ndim < rank else x


def _fill_append(arguments):
    if arguments["axis"] is not None:
        pair = {"xs": [arguments["x1"], arguments["x2"]], "axis": arguments["axis"]}
        fill_equal_but("axis")(pair)
        arguments["x1"], arguments["x2"] = pair["xs"]


@inferring(_fill_append)
def append(x1, x2, axis=None):
    """x2 after x1 along an axis; both flattened if None."""
    return concat([x1, x2], axis)


def _split_spec(x, indices_or_sections, axis=0):
    axis = canonical_axis(axis, len(x.shape))
    size = x.shape[axis]
    if size is None and isinstance(indices_or_sections, int):
        widths = [None] * indices_or_sections
    else:
        cuts = [0, *_cuts(size, indices_or_sections), size]
        widths = [None if a is None or b is None else b - a for a, b in itertools.pairwise(cuts)]
    return [KerasTensor((*x.shape[:axis], w, *x.shape[axis + 1 :]), dtype=x.dtype) for w in widths]


def _cuts(size, indices_or_sections):
    if not is_integer(indices_or_sections):
        return [int(i) for i in static_value(indices_or_sections, "indices_or_sections")]
    sections = int(indices_or_sections)
    if size % sections:
        raise ValueError(
            "`x` size on given `axis` must be divisible by `indices_or_sections` when "
            "`indices_or_sections` is an "
            f"int. But received {size} and {sections}."
        )
    return [size // sections * i for i in range(1, sections)]


@op(spec=_split_spec)
def split(x, indices_or_sections, axis=0):
    """x cut along an axis: into that many equal parts, or before each of the indices. A list."""
    x = convert_to_tensor(x)
    size = x.shape[canonical_axis(axis, x.ndim)]
    cuts = [0, *_cuts(size, indices_or_sections), size]
    return [take_slice(x, axis, a, b) for a, b in itertools.pairwise(cuts)]


@op
def array_split(x, indices_or_sections, axis=0):
    """x cut into parts along an axis, the first ones longer by one where it does not divide. A list."""
    for name, value in (("indices_or_sections", indices_or_sections), ("axis", axis)):
        if not isinstance(value, int):
            raise TypeError(f"Argument `{name}` must be of type `int`. Received: {name}={value}")
    if indices_or_sections <= 0:
        raise ValueError(
            "Argument `indices_or_sections` must be a positive integer. "
            f"Received: indices_or_sections={indices_or_sections}"
        )
    x = convert_to_tensor(x)
    each, longer = divmod(x.shape[axis], indices_or_sections)
    cuts = [each * i + min(i, longer) for i in range(indices_or_sections + 1)]
    return [take_slice(x, axis, a, b) for a, b in itertools.pairwise(cuts)]


@op
def hsplit(x, indices_or_sections):
    """x cut along its second axis, or its first if it is a vector."""
    x = convert_to_tensor(x)
    return split(x, indices_or_sections, axis=0 if x.ndim == 1 else 1)


@op
def vsplit(x, indices_or_sections):
    """x cut along its first axis."""
    return split(x, indices_or_sections, axis=0)


@op
def dsplit(x, indices_or_sections):
    """x cut along its third axis."""
    return split(x, indices_or_sections, axis=2)


@op
def tile(x, repeats):
    """x repeated as a whole: `repeats` times along each axis."""
    x = convert_to_tensor(x)
    repeats = nested_shape(repeats)
    rank = max(x.ndim, len(repeats))
    repeats = (1,) * (rank - len(repeats)) + repeats
    shape = (1,) * (rank - x.ndim) + x.shape
    pairs = [d for n, s in zip(repeats, shape) for d in (1, s)]
    wide = [d for n, s in zip(repeats, shape) for d in (n, s)]
    return _core.reshape(
        _core.broadcast_to(_core.reshape(x, pairs), wide), [n * s for n, s in zip(repeats, shape)]
    )


@op
def repeat(x, repeats, axis=None):
    """Each element along an axis repeated: `repeats` times, or as often as the vector says.

    The flattened x is repeated if axis is None. The numbers must be concrete.
    """
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = _core.reshape(x, (-1,)), 0
    axis = canonical_axis(axis, x.ndim)
    repeats = static_value(repeats, "repeats")
    if repeats.size == 1:
        n = int(repeats.reshape(()))
        wide = expand(x, axis + 1)
        wide = _core.broadcast_to(wide, (*x.shape[: axis + 1], n, *x.shape[axis + 1 :]))
        return _core.reshape(wide, (*x.shape[:axis], x.shape[axis] * n, *x.shape[axis + 1 :]))
    index = [i for i, n in enumerate(repeats.tolist()) for _ in range(n)]
    return _core.gather(x, _core.tensor(index, "int32"), axis)


@op
def flip(x, axis=None):
    """The elements in reverse order along an axis, or several, or all."""
    x = convert_to_tensor(x)
    return _core.flip(x, canonical_axes(axis, x.ndim))


@op
def fliplr(x):
    """The second axis reversed."""
    return flip(x, axis=1)


@op
def flipud(x):
    """The first axis reversed."""
    return flip(x, axis=0)


@op
def roll(x, shift, axis=None):
    """The elements moved `shift` places along an axis, those pushed out coming back at the other end.

    `shift` and `axis` may be tuples. The flattened x is rolled if axis is None.
    """
    x = convert_to_tensor(x)
    if axis is None:
        return _core.reshape(_roll(_core.reshape(x, (-1,)), shift, 0), x.shape)
    axes = (axis,) if is_integer(axis) else tuple(axis)
    shifts = (shift,) * len(axes) if is_integer(shift) else tuple(shift)
    for s, a in zip(shifts, axes):
        x = _roll(x, s, canonical_axis(a, x.ndim))
    return x


def _roll(x, shift, axis):
    if isinstance(shift, _core.Tensor) and shift.is_traced:
        index = _core.elementwise(
            "mod", _core.iota((x.shape[axis],), 0, "int32") - to_dtype(shift, "int32"), x.shape[axis]
        )
        return _core.gather(x, index, axis)
    shift = int(shift) % max(x.shape[axis], 1)
    if not shift:
        return x
    return _core.concat([take_slice(x, axis, -shift), take_slice(x, axis, None, -shift)], axis)


@op(tensors=("array",), class_name="Rot90")
def rot90(array, k=1, axes=(0, 1)):
    """The plane of two axes turned by k quarters, from the first axis toward the second."""
    array = convert_to_tensor(array)
    if array.ndim < 2:
        raise ValueError(f"Input array must have at least 2 dimensions. Received: array.ndim={array.ndim}")
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError(f"Invalid axes: {axes}. Axes must be a tuple of two different dimensions.")
    a, b = canonical_axes(axes, array.ndim)
    k %= 4
    if k == 0:
        return array
    if k == 2:
        return _core.flip(array, (a, b))
    order = list(range(array.ndim))
    order[a], order[b] = b, a
    if k == 1:
        return _core.transpose(_core.flip(array, (b,)), order)
    return _core.flip(_core.transpose(array, order), (b,))


@op(tensors=("x", "constant_values"))
def pad(x, pad_width, mode="constant", constant_values=None):
    """x with elements added at the ends of its axes.

    Args:
        pad_width: `(before, after)` for each axis, or one pair or one number for all.
        mode: "constant" (`constant_values`, 0 by default), "edge", "reflect", "symmetric" or "wrap".
    """
    if constant_values is not None and mode != "constant":
        raise ValueError(
            "Argument `constant_values` can only be provided when `mode == 'constant'`. Received: "
            f"mode={mode}"
        )
    x = convert_to_tensor(x)
    widths = _pad_widths(pad_width, x.ndim)
    if mode == "constant":
        return _pad_constant(x, widths, 0 if constant_values is None else constant_values)
    if mode not in _PAD_INDEX:
        raise ValueError(f"Invalid padding mode: {mode}. Expected one of {('constant', *_PAD_INDEX)}")
    for axis, (low, high) in enumerate(widths):
        if low or high:
            index = [_PAD_INDEX[mode](i, x.shape[axis]) for i in range(-low, x.shape[axis] + high)]
            x = _core.gather(x, _core.tensor(index, "int32"), axis)
    return x


def _pad_constant(x, widths, value):
    low, high = zip(*widths) if widths else ((), ())
    if type(value) in (bool, int, float):
        return _core.pad(x, low, high, (0,) * x.ndim, value)
    inside = _core.pad(_core.full(x.shape, True, "bool"), low, high, (0,) * x.ndim, False)
    return _core.elementwise(
        "where", inside, _core.pad(x, low, high, (0,) * x.ndim, 0), to_dtype(value, x.dtype)
    )


def _reflect(i, n):
    if n == 1:
        return 0
    i %= 2 * n - 2
    return i if i < n else 2 * n - 2 - i


def _symmetric(i, n):
    i %= 2 * n
    return i if i < n else 2 * n - 1 - i


_PAD_INDEX = {
    "edge": lambda i, n: min(max(i, 0), n - 1),
    "reflect": _reflect,
    "symmetric": _symmetric,
    "wrap": lambda i, n: i % n,
}


def _pad_widths(pad_width, rank):
    if is_integer(pad_width):
        return [(int(pad_width),) * 2] * rank
    widths = static_value(pad_width, "pad_width").tolist()
    if not isinstance(widths[0], list):
        return [tuple(widths) if len(widths) == 2 else tuple(widths) * 2] * rank
    widths = [tuple(w) if len(w) == 2 else (w[0], w[0]) for w in widths]
    widths = widths * rank if len(widths) == 1 else widths
    if len(widths) != rank:
        raise ValueError(
            f"`pad_width` must have a pair for each of the {rank} axes of x. Received: {pad_width}"
        )
    return widths
