"""Resizing: products with matrices of interpolation weights, one for each axis."""

import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn._base.settings import standardize_data_format
from oxhorn.ops._common import (
    FLOATS,
    canonical_axis,
    join_dtypes,
    move_axis,
    nested_shape,
    to_dtype,
    to_float,
    unary,
    where,
)
from oxhorn.ops.core.conversion import saturate_cast
from oxhorn.ops.image._layout import check_rank
from oxhorn.ops.numpy.shape import pad


def _linear(x):
    return _core.elementwise("maximum", 1.0 - x, 0.0)


def _cubic(x):
    near = ((1.5 * x - 2.5) * x) * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return where(x >= 2.0, 0.0, where(x >= 1.0, far, near))


def _lanczos(radius):
    def kernel(x):
        safe = where(x > 1e-3, x, 1.0)
        value = radius * unary("sin", math.pi * safe) * unary("sin", math.pi / radius * safe)
        value = where(x > 1e-3, value / (math.pi**2 * safe * safe), 1.0)
        return where(x > radius, 0.0, value)

    return kernel


_KERNELS = {
    "linear": _linear,
    "bilinear": _linear,
    "trilinear": _linear,
    "triangle": _linear,
    "cubic": _cubic,
    "bicubic": _cubic,
    "tricubic": _cubic,
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}


def _weights(size, new_size, scale, translation, kernel, antialias, dtype):
    """What each element of an axis adds to each new one, `(size, new_size)`."""
    shape = (size, new_size)
    place = _core.iota(shape, 1, dtype) + 0.5
    inverse = 1.0 / scale
    place = place * inverse - translation * inverse - 0.5
    distance = unary("abs", place - _core.iota(shape, 0, dtype))
    if antialias:
        distance = distance / _core.elementwise("maximum", inverse, 1.0)
    weights = kernel(distance)
    total = _core.reduce("sum", weights, (0,), True)
    weights = where(unary("abs", total) > 1e-4, weights / where(total == 0, 1.0, total), 0.0)
    inside = _core.elementwise("logical_and", place >= -0.5, place <= size - 0.5)
    return where(inside, weights, 0.0)


def _along(x, axis, weights):
    return move_axis(_core.matmul(move_axis(x, axis, -1), weights), -1, axis)


def _resize_axis(x, axis, new_size, method, antialias):
    size = x.shape[axis]
    if size == new_size:
        return x
    if method == "nearest":
        index = _core.tensor([int((i + 0.5) * size / new_size) for i in range(new_size)], "int32")
        return _core.gather(x, index, axis)
    dtype = "float64" if x.dtype == "float64" else "float32"
    scale, origin = _core.full((), new_size / size, dtype), _core.full((), 0, dtype)
    weights = _weights(size, new_size, scale, origin, _KERNELS[method], antialias, dtype)
    return _along(x, axis, to_dtype(weights, x.dtype))


_RESIZE_METHODS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")


@op(tensors=("images",))
def resize(
    images,
    size,
    interpolation="bilinear",
    antialias=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    fill_mode="constant",
    fill_value=0.0,
    data_format=None,
):
    """Images in another size.

    Args:
        images: one image or a batch, of any dtype, which the result has too.
        size: `(height, width)`.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        antialias: average over more pixels when the images get smaller.
        crop_to_aspect_ratio, pad_to_aspect_ratio: keep the proportions by cutting off what is too much, or
            by adding `fill_value`.
    """
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers. Received: size={size}")
    if size[0] <= 0 or size[1] <= 0:
        raise ValueError(f"`size` must have positive height and width. Received: size={size}")
    if interpolation not in _RESIZE_METHODS:
        raise ValueError(
            f"Invalid value for argument `interpolation`. Expected of one {_RESIZE_METHODS}. "
            f"Received: interpolation={interpolation}"
        )
    if fill_mode != "constant":
        raise ValueError(
            "Invalid value for argument `fill_mode`. Only `'constant'` is supported. "
            f"Received: fill_mode={fill_mode}"
        )
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
    images = convert_to_tensor(images)
    check_rank(images)
    rows = images.ndim - (3 if standardize_data_format(data_format) == "channels_last" else 2)
    new = tuple(int(d) for d in size)
    old = images.shape[rows : rows + 2]
    # The size of the old proportions' axis at which the proportions would be the new ones.
    ideal = int(old[1] * new[0] / new[1]), int(old[0] * new[1] / new[0])
    x = images
    if crop_to_aspect_ratio:
        index = [slice(None)] * x.ndim
        for axis, (d, wanted) in enumerate(zip(old, ideal), rows):
            kept = max(min(d, wanted), 1)
            start = (d - kept) // 2
            index[axis] = slice(start, start + kept)
        x = x[tuple(index)]
    elif pad_to_aspect_ratio:
        margin = [(max(d, wanted) - d) // 2 for d, wanted in zip(old, ideal)]
        margin = (margin[0], 0) if margin[0] else (0, margin[1])
        widths = [(margin[a - rows],) * 2 if rows <= a < rows + 2 else (0, 0) for a in range(x.ndim)]
        x = pad(x, widths, constant_values=fill_value)
    if interpolation != "nearest":
        x = to_float(x)
    for axis, d in enumerate(new, rows):
        x = _resize_axis(x, axis, d, interpolation, antialias)
    if x.dtype == images.dtype:
        return x
    return saturate_cast(x if images.dtype in FLOATS else unary("round", x), images.dtype)


def _scale_spec(images, output_shape, scale, translation, spatial_dims, method, antialias=True):
    return KerasTensor(output_shape, dtype=join_dtypes(images.dtype, float))


@op(tensors=("images", "output_shape", "scale", "translation"), spec=_scale_spec)
def scale_and_translate(images, output_shape, scale, translation, spatial_dims, method, antialias=True):
    """Axes resized by any factor and moved by any distance, with zeros beyond the edges.

    Args:
        output_shape: of the result.
        scale, translation: for each axis of `spatial_dims`; element i of an axis goes to
            `(i + 0.5) * scale + translation - 0.5`.
        method: "linear", "cubic", "lanczos3" or "lanczos5" (or "bilinear", "bicubic", ...).
    """
    if method not in _KERNELS:
        raise ValueError(
            f"Invalid value for argument `method`. Expected of one {tuple(_KERNELS)}. Received: "
            f"method={method}"
        )
    images = to_float(images)
    shape = nested_shape(output_shape)
    dtype = "float64" if images.dtype == "float64" else "float32"
    scale, translation = to_dtype(scale, dtype), to_dtype(translation, dtype)
    for i, axis in enumerate(spatial_dims):
        axis = canonical_axis(axis, images.ndim)
        weights = _weights(
            images.shape[axis], shape[axis], scale[i], translation[i], _KERNELS[method], antialias, dtype
        )
        images = _along(images, axis, to_dtype(weights, images.dtype))
    return images
