"""One image or a batch, channels last or first."""

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.settings import standardize_data_format
from oxhorn.ops._common import move_axis


def check_rank(images, name="images"):
    if len(images.shape) not in (3, 4):
        raise ValueError(
            f"Invalid {name} rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: {name}.shape={images.shape}"
        )


def channel_axis(data_format):
    return -1 if standardize_data_format(data_format) == "channels_last" else -3


def to_batch(images, data_format, name="images"):
    """The images as a tensor `(n, h, w, c)`, and a function that brings results into their layout."""
    images = convert_to_tensor(images)
    check_rank(images, name)
    axis, single = channel_axis(data_format), images.ndim == 3
    if single:
        images = _core.reshape(images, (1, *images.shape))
    images = move_axis(images, axis, -1)

    def restore(result):
        result = move_axis(result, 3, axis)
        return _core.reshape(result, result.shape[1:]) if single else result

    return images, restore
