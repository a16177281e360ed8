"""Fourier transforms. Complex numbers are pairs (real, imaginary) of float tensors.

The transform of length n = n1 * n2 is one of length n1 over rows, a multiplication by roots of unity and
one of length n2 over columns (Cooley and Tukey, 1965); short ones are products with the matrix of roots.
"""

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op
from oxhorn.ops._common import FLOATS, move_axis, take_slice, to_dtype, to_float, where
from oxhorn.ops.math.special import extract_sequences
from oxhorn.ops.numpy.shape import pad

_SHORT = 64


def _roots(exponents, n, dtype):
    """cos and sin of -2 pi exponents / n."""
    angle = -2 * np.pi * (exponents % n) / n
    return _core.tensor(np.cos(angle), dtype), _core.tensor(np.sin(angle), dtype)


def _split(n):
    """The largest factor of n up to `_SHORT`; n itself if it is short."""
    return next((f for f in range(min(n, _SHORT), 1, -1) if n % f == 0), n)


def _transform(re, im):
    """The discrete Fourier transform of the last axis. `im` may be None for zeros."""
    n = re.shape[-1]
    n1 = _split(n)
    if n1 == n:
        k = np.arange(n)
        return _times(re, im, *_roots(np.outer(k, k), n, re.dtype), _core.matmul)
    n2 = n // n1
    # x[j1 * n2 + j2], over j1 first.
    re, im = (None if v is None else _core.reshape(v, (*v.shape[:-1], n1, n2)) for v in (re, im))
    re, im = (None if v is None else move_axis(v, -1, -2) for v in (re, im))
    re, im = _transform(re, im)
    # Here [..., j2, k1]; then over j2, giving X[k1 + n1 * k2].
    re, im = _times(re, im, *_roots(np.outer(np.arange(n2), np.arange(n1)), n, re.dtype), _multiply)
    re, im = _transform(move_axis(re, -1, -2), move_axis(im, -1, -2))
    return tuple(_core.reshape(move_axis(v, -1, -2), (*v.shape[:-2], n)) for v in (re, im))


def _multiply(a, b):
    return _core.elementwise("multiply", a, b)


def _times(re, im, cos, sin, product):
    if im is None:
        return product(re, cos), product(re, sin)
    return product(re, cos) - product(im, sin), product(re, sin) + product(im, cos)


def _inverse(re, im):
    n = re.shape[-1]
    # The inverse is the transform with real and imaginary parts exchanged, before and after.
    im, re = _transform(im, re)
    return re / n, im / n


def _pair(x):
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"Input `x` should be a tuple of two tensors - real and imaginary. Received: x={x}")
    re, im = map(convert_to_tensor, x)
    if not re.ndim:
        raise ValueError(f"Input should have rank >= 1. Received: {re.shape}")
    if re.shape != im.shape:
        raise ValueError(
            "Input `x` should be a tuple of two tensors - real and imaginary. Both the real and imaginary "
            "parts "
            f"should have the same shape. Received: x[0].shape = {re.shape}, x[1].shape = {im.shape}"
        )
    if re.dtype not in FLOATS or im.dtype not in FLOATS:
        raise ValueError(f"At least one tensor in input `x` is not of type float. Received: x={x}.")
    return re, im


def _along(function, pair, axis):
    return tuple(move_axis(v, -1, axis) for v in function(*(move_axis(v, axis, -1) for v in pair)))


@op(class_name="FFT")
def fft(x):
    """The Fourier transform of the last axis of a pair (real, imaginary)."""
    return _transform(*_pair(x))


@op(class_name="FFT2")
def fft2(x):
    """The Fourier transform of the last two axes of a pair (real, imaginary)."""
    return _along(_transform, _transform(*_pair(x)), -2)


@op(class_name="IFFT2")
def ifft2(x):
    """The inverse Fourier transform of the last two axes of a pair (real, imaginary)."""
    return _along(_inverse, _inverse(*_pair(x)), -2)


def _fit(x, n):
    """The last axis cut or filled with zeros to length n."""
    if x.shape[-1] >= n:
        return take_slice(x, -1, 0, n)
    return pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - x.shape[-1])])


