"""Shapes of images and sequences: where their spatial axes lie and what a sliding window leaves of them."""

from oxhorn.ops.nn.convolution import spread


def channel_axis(data_format):
    """The channel axis: -1 or 1."""
    return -1 if data_format == "channels_last" else 1


def spatial_axes(rank, data_format):
    """The `rank` axes between (or after) batch and channels, as a list."""
    first = 1 if data_format == "channels_last" else 2
    return list(range(first, first + rank))


def replace_spatial(shape, spatial, data_format, channels=None):
    """`shape` with its spatial sizes, and its channels if given, replaced."""
    shape = tuple(shape)
    if data_format == "channels_last":
        return (shape[0], *spatial, shape[-1] if channels is None else channels)
    return (shape[0], shape[1] if channels is None else channels, *spatial)


def spatial_sizes(shape, data_format):
    return tuple(shape[1:-1] if data_format == "channels_last" else shape[2:])


def window_output_shape(input_shape, window, strides, padding, data_format, dilation=1, channels=None):
    """Shape that a window of size `window`, slid over the spatial axes, produces.

    Unknown sizes stay `None`.

    Raises:
        ValueError: if the input has another number of spatial axes than the window, or is smaller.
    """
    rank = len(window)
    if len(input_shape) != rank + 2:
        raise ValueError(
            f"Expected an input with {rank} spatial axes beside batch and channels. "
            f"Received: input_shape={tuple(input_shape)}, window={tuple(window)}"
        )
    if padding not in ("valid", "same", "causal"):
        raise ValueError(f"`padding` must be 'valid', 'same' or 'causal'. Received: padding={padding}")
    sizes = []
    for size, width, stride, step in zip(
        spatial_sizes(input_shape, data_format), window, spread(strides, rank), spread(dilation, rank)
    ):
        if size is not None:
            reach = step * (width - 1) + 1 if padding == "valid" else 1
            size = (size - reach) // stride + 1
            if size <= 0 and padding == "valid":
                raise ValueError(
                    "Computed output size would be zero or negative. "
                    f"Received: input_shape={tuple(input_shape)}, window={tuple(window)}, "
                    f"strides={strides}, dilation_rate={dilation}, padding={padding}"
                )
        sizes.append(size)
    return replace_spatial(input_shape, sizes, data_format, channels)


def transposed_window_output_shape(
    input_shape,
    kernel_size,
    filters,
    strides,
    padding,
    output_padding=None,
    data_format="channels_last",
    dilation_rate=1,
):
    """Shape that a transposed convolution produces; unknown sizes stay `None`."""
    rank = len(kernel_size)
    sizes = []
    for size, width, stride, extra, step in zip(
        spatial_sizes(input_shape, data_format),
        kernel_size,
        spread(strides, rank),
        (None,) * rank if output_padding is None else spread(output_padding, rank),
        spread(dilation_rate, rank),
    ):
        if size is not None:
            reach = step * (width - 1) + 1
            if padding == "valid":
                extra = max(stride - reach, 0) if extra is None else extra
                size = (size - 1) * stride + reach + extra
            elif extra is None:
                size = size * stride
            else:
                size = (size - 1) * stride + reach % 2 + extra
        sizes.append(size)
    return replace_spatial(input_shape, sizes, data_format, filters)
