"""Reading and writing parts of a tensor at computed places."""

import builtins

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import canonical_axis, move_axis, nested_shape, to_dtype


def _slice_spec(inputs, start_indices, shape):
    if len(shape) != len(inputs.shape):
        raise ValueError(
            "The number of dimensions in `inputs` must match the number of dimensions in `shape`. "
            f"Received inputs.shape={inputs.shape} and shape={shape}"
        )
    if hasattr(start_indices, "__len__") and len(start_indices) != len(inputs.shape):
        raise ValueError(
            "The number of dimensions in `start_indices` must match the number of dimensions in `inputs`. "
            f"Received start_indices={start_indices} and inputs.shape={inputs.shape}"
        )
    sizes = []
    for i, (d, size) in enumerate(zip(inputs.shape, shape)):
        if size == -1:
            size = None if d is None or isinstance(start_indices, KerasTensor) else d - int(start_indices[i])
        sizes.append(size)
    return KerasTensor(sizes, dtype=inputs.dtype)


@op(tensors=("inputs", "start_indices"), spec=_slice_spec)
def slice(inputs, start_indices, shape):
    """The block of that shape that begins at `start_indices`.

    Args:
        start_indices: one int per axis; may be a computed tensor. Moved so that the block fits.
        shape: one int per axis; -1 means up to the end, for a concrete start.
    """
    inputs = convert_to_tensor(inputs)
    start = _start(start_indices)
    if len(shape) != inputs.ndim:
        raise ValueError(
            "The number of dimensions in `inputs` must match the number of dimensions in `shape`. "
            f"Received inputs.shape={inputs.shape} and shape={shape}"
        )
    sizes = [d - int(start[i]) if n == -1 else int(n) for i, (d, n) in enumerate(zip(inputs.shape, shape))]
    return _core.dynamic_slice(inputs, start, sizes)


def _start(start_indices):
    if isinstance(start_indices, (list, tuple)):
        start_indices = [i if isinstance(i, int) else to_dtype(i, "int32") for i in start_indices]
        if not start_indices:
            return _core.full((0,), 0, "int32")
    return to_dtype(start_indices, "int32")


def _inputs_spec(inputs, *args, **kwargs):
    return KerasTensor(inputs.shape, dtype=inputs.dtype)


@op(tensors=("inputs", "start_indices", "updates"), spec=_inputs_spec)
def slice_update(inputs, start_indices, updates):
    """`inputs` with the block that begins at `start_indices` replaced by `updates`."""
    inputs = convert_to_tensor(inputs)
    return _core.dynamic_update_slice(inputs, to_dtype(updates, inputs.dtype), _start(start_indices))


def _scatter_spec(indices, values, shape):
    return KerasTensor(shape, dtype=values.dtype)


@op(tensors=("indices", "values"), spec=_scatter_spec)
def scatter(indices, values, shape):
    """Zeros of that shape with `values` added at `indices`.

    Args:
        indices: integers of shape `(..., k)`: places along the first k axes.
        values: of shape `(..., *shape[k:])`. Those for one place are added up.
    """
    values = convert_to_tensor(values)
    zeros = _core.full(nested_shape(shape), 0, values.dtype)
    return _core.scatter_nd("add", zeros, to_dtype(indices, "int32"), values)


@op(tensors=("inputs", "indices", "updates"), spec=_inputs_spec)
def scatter_update(inputs, indices, updates, reduction=None):
    """`inputs` with `updates` written at `indices`.

    Args:
        indices: integers of shape `(n, k)`: places along the first k axes.
        updates: of shape `(n, *inputs.shape[k:])`.
        reduction: None to overwrite, or "add", "max", "min" or "mul" to combine.
    """
    mode = "set" if reduction is None else str(reduction).lower()
    if mode not in ("set", "add", "max", "min", "mul"):
        raise ValueError(
            f"Invalid reduction: {reduction}. Supported values are: None, 'add', 'max', 'min', 'mul'."
        )
    inputs, indices = convert_to_tensor(inputs), to_dtype(indices, "int32")
    updates = to_dtype(updates, inputs.dtype)
    shape = indices.shape[:-1] + inputs.shape[indices.shape[-1] :]
    if updates.shape != shape:
        updates = _core.broadcast_to(updates, shape)
    return _core.scatter_nd(mode, inputs, indices, updates)


def _unstack_spec(x, num=None, axis=0):
    axis = canonical_axis(axis, len(x.shape))
    num = x.shape[axis] if num is None else num
    if num is None:
        raise ValueError(
            f"Cannot infer argument `num` from shape {x.shape}. Either provide a tensor with a concrete "
            "shape in "
            "the `axis` dimension or explicitly pass the `num` argument."
        )
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    return [KerasTensor(shape, dtype=x.dtype) for _ in range(num)]


@op(spec=_unstack_spec)
def unstack(x, num=None, axis=0):
    """The slices of x along an axis, without it, as a list."""
    x = convert_to_tensor(x)
    x = move_axis(x, canonical_axis(axis, x.ndim), 0)
    return [x[i] for i in builtins.range(x.shape[0])]