@op(class_name="RFFT")
def rfft(x, fft_length=None):
    """The Fourier transform of the last axis of a real tensor: its first n // 2 + 1 terms, a pair.

    Args:
        fft_length: n; the axis is cut or filled with zeros to it.
    """
    x = to_float(x)
    n = x.shape[-1] if fft_length is None else int(fft_length)
    return tuple(take_slice(v, -1, 0, n // 2 + 1) for v in _transform(_fit(x, n), None))


@op(class_name="IRFFT")
def irfft(x, fft_length=None):
    """The real tensor whose `rfft` along the last axis is the pair x.

    Args:
        fft_length: n, the length of the result; 2 * (terms - 1) by default.
    """
    re, im = _pair(x)
    n = 2 * (re.shape[-1] - 1) if fft_length is None else int(fft_length)
    terms = n // 2 + 1
    re, im = _fit(re, terms), _fit(im, terms)
    # Terms beyond are the conjugates of the first; that of frequency 0 (and n / 2) is real.
    mirrored = slice(1, n - terms + 1)
    real_terms = np.arange(terms) * 2 % n == 0
    im = where(_core.tensor(real_terms), 0.0, im)
    flipped = [_core.flip(take_slice(v, -1, mirrored.start, mirrored.stop), (v.ndim - 1,)) for v in (re, im)]
    axis = re.ndim - 1
    re, im = _core.concat([re, flipped[0]], axis), _core.concat([im, -flipped[1]], axis)
    return _inverse(re, im)[0]


def _window(window, length, fft_length, dtype):
    """The window, with zeros on both sides up to `fft_length`."""
    if window is None:
        return _core.full((fft_length,), 1, dtype)
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(
                'If a string is passed to `window`, it must be one of `"hann"`, `"hamming"`. '
                f"Received: window={window}"
            )
        a = 0.5 if window == "hann" else 0.54
        window = a - (1 - a) * np.cos(2 * np.pi * np.arange(length) / length)
    window = to_dtype(window, dtype)
    if window.shape != (length,):
        raise ValueError(
            f"The shape of `window` must be equal to [sequence_length]. Received: window shape={window.shape}"
        )
    low = (fft_length - length) // 2
    return _core.pad(window, (low,), (fft_length - length - low,), (0,), 0)


def _check_lengths(sequence_length, sequence_stride, fft_length):
    if not isinstance(sequence_stride, int) or sequence_stride <= 0:
        raise ValueError(
            f"`sequence_stride` must be a positive integer. Received: sequence_stride={sequence_stride}"
        )
    if fft_length < sequence_length:
        raise ValueError(
            "`fft_length` must equal or larger than `sequence_length`. "
            f"Received: sequence_length={sequence_length}, fft_length={fft_length}"
        )


@op(class_name="STFT")
def stft(x, sequence_length, sequence_stride, fft_length, window="hann", center=True):
    """Fourier transforms of windows of the last axis: a pair of shape `(..., windows, fft_length // 2 + 1)`.

    Args:
        sequence_length: of each window.
        sequence_stride: from one window to the next.
        fft_length: of the transform, not less than `sequence_length`.
        window: "hann", "hamming", a vector, or None.
        center: reflect the signal at both ends, so that windows are centered at their times.

    Raises:
        TypeError: if x is not float32 or float64.
    """
    _check_lengths(sequence_length, sequence_stride, fft_length)
    x = convert_to_tensor(x)
    if x.dtype not in ("float32", "float64"):
        raise TypeError(
            f"Invalid input type. Expected `float32` or `float64`. Received: input type={x.dtype}"
        )
    window = _window(window, sequence_length, fft_length, x.dtype)
    if center:
        x = pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2,) * 2], mode="reflect")
    return rfft(extract_sequences(x, fft_length, sequence_stride) * window)


@op(class_name="ISTFT")
def istft(x, sequence_length, sequence_stride, fft_length, length=None, window="hann", center=True):
    """The signal whose `stft` is the pair x, by overlapping and adding windows.

    Args:
        length: of the result; all that the windows cover by default.
        The others: as in `stft`.
    """
    _check_lengths(sequence_length, sequence_stride, fft_length)
    re, im = _pair(x)
    if re.ndim < 2:
        raise ValueError(f"Input `x` must have at least 2 dimensions. Received shape: {re.shape}")
    win = _window(window, sequence_length, fft_length, re.dtype)
    frames = irfft((re, im), fft_length)
    if window is not None:
        # Where windows overlap fully, their squares add up to a function of period `sequence_stride`.
        parts = -(-fft_length // sequence_stride)
        power = _core.reshape(_fit(win * win, parts * sequence_stride), (parts, sequence_stride))
        power = _core.broadcast_to(_core.reduce("sum", power, (0,), True), power.shape)
        power = take_slice(_core.reshape(power, (-1,)), 0, 0, fft_length)
        frames = frames * (win / where(power > 1e-10, power, 1.0))
    signal = _overlap_add(frames, sequence_stride)
    start = fft_length // 2 if center else 0
    stop = signal.shape[-1] - start if length is None else start + length
    return take_slice(signal, -1, start, stop)


def _overlap_add(frames, stride):
    """Frames `(..., count, n)`, each `stride` after the one before, added up."""
    *batch, count, n = frames.shape
    parts = -(-n // stride)
    frames = _core.reshape(_fit(frames, parts * stride), (*batch, count, parts, stride))
    total = None
    for i in range(parts):
        part = take_slice(frames, -2, i, i + 1)
        part = _core.reshape(part, (*batch, count, stride))
        part = pad(part, [(0, 0)] * len(batch) + [(i, parts - 1 - i), (0, 0)])
        total = part if total is None else total + part
    total = _core.reshape(total, (*batch, (count + parts - 1) * stride))
    return take_slice(total, -1, 0, n + stride * (count - 1))
