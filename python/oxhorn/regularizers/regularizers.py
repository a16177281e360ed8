"""Penalties on weights and outputs."""

import math

import numpy as np

from oxhorn import ops


class Regularizer:
    """A function from a tensor to a scalar that is added to the loss.

    Subclasses define `__call__(x)` and `get_config()`.
    """

    _keras_module = "keras"

    def __call__(self, x):
        """The penalty, a scalar."""
        return 0.0

    @classmethod
    def from_config(cls, config):
        """The regularizer that `get_config()` described."""
        return cls(**config)

    def get_config(self):
        """The constructor arguments as a dict that JSON can hold."""
        raise NotImplementedError(f"{self} does not implement get_config()")


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x ** 2)`."""

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = validate_float_arg(0.0 if l1 is None else l1, name="l1")
        self.l2 = validate_float_arg(0.0 if l2 is None else l2, name="l2")

    def __call__(self, x):
        penalty = ops.zeros((), dtype=x.dtype)
        if self.l1:
            penalty = penalty + self.l1 * ops.sum(ops.absolute(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """`l1 * sum(|x|)`."""

    def __init__(self, l1=0.01):
        self.l1 = _single(validate_float_arg(0.01 if l1 is None else l1, name="l1"))

    def __call__(self, x):
        return self.l1 * ops.sum(ops.absolute(x))

    def get_config(self):
        return {"l1": self.l1}


class L2(Regularizer):
    """`l2 * sum(x ** 2)`."""

    def __init__(self, l2=0.01):
        self.l2 = validate_float_arg(0.01 if l2 is None else l2, name="l2")

    def __call__(self, x):
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self):
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """Mean absolute cosine between the rows (or columns) of a matrix, times `factor`.

    Raises ValueError for inputs whose rank is not 2.
    """

    def __init__(self, factor=0.01, mode="rows"):
        self.factor = _single(validate_float_arg(factor, name="factor"))
        if mode not in ("rows", "columns"):
            raise ValueError(
                'Invalid value for argument `mode`. Expected one of {"rows", "columns"}. '
                f"Received: mode={mode}"
            )
        self.mode = mode

    def __call__(self, inputs):
        if len(inputs.shape) != 2:
            raise ValueError(
                f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={inputs.shape}"
            )
        rows = inputs if self.mode == "rows" else ops.transpose(inputs)
        rows = ops.normalize(rows, axis=1)
        size = rows.shape[0]
        cosines = ops.matmul(rows, ops.transpose(rows)) * (1.0 - ops.eye(size, dtype=rows.dtype))
        pairs = size * (size - 1.0) / 2.0
        return self.factor * 0.5 * ops.sum(ops.absolute(cosines)) / pairs

    def get_config(self):
        return {"factor": self.factor, "mode": self.mode}


def validate_float_arg(value, name):
    """`value` as a float; ValueError unless it is a finite number >= 0."""
    if not isinstance(value, (float, int)) or not math.isfinite(value) or value < 0:
        raise ValueError(
            f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}"
        )
    return float(value)


def _single(value):
    """Rounded to single precision, as Keras stores it in configs."""
    return float(np.float32(value))
