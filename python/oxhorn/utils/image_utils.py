"""Image files as arrays and back. Files are read and written by Pillow, which is imported when needed."""

import io
import pathlib
import warnings

import numpy as np

from oxhorn import ops
from oxhorn._base.settings import floatx, standardize_data_format

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_MODES = {"grayscale": ("L", "I;16", "I"), "rgba": ("RGBA",), "rgb": ("RGB",)}


def _pillow(caller):
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"Could not import PIL.Image. The use of `{caller}` requires Pillow: `pip install pillow`."
        ) from error
    return Image


def array_to_img(x, data_format=None, scale=True, dtype=None):
    """An array of rank 3 as a Pillow image.

    Args:
        x: array, of 1, 3 or 4 channels.
        data_format: "channels_last" or "channels_first"; default: that of the configuration.
        scale: whether to stretch the values to 0 to 255; otherwise they are taken as they are.
        dtype: to compute in; default `floatx()`.

    Raises:
        ImportError: there is no Pillow.
        ValueError: another rank or number of channels.
    """
    data_format = standardize_data_format(data_format)
    image = _pillow("array_to_img")
    x = np.asarray(x, dtype=dtype or floatx())
    if x.ndim != 3:
        raise ValueError(
            f"Expected image array to have rank 3 (single image). Got array with shape: {x.shape}"
        )
    if data_format == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - np.min(x)
        largest = np.max(x)
        x = (x / largest if largest != 0 else x) * 255
    if x.shape[2] == 1:
        wide = np.max(x) > 255
        return image.fromarray(x[:, :, 0].astype("int32" if wide else "uint8"))
    if x.shape[2] in (3, 4):
        return image.fromarray(x.astype("uint8"))
    raise ValueError(f"Unsupported channel number: {x.shape[2]}")


def img_to_array(img, data_format=None, dtype=None):
    """A Pillow image as an array of rank 3.

    Args:
        img: the image, or an array of rank 2 or 3.
        data_format: "channels_last" or "channels_first"; default: that of the configuration.
        dtype: of the array; default `floatx()`.

    Raises:
        ValueError: another rank.
    """
    data_format = standardize_data_format(data_format)
    x = np.asarray(img, dtype=dtype or floatx())
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3:
        raise ValueError(f"Unsupported image shape: {x.shape}")
    return x.transpose(2, 0, 1) if data_format == "channels_first" else x


def save_img(path, x, data_format=None, file_format=None, scale=True, **kwargs):
    """Writes an array of rank 3 to an image file.

    Args:
        path: path, or a binary file object.
        x, data_format, scale: see `array_to_img`.
        file_format: name of the format; default: the path's extension.
        kwargs: for Pillow's `Image.save`.
    """
    if file_format is None and isinstance(path, (str, pathlib.Path)):
        file_format = pathlib.Path(path).suffix[1:]
    if file_format:
        file_format = {"jpg": "jpeg"}.get(file_format.lower(), file_format.lower())
    img = array_to_img(x, data_format=data_format, scale=scale)
    if img.mode == "RGBA" and file_format == "jpeg":
        warnings.warn("The JPEG format does not support RGBA images, converting to RGB.", stacklevel=2)
        img = img.convert("RGB")
    img.save(path, format=file_format, **kwargs)


def load_img(path, color_mode="rgb", target_size=None, interpolation="nearest", keep_aspect_ratio=False):
    """Reads an image file as a Pillow image.

    Args:
        path: path, or `io.BytesIO`.
        color_mode: "grayscale", "rgb" or "rgba".
        target_size: (height, width) to resize to; None: as it is.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: whether to cut the image to the target's ratio before resizing.

    Raises:
        ImportError: there is no Pillow.
        TypeError: `path` is none.
        ValueError: an unknown mode or interpolation.
    """
    image = _pillow("load_img")
    if color_mode not in _MODES:
        raise ValueError(
            f'color_mode must be "grayscale", "rgb", or "rgba". Received: color_mode={color_mode}'
        )
    if isinstance(path, io.BytesIO):
        img = image.open(path)
    elif isinstance(path, (pathlib.Path, bytes, str)):
        with open(path, "rb") as file:
            img = image.open(io.BytesIO(file.read()))
    else:
        raise TypeError(f"path should be path-like or io.BytesIO, not {type(path)}")
    if img.mode not in _MODES[color_mode]:
        img = img.convert(_MODES[color_mode][0])
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"Invalid interpolation method {interpolation} specified. Supported methods are "
            f"{', '.join(INTERPOLATIONS)}"
        )
    height, width = target_size
    resample = getattr(image.Resampling, interpolation.upper())
    if not keep_aspect_ratio:
        return img.resize((width, height), resample)
    full_width, full_height = img.size
    cut_height = min(full_height, full_width * height // width)
    cut_width = min(full_width, full_height * width // height)
    top, left = (full_height - cut_height) // 2, (full_width - cut_width) // 2
    return img.resize((width, height), resample, box=(left, top, left + cut_width, top + cut_height))


def smart_resize(x, size, interpolation="bilinear", data_format="channels_last"):
    """Resizes images without distorting them: cuts the largest part of the target's ratio from the middle.

    Args:
        x: one image or a batch, array or tensor.
        size: (height, width).
        interpolation: see `ops.image.resize`.
        data_format: "channels_last" or "channels_first".

    Returns:
        An array for an array, a tensor for a tensor.

    Raises:
        ValueError: another rank, or a size that is not two numbers.
    """
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers, but got: {size}.")
    img = ops.convert_to_tensor(x)
    if len(img.shape) not in (3, 4):
        raise ValueError(
            "Expected an image array with shape `(height, width, channels)`, or `(batch_size, height, width, "
            f"channels)`, but got input with incorrect rank, of shape {img.shape}."
        )
    first = len(img.shape) - 3 if data_format == "channels_last" else len(img.shape) - 2
    height, width = img.shape[first : first + 2]
    cut_height = max(min(height, int(width * size[0] / size[1])), 1)
    cut_width = max(min(width, int(height * size[1] / size[0])), 1)
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    window = (slice(None),) * first + (slice(top, top + cut_height), slice(left, left + cut_width))
    img = ops.image.resize(img[window], size, interpolation=interpolation, data_format=data_format)
    return np.array(img) if isinstance(x, np.ndarray) else img
