"""Convolutions. Inputs are (batch, ..., channels), or (batch, channels, ...) if channels_first."""

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.settings import standardize_data_format
from oxhorn.ops._common import from_channels_last, promote, to_channels_last, to_dtype
from oxhorn.ops._shapes import inferring


def spread(value, n):
    """A value per spatial axis."""
    return (value,) * n if isinstance(value, int) else tuple(value)


def window_padding(padding, sizes, window, strides, dilation):
    """The padding `(low, high)` of each spatial axis for "valid" or "same"."""
    padding = padding.lower()
    if padding == "valid":
        return [(0, 0)] * len(sizes)
    if padding != "same":
        raise ValueError(f"Invalid padding '{padding}', must be 'same' or 'valid'.")
    pairs = []
    for n, k, s, d in zip(sizes, window, strides, dilation):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pairs.append((total // 2, total - total // 2))
    return pairs


def _convolve(inputs, kernel, strides, padding, data_format, dilation_rate, groups):
    n = inputs.ndim - 2
    if kernel.ndim != n + 2:
        raise ValueError(
            f"Expected a kernel of rank {n + 2} for inputs {inputs.shape}. Received: {kernel.shape}"
        )
    x = to_channels_last(inputs, data_format)
    strides, dilation = spread(strides, n), spread(dilation_rate, n)
    pads = window_padding(padding, x.shape[1:-1], kernel.shape[:n], strides, dilation)
    for size, k, d, (low, high) in zip(x.shape[1:-1], kernel.shape, dilation, pads):
        if size + low + high < (k - 1) * d + 1:
            raise ValueError(
                "The convolution operation resulted in an empty output. The input is too small for the "
                "kernel: "
                f"received inputs.shape={inputs.shape}, kernel.shape={kernel.shape}, padding={padding}, "
                f"dilation_rate={dilation_rate}."
            )
    result = _core.conv(x, kernel, strides, pads, (1,) * n, dilation, groups)
    return from_channels_last(result, data_format)


def _channels(inputs, data_format):
    return inputs.shape[-1 if data_format == "channels_last" else 1]


def _fill_channels(axis_of_kernel):
    """For inputs whose channels are not known: as many as the kernel takes."""

    def fill(arguments):
        inputs = arguments["inputs"]
        kernel = arguments["kernel"] if "kernel" in arguments else arguments["depthwise_kernel"]
        channels = -1 if standardize_data_format(arguments["data_format"]) == "channels_last" else 1
        if isinstance(inputs, KerasTensor) and inputs.shape[channels] is None:
            shape = list(inputs.shape)
            shape[channels] = kernel.shape[axis_of_kernel]
            arguments["inputs"] = KerasTensor(shape, dtype=inputs.dtype)

    return fill


def _check_channels(inputs, expected, data_format):
    channels = _channels(inputs, data_format)
    if channels != expected:
        raise ValueError(
            "The number of input channels must match the kernel's input channels. Received: "
            f"input channels={channels}, kernel input channels={expected}, data_format='{data_format}'."
        )


@inferring(_fill_channels(-2), tensors=("kernel",))
def conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Convolution over 1, 2 or 3 spatial axes.

    Args:
        kernel: `(*window, in_channels, out_channels)`; in_channels may be a divisor of the inputs' channels,
            which then form groups.
        strides, dilation_rate: an int, or one per spatial axis.
        padding: "valid" or "same".
    """
    data_format = standardize_data_format(data_format)
    kernel = convert_to_tensor(kernel)
    inputs = to_dtype(inputs, kernel.dtype)
    channels = _channels(inputs, data_format)
    if channels % kernel.shape[-2]:
        raise ValueError(
            "The number of input channels must match the kernel's in_channels or be evenly divisible by "
            "kernel's "
            f"in_channels. Received input channels {channels} and kernel in_channels {kernel.shape[-2]}."
        )
    return _convolve(
        inputs, kernel, strides, padding, data_format, dilation_rate, channels // kernel.shape[-2]
    )


@inferring(_fill_channels(-2), tensors=("kernel",))
def depthwise_conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Convolution of each channel by itself.

    Args:
        kernel: `(*window, channels, multiplier)`; each channel gives `multiplier` output channels.
        strides, padding, dilation_rate: as for `conv`.
    """
    data_format = standardize_data_format(data_format)
    inputs, kernel = map(convert_to_tensor, promote(inputs, kernel))
    _check_channels(inputs, kernel.shape[-2], data_format)
    groups, multiplier = kernel.shape[-2:]
    kernel = _core.reshape(kernel, (*kernel.shape[:-2], 1, groups * multiplier))
    return _convolve(inputs, kernel, strides, padding, data_format, dilation_rate, groups)


@inferring(_fill_channels(-2), tensors=("depthwise_kernel", "pointwise_kernel"))
def separable_conv(
    inputs, depthwise_kernel, pointwise_kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
):
    """A depthwise convolution, then one with a window of 1 that mixes the channels."""
    data_format = standardize_data_format(data_format)
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, 1, "valid", data_format, 1)


def conv_transpose_padding(kernel_size, stride, dilation_rate, padding, output_padding):
    """Zeros before and after one axis, once `stride - 1` zeros stand between its elements."""
    if padding.lower() not in ("valid", "same"):
        raise ValueError(
            f"The `padding` argument must be one of 'valid', 'same'. Received: padding={padding}"
        )
    size = (kernel_size - 1) * dilation_rate + 1
    if padding.lower() == "valid":
        extra = max(size, stride) - size if output_padding is None else output_padding
        return size - 1, size - 1 + extra
    total = stride + size - 2 if output_padding is None else size + size % 2 - 2 + output_padding
    low = min(total // 2 + total % 2, size - 1)
    return low, total - low


@inferring(_fill_channels(-1), tensors=("kernel",))
def conv_transpose(
    inputs, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1
):
    """The transpose (gradient) of a convolution: widens the spatial axes by the strides.

    Args:
        kernel: `(*window, out_channels, in_channels)`.
        output_padding: an int or one per spatial axis: how much the output is longer than the least.
        strides, padding, dilation_rate: as for `conv`.
    """
    data_format = standardize_data_format(data_format)
    inputs, kernel = map(convert_to_tensor, promote(inputs, kernel))
    _check_channels(inputs, kernel.shape[-1], data_format)
    n = inputs.ndim - 2
    strides, dilation, extra = (
        spread(v, n) if v is not None else (None,) * n for v in (strides, dilation_rate, output_padding)
    )
    pads = [
        conv_transpose_padding(k, s, d, padding, e)
        for k, s, d, e in zip(kernel.shape, strides, dilation, extra)
    ]
    kernel = _core.flip(kernel, range(n))
    kernel = _core.transpose(kernel, (*range(n), n + 1, n))
    result = _core.conv(to_channels_last(inputs, data_format), kernel, (1,) * n, pads, strides, dilation)
    return from_channels_last(result, data_format)
