"""Initializers that draw no random numbers."""

import numpy as np

from oxhorn import ops
from oxhorn._base import lookup
from oxhorn._base.dtypes import standardize_dtype
from oxhorn.initializers.initializer import Initializer


class Constant(Initializer):
    """Fills the tensor with `value`, a scalar (or anything that broadcasts to the shape)."""

    def __init__(self, value=0.0):
        self.value = value

    def __call__(self, shape, dtype=None):
        dtype = standardize_dtype(dtype)
        return ops.broadcast_to(ops.cast(self.value, dtype), shape)

    def get_config(self):
        return {"value": lookup.serialize(self.value)}

    @classmethod
    def from_config(cls, config):
        return cls(lookup.deserialize(config["value"]))


class Zeros(Initializer):
    """Fills the tensor with 0."""

    def __call__(self, shape, dtype=None):
        return ops.zeros(shape, dtype=standardize_dtype(dtype))


class Ones(Initializer):
    """Fills the tensor with 1."""

    def __call__(self, shape, dtype=None):
        return ops.ones(shape, dtype=standardize_dtype(dtype))


class Identity(Initializer):
    """`gain` on the main diagonal of a matrix, 0 elsewhere. Raises ValueError unless the rank is 2."""

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        return self.gain * ops.eye(*shape, dtype=standardize_dtype(dtype))


class STFT(Initializer):
    """Convolution kernels that compute a short-time Fourier transform.

    The shape is `(frame_length, 1, fft_length // 2 + 1)`: one output channel per frequency.

    Args:
        side: `"real"` or `"imag"`, the part of the transform.
        window: name of a window, its `frame_length` values, or None. Sums of cosines (`"hann"`,
            `"hamming"`, `"blackman"`...) are built in, other names need SciPy.
        scaling: `"density"` (unit L2 norm of the window), `"spectrum"` (unit L1 norm) or None.
        periodic: whether a named window is periodic rather than symmetric.
    """

    def __init__(self, side="real", window="hann", scaling="density", periodic=False):
        if side not in ("real", "imag"):
            raise ValueError(f"side should be 'real' or 'imag', not {side}")
        if isinstance(window, str):
            named_window(window, 1)
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(
                f"Scaling is invalid, it must be `None`, 'density' or 'spectrum'. Received scaling={scaling}"
            )
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape, dtype=None):
        frame_length, _, bins = shape
        angle = -np.pi * np.outer(np.arange(frame_length), np.arange(bins)) / (bins - 1)
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            kernel *= self._scaled_window(frame_length)[:, None]
        return ops.convert_to_tensor(kernel[:, None, :], dtype=standardize_dtype(dtype))

    def _scaled_window(self, length):
        if isinstance(self.window, str):
            window = named_window(self.window, length, self.periodic)
        else:
            window = np.asarray(self.window)
        if window.shape != (length,):
            raise ValueError(
                "The shape of `window` must be equal to [frame_length]. "
                f"Received: window shape={window.shape}"
            )
        if self.scaling == "density":
            return window / np.sqrt(np.sum(np.square(window)))
        if self.scaling == "spectrum":
            return window / np.sum(np.abs(window))
        return window

    def get_config(self):
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}


# Coefficients a_k of sum_k (-1)^k a_k cos(2 pi k n / period).
_COSINE_WINDOWS = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
}


def named_window(name, length, periodic=True):
    """The window `name` of `length` samples, as `scipy.signal.get_window` gives it."""
    coefficients = _COSINE_WINDOWS.get(name)
    if coefficients is None:
        try:
            from scipy.signal import get_window
        except ImportError as error:
            raise ImportError(
                f"The window {name!r} needs SciPy. Without it: {sorted(_COSINE_WINDOWS)}."
            ) from error
        return get_window(name, length, periodic)
    if length == 1:
        return np.ones(1)
    phase = 2 * np.pi * np.arange(length) / (length if periodic else length - 1)
    return sum((-1) ** k * a * np.cos(k * phase) for k, a in enumerate(coefficients))
