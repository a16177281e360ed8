"""Space and channels exchanged: patches as vectors and back."""

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op
from oxhorn.ops.nn.convolution import spread


@op
def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of images as columns: `(n, c, h, w)` to `(n, c * window, windows)`.

    Args: each an int or a pair for height and width.
    """
    x = convert_to_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"Input must be a 4D tensor. Received: input.shape={x.shape}")
    kernel, dilation, padding, stride = (spread(v, 2) for v in (kernel_size, dilation, padding, stride))
    x = _core.pad(x, (0, 0, *padding), (0, 0, *padding), (0,) * 4, 0)
    counts = []
    for axis, k, d, s in zip((2, 4), kernel, dilation, stride):
        counts.append((x.shape[axis] - d * (k - 1) - 1) // s + 1)
        index = np.arange(k)[:, None] * d + np.arange(counts[-1]) * s
        x = _core.gather(x, _core.tensor(index, "int32"), axis)
    n, c = x.shape[:2]
    x = _core.transpose(x, (0, 1, 2, 4, 3, 5))
    return _core.reshape(x, (n, c * kernel[0] * kernel[1], counts[0] * counts[1]))


@op
def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The transpose of `unfold`: columns put back as windows of images, overlaps added up."""
    x = convert_to_tensor(x)
    if x.ndim != 3:
        raise ValueError(f"Input must be a 3D tensor. Received: input.shape={x.shape}")
    size, kernel, dilation, padding, stride = (
        spread(v, 2) for v in (output_size, kernel_size, dilation, padding, stride)
    )
    counts = [
        (o + 2 * p - d * (k - 1) - 1) // s + 1
        for o, k, d, p, s in zip(size, kernel, dilation, padding, stride)
    ]
    channels = x.shape[1] // (kernel[0] * kernel[1])
    x = _core.reshape(x, (x.shape[0], channels, *kernel, *counts))
    total = None
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            low = [offset * d - p for offset, d, p in zip((i, j), dilation, padding)]
            high = [o - a - (n - 1) * s - 1 for o, a, n, s in zip(size, low, counts, stride)]
            part = _core.pad(x[:, :, i, j], (0, 0, *low), (0, 0, *high), (0, 0, *(s - 1 for s in stride)), 0)
            total = part if total is None else total + part
    return total


def _check_block(block_size):
    if block_size < 2:
        raise ValueError(f"`block_size` must be at least 2. Received: block_size={block_size}")
    return block_size


@op
def depth_to_space(x, block_size, data_format="channels_last"):
    """Channels spread out into blocks of pixels: `(n, h, w, c * b²)` to `(n, h * b, w * b, c)`."""
    x, b = convert_to_tensor(x), _check_block(block_size)
    if data_format == "channels_last":
        n, h, w, c = x.shape
        x = _core.transpose(_core.reshape(x, (n, h, w, b, b, c // b**2)), (0, 1, 3, 2, 4, 5))
        return _core.reshape(x, (n, h * b, w * b, c // b**2))
    n, c, h, w = x.shape
    x = _core.transpose(_core.reshape(x, (n, c // b**2, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return _core.reshape(x, (n, c // b**2, h * b, w * b))


@op
def space_to_depth(x, block_size, data_format="channels_last"):
    """Blocks of pixels stacked into channels: `(n, h * b, w * b, c)` to `(n, h, w, c * b²)`."""
    x, b = convert_to_tensor(x), _check_block(block_size)
    if data_format == "channels_last":
        n, h, w, c = x.shape
        x = _core.transpose(_core.reshape(x, (n, h // b, b, w // b, b, c)), (0, 1, 3, 2, 4, 5))
        return _core.reshape(x, (n, h // b, w // b, c * b**2))
    n, c, h, w = x.shape
    x = _core.transpose(_core.reshape(x, (n, c, h // b, b, w // b, b)), (0, 1, 3, 5, 2, 4))
    return _core.reshape(x, (n, c * b**2, h // b, w // b))


@op(tensors=("abs_", "angle"))
def polar(abs_, angle):
    """Not supported: there are no complex tensors."""
    raise NotImplementedError("polar: there are no complex tensors in Oxhorn.")
