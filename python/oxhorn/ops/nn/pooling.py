"""Pooling. Inputs are (batch, ..., channels), or (batch, channels, ...) if channels_first."""

import math

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op
from oxhorn._base.settings import standardize_data_format
from oxhorn.ops._common import from_channels_last, move_axis, to_channels_last, to_float
from oxhorn.ops.nn.convolution import spread, window_padding


def _pool(kind, x, pool_size, strides, padding):
    """The reduced windows of x (channels last), and the padding of its spatial axes."""
    n = x.ndim - 2
    window = spread(pool_size, n)
    strides = window if strides is None else spread(strides, n)
    pads = window_padding(padding, x.shape[1:-1], window, strides, (1,) * n)
    result = _core.reduce_window(kind, x, (1, *window, 1), (1, *strides, 1), [(0, 0), *pads, (0, 0)])
    return result, window, strides, pads


@op
def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """The largest elements of windows of the spatial axes.

    Args:
        pool_size: of the windows; an int, or one per spatial axis.
        strides: from one window to the next; `pool_size` by default.
        padding: "valid" or "same".
    """
    data_format = standardize_data_format(data_format)
    x = to_channels_last(convert_to_tensor(inputs), data_format)
    return from_channels_last(_pool("max", x, pool_size, strides, padding)[0], data_format)


@op
def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """The means of windows of the spatial axes; padding does not count. Arguments as for `max_pool`."""
    data_format = standardize_data_format(data_format)
    x = to_channels_last(to_float(inputs), data_format)
    total, window, strides, pads = _pool("sum", x, pool_size, strides, padding)
    if not any(low or high for low, high in pads):
        return from_channels_last(total / math.prod(window), data_format)
    counts = np.ones((1,) * x.ndim)
    for axis, (size, k, s, (low, _)) in enumerate(zip(x.shape[1:-1], window, strides, pads), 1):
        start = np.arange(total.shape[axis]) * s - low
        inside = np.minimum(start + k, size) - np.maximum(start, 0)
        counts = counts * inside.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return from_channels_last(total / _core.tensor(counts, total.dtype), data_format)


def _adaptive(inputs, output_size, data_format, pool_axis):
    """Pools every spatial axis by `pool_axis(x, axis, starts, ends)`."""
    data_format = standardize_data_format(data_format)
    x = to_channels_last(to_float(inputs), data_format)
    if not 3 <= x.ndim <= 5:
        raise ValueError(
            f"Adaptive pooling takes 1, 2 or 3 spatial axes. Received: inputs.shape={inputs.shape}"
        )
    for axis, n in enumerate(spread(output_size, x.ndim - 2), 1):
        i, size = np.arange(n), x.shape[axis]
        x = pool_axis(x, axis, i * size // n, -(-(i + 1) * size // n))
    return from_channels_last(x, data_format)


@op
def adaptive_average_pool(inputs, output_size, data_format=None):
    """The means of windows whose size and place follow from the `output_size` wanted."""

    def pool_axis(x, axis, starts, ends):
        place = np.arange(x.shape[axis])[:, None]
        weights = ((starts <= place) & (place < ends)) / (ends - starts)
        return move_axis(_core.matmul(move_axis(x, axis, -1), _core.tensor(weights, x.dtype)), -1, axis)

    return _adaptive(inputs, output_size, data_format, pool_axis)


@op
def adaptive_max_pool(inputs, output_size, data_format=None):
    """The largest elements of windows whose size and place follow from the `output_size` wanted."""

    def pool_axis(x, axis, starts, ends):
        longest = (ends - starts).max()
        index = np.minimum(starts[:, None] + np.arange(longest), ends[:, None] - 1)
        return _core.reduce("max", _core.gather(x, _core.tensor(index, "int32"), axis), (axis + 1,))

    return _adaptive(inputs, output_size, data_format, pool_axis)
