"""Colour spaces and edges."""

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op
from oxhorn.ops._common import FLOATS, canonical_axis, expand, join_dtypes, take_slice, to_dtype, unary, where
from oxhorn.ops.image._layout import channel_axis, check_rank, to_batch
from oxhorn.ops.nn.convolution import depthwise_conv

_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


@op(tensors=("images",), class_name="RGBToGrayscale")
def rgb_to_grayscale(images, data_format=None):
    """Luminance, 0.2989 R + 0.587 G + 0.114 B, as one channel. Images of one channel stay as they are."""
    images = convert_to_tensor(images)
    check_rank(images)
    axis = channel_axis(data_format)
    if images.shape[axis] not in (1, 3):
        raise ValueError(
            "Invalid channel size: expected 3 (RGB) or 1 (Grayscale). "
            f"Received input with shape: images.shape={images.shape}"
        )
    if images.shape[axis] == 1:
        return images
    red, green, blue = _planes(to_dtype(images, join_dtypes(images.dtype, float)), axis)
    return to_dtype(0.2989 * red + 0.587 * green + 0.114 * blue, images.dtype)


def _planes(images, axis):
    """Three tensors of one channel."""
    return [take_slice(images, axis, i, i + 1) for i in range(3)]


def _float_planes(images, data_format):
    images = convert_to_tensor(images)
    check_rank(images)
    if images.dtype not in FLOATS:
        raise ValueError(f"Invalid images dtype: expected float dtype. Received: images.dtype={images.dtype}")
    axis = canonical_axis(channel_axis(data_format), images.ndim)
    if images.shape[axis] != 3:
        raise ValueError(
            "Input images must have 3 channels, but received images with "
            f"{images.shape[axis]} channels. Received input with shape: images.shape={images.shape}"
        )
    return _planes(images, axis), axis


@op(tensors=("images",), class_name="RGBToHSV")
def rgb_to_hsv(images, data_format=None):
    """Hue, saturation and value, each in [0, 1], of float images in [0, 1]."""
    planes, axis = _float_planes(images, data_format)
    r, g, b = (where(unary("abs", p) < _EPSILON[p.dtype], 0.0, p) for p in planes)
    value = _core.elementwise("maximum", _core.elementwise("maximum", r, g), b)
    spread = value - _core.elementwise("minimum", _core.elementwise("minimum", r, g), b)
    grey = spread <= 0
    saturation = where(value > 0, spread / where(value > 0, value, 1.0), 0.0)
    sixth = 1.0 / (6.0 * where(grey, 1.0, spread))
    hue = where(value == g, sixth * (b - r) + 2.0 / 6.0, sixth * (r - g) + 4.0 / 6.0)
    hue = where(value == r, sixth * (g - b), hue)
    hue = where(grey, 0.0, where(hue < 0, hue + 1.0, hue))
    return _core.concat([hue, saturation, value], axis)


@op(tensors=("images",), class_name="HSVToRGB")
def hsv_to_rgb(images, data_format=None):
    """The inverse of `rgb_to_hsv`."""
    (hue, saturation, value), axis = _float_planes(images, data_format)
    place = _core.elementwise("mod", hue, 1.0) * 6.0

    def plane(ramp):
        ramp = _core.elementwise("minimum", _core.elementwise("maximum", ramp, 0.0), 1.0)
        return value * (1.0 - saturation + saturation * ramp)

    red = plane(unary("abs", place - 3.0) - 1.0)
    green = plane(2.0 - unary("abs", place - 2.0))
    blue = plane(2.0 - unary("abs", place - 4.0))
    return _core.concat([red, green, blue], axis)


@op(tensors=("images",))
def sobel_edges(images, data_format=None):
    """The vertical and the horizontal gradient by Sobel's filters, along a new last axis."""
    x, restore = to_batch(images, data_format)
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    edges = []
    for window in (across.T, across):
        kernel = _core.tensor(np.repeat(window[:, :, None, None], x.shape[-1], 2), x.dtype)
        edges.append(expand(restore(depthwise_conv(x, kernel, 1, "same", "channels_last")), -1))
    return _core.concat(edges, edges[0].ndim - 1)
