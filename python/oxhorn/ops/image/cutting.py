"""Images padded, cropped and cut into patches."""

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn._base.settings import standardize_data_format
from oxhorn.ops._common import from_channels_last, to_channels_last
from oxhorn.ops.image._layout import check_rank
from oxhorn.ops.nn.convolution import spread, window_padding


def _two_of_three(sides, target, names):
    """Checks that of (before, after, target size) exactly two are given, none negative."""
    values = (*sides, target)
    received = ", ".join(f"{n}={v}" for n, v in zip(names, values))
    if values.count(None) != 1:
        raise ValueError(f"Must specify exactly two of {', '.join(names)}. Received: {received}")
    for name, value in zip(names, values):
        if value is not None and value < 0:
            raise ValueError(f"{name} must be >= 0. Received: {name}={value}")


def _edges(shape, data_format, vertical, horizontal, kind):
    """For the axes of height and width: `(axis, before, after)`, the one of the two not given computed.

    `kind` is "padding" or "cropping"; the third of `vertical` and `horizontal` is the target size.
    """
    first = len(shape) - (3 if standardize_data_format(data_format) == "channels_last" else 2)
    result = []
    for axis, (before, after, target), sides, what in (
        (first, vertical, ("top", "bottom"), "height"),
        (first + 1, horizontal, ("left", "right"), "width"),
    ):
        names = [f"{s}_{kind}" for s in sides]
        _two_of_three((before, after), target, [*names, f"target_{what}"])
        if target is not None and shape[axis] is not None:
            change = target - shape[axis] if kind == "padding" else shape[axis] - target
            before = change - after if before is None else before
            after = change - before if after is None else after
        for name, value in zip(names, (before, after)):
            if value is not None and value < 0:
                raise ValueError(f"{name} must be >= 0. Received: {name}={value}")
        result.append((axis, before, after, target))
    return result


def _edge_spec(kind):
    def spec(images, data_format=None, **sizes):
        check_rank(images)
        shape = list(images.shape)
        vertical, horizontal = (
            (sizes[f"{a}_{kind}"], sizes[f"{b}_{kind}"], sizes[f"target_{what}"])
            for a, b, what in (("top", "bottom", "height"), ("left", "right", "width"))
        )
        edges = _edges(shape, data_format, vertical, horizontal, kind)
        for axis, before, after, target in edges:
            if target is not None:
                shape[axis] = target
            elif shape[axis] is None and kind == "cropping":
                what = "height" if axis == edges[0][0] else "width"
                raise ValueError(
                    f"When the {what} of the images is unknown, `target_{what}` must be specified. "
                    f"Received: images.shape={images.shape}"
                )
            elif shape[axis] is not None:
                shape[axis] += before + after if kind == "padding" else -before - after
                if shape[axis] < 0:
                    raise ValueError(f"The cropping exceeds the size of the images: {images.shape}")
        return KerasTensor(shape, dtype=images.dtype)

    return spec


@op(tensors=("images",), spec=_edge_spec("padding"))
def pad_images(
    images,
    top_padding=None,
    left_padding=None,
    bottom_padding=None,
    right_padding=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """Images with zeros around them. Of top, bottom and target height two must be given, as of the widths."""
    images = convert_to_tensor(images)
    check_rank(images)
    low, high = [0] * images.ndim, [0] * images.ndim
    vertical, horizontal = (
        (top_padding, bottom_padding, target_height),
        (left_padding, right_padding, target_width),
    )
    for axis, before, after, _ in _edges(images.shape, data_format, vertical, horizontal, "padding"):
        low[axis], high[axis] = before, after
    return _core.pad(images, low, high, (0,) * images.ndim, 0)


@op(tensors=("images",), spec=_edge_spec("cropping"))
def crop_images(
    images,
    top_cropping=None,
    left_cropping=None,
    bottom_cropping=None,
    right_cropping=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """Images without their edges. Of top, bottom and target height two must be given, as of the widths."""
    images = convert_to_tensor(images)
    check_rank(images)
    index = [slice(None)] * images.ndim
    vertical, horizontal = (
        (top_cropping, bottom_cropping, target_height),
        (left_cropping, right_cropping, target_width),
    )
    for axis, before, after, _ in _edges(images.shape, data_format, vertical, horizontal, "cropping"):
        if images.shape[axis] < before + after:
            raise ValueError(
                "crop_images: the cropping exceeds the size of the images. Received: "
                f"images.shape={images.shape}"
            )
        index[axis] = slice(before, images.shape[axis] - after)
    return images[tuple(index)]


def _windows(x, size, strides, dilation, padding):
    """The windows of the spatial axes of x, `(n, *space, c)`, as vectors: `(n, *counts, window * c)`."""
    n = len(size)
    pads = window_padding(padding, x.shape[1:-1], size, strides, dilation)
    low, high = zip((0, 0), *pads, (0, 0))
    x = _core.pad(x, low, high, (0,) * x.ndim, 0)
    for axis, (k, s, d) in enumerate(zip(size, strides, dilation)):
        axis = 2 * axis + 1  # the axes before have become two each
        count = (x.shape[axis] - (k - 1) * d - 1) // s + 1
        index = np.arange(count)[:, None] * s + np.arange(k) * d
        x = _core.gather(x, _core.tensor(index, "int32"), axis)
    order = [0, *range(1, 2 * n, 2), *range(2, 2 * n + 1, 2), 2 * n + 1]
    x = _core.transpose(x, order)
    return _core.reshape(x, (*x.shape[: n + 1], -1))


def _patches(images, size, strides, dilation_rate, padding, data_format):
    images, n = convert_to_tensor(images), len(size)
    if images.ndim not in (n + 1, n + 2):
        raise ValueError(f"Expected images of rank {n + 1} or {n + 2}. Received: images.shape={images.shape}")
    strides = size if not strides else spread(strides, n)
    if len(strides) != n:
        raise ValueError(f"Invalid `strides` argument. Got: {strides}")
    data_format = standardize_data_format(data_format)
    single = images.ndim == n + 1
    x = _core.reshape(images, (1, *images.shape)) if single else images
    x = _windows(to_channels_last(x, data_format), size, strides, spread(dilation_rate, n), padding)
    x = from_channels_last(x, data_format)
    return _core.reshape(x, x.shape[1:]) if single else x


@op(tensors=("images",))
def extract_patches(images, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    """Windows of images as vectors: `(n, h, w, c)` to `(n, rows, columns, window * c)`.

    Args:
        size: of the windows: an int, a pair, or three numbers for volumes `(n, d, h, w, c)`.
        strides: from one window to the next; `size` by default.
        dilation_rate: distance between the pixels of a window.
        padding: "valid" or "same".
    """
    if not isinstance(size, int):
        if not isinstance(size, (tuple, list)):
            raise TypeError(
                "Invalid `size` argument. Expected an int or a tuple. "
                f"Received: size={size} of type {type(size).__name__}"
            )
        if len(size) not in (2, 3):
            raise ValueError(
                "Invalid `size` argument. Expected a tuple of length 2 or 3. "
                f"Received: size={size} with length {len(size)}"
            )
    size = (size, size) if isinstance(size, int) else tuple(size)
    return _patches(images, size, strides, dilation_rate, padding, data_format)


def extract_patches_3d(volumes, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    """Windows of volumes as vectors; see `extract_patches`. `size`: an int or three."""
    if isinstance(size, int):
        size = (size, size, size)
    if len(size) != 3:
        raise TypeError(
            f"Invalid `size` argument. Expected an int or a tuple of length 3. Received: size={size}"
        )
    return extract_patches(volumes, tuple(size), strides, dilation_rate, padding, data_format)
