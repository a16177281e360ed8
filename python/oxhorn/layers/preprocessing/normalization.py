import itertools
import math

import numpy as np

from oxhorn import ops
from oxhorn._base.convert import is_tensor
from oxhorn._base.settings import epsilon
from oxhorn.layers._same_shape import SameShape


class Normalization(SameShape):
    """Shifts and scales features to mean 0 and variance 1: `(inputs - mean) / sqrt(variance)`.

    Mean and variance are given, or found in data by `adapt()`.

    Args:
        axis: int or ints: axes whose entries have a mean and a variance of their own; None: one for all.
        mean, variance: numbers, or arrays that fit the shape of the axes; both or neither.
        invert: do the opposite, `inputs * sqrt(variance) + mean`.

    Raises:
        ValueError: only one of `mean` and `variance`, shapes that do not fit, or (when built) an axis that is
            not there or has no known size.
    """

    def __init__(self, axis=-1, mean=None, variance=None, invert=False, **kwargs):
        super().__init__(**kwargs)
        self._allow_non_tensor_positional_args = True
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert
        self.mean = self.variance = None
        self._build_input_shape = None
        if (mean is None) != (variance is None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. "
                f"Received: mean={mean} and variance={variance}"
            )
        if np.shape(mean) != np.shape(variance):
            raise ValueError(
                "When setting values directly, `mean` and `variance` must have the same shape. "
                f"Received: mean shape {np.shape(mean)} and variance shape {np.shape(variance)}"
            )
        if np.ndim(mean) > len(self.axis):
            raise ValueError(
                f"The rank of `mean` must be less than or equal to the number of axes ({len(self.axis)}). "
                f"Received: mean shape {np.shape(mean)} for axis {self.axis}"
            )

    def build(self, input_shape):
        if input_shape is None:
            return
        rank = len(input_shape)
        self._build_input_shape = input_shape
        if any(not -rank <= a < rank for a in self.axis):
            raise ValueError(
                "All `axis` values must be in the range [-ndim, ndim). Received inputs with "
                f"ndim={rank}, while axis={self.axis}"
            )
        self._keep_axis = tuple(sorted(a % rank for a in self.axis))
        self._reduce_axis = tuple(d for d in range(rank) if d not in self._keep_axis)
        for d in self._keep_axis:
            if input_shape[d] is None:
                raise ValueError(
                    f"All `axis` values to be kept must have a known shape. Received axis={self.axis}, "
                    f"inputs.shape={input_shape}, with unknown axis at index {d}"
                )
        self._broadcast_shape = [input_shape[d] if d in self._keep_axis else 1 for d in range(rank)]
        shape = tuple(input_shape[d] for d in self._keep_axis)
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
            self.adapt_variance = self.add_weight(
                name="variance", shape=shape, initializer="ones", trainable=False
            )
            self.count = self.add_weight(
                name="count", shape=(), dtype="int", initializer="zeros", trainable=False
            )
            self.built = True
            self.finalize_state()
        else:
            self.mean = self._broadcast(np.broadcast_to(self.input_mean, shape))
            self.variance = self._broadcast(np.broadcast_to(self.input_variance, shape))

    def _broadcast(self, value):
        return ops.reshape(ops.cast(value, self.compute_dtype), self._broadcast_shape)

    def adapt(self, data):
        """Sets mean and variance to those of data.

        Args:
            data: array, tensor, `PyDataset`, or an iterable of batches. Of batches that are tuples the first
                entry counts.

        Raises:
            ValueError: shapes that differ from those that the layer was built for, or no data.
            TypeError: data of another kind.
        """
        if isinstance(data, np.ndarray) or is_tensor(data):
            self._check_shape(tuple(data.shape))
            if isinstance(data, np.ndarray):
                mean = np.mean(data, axis=self._reduce_axis)
                variance = np.var(data, axis=self._reduce_axis)
            else:
                mean = ops.mean(data, axis=self._reduce_axis)
                variance = ops.var(data, axis=self._reduce_axis)
        else:
            mean, variance = self._moments_of_batches(_batches(data))
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)
        self.finalize_state()

    def _check_shape(self, shape):
        if not self.built:
            self.build(shape)
            return
        if len(shape) != len(self._build_input_shape) or any(
            shape[d] != self._build_input_shape[d] for d in self._keep_axis
        ):
            raise ValueError(
                f"The layer was built with input_shape={self._build_input_shape}, but adapt() is being "
                f"called with data with an incompatible shape, data.shape={shape}"
            )

    def _moments_of_batches(self, batches):
        """Mean and variance by the updating formulas of Chan, Golub and LeVeque (1979)."""
        mean = variance = 0.0
        count = 0
        for batch in batches:
            self._check_shape(tuple(batch.shape))
            batch = np.asarray(batch, dtype="float64")
            size = math.prod(batch.shape[d] for d in self._reduce_axis)
            count += size
            weight = size / count if count else 0.0
            batch_mean = np.mean(batch, axis=self._reduce_axis)
            new_mean = mean * (1 - weight) + batch_mean * weight
            variance = (variance + (mean - new_mean) ** 2) * (1 - weight) + (
                np.var(batch, axis=self._reduce_axis) + (batch_mean - new_mean) ** 2
            ) * weight
            mean = new_mean
        return mean, variance

    def finalize_state(self):
        """Takes mean and variance from the weights."""
        if self.input_mean is None and self.built:
            self.mean = self._broadcast(self.adapt_mean.value)
            self.variance = self._broadcast(self.adapt_variance.value)

    def call(self, inputs):
        if self.mean is None:
            raise ValueError("You must call `.build(input_shape)` on the layer before using it.")
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        deviation = ops.maximum(ops.sqrt(self.variance), epsilon())
        return self.mean + inputs * deviation if self.invert else (inputs - self.mean) / deviation

    def get_config(self):
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": np.array(self.input_mean).tolist(),
            "variance": np.array(self.input_variance).tolist(),
        }

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.finalize_state()

    def get_build_config(self):
        return {"input_shape": self._build_input_shape} if self._build_input_shape else None

    def build_from_config(self, config):
        if config:
            self.build(config["input_shape"])


def _batches(data):
    """The arrays of a data set, of which there must be one."""
    if not hasattr(data, "__iter__"):
        raise TypeError(
            f"Unsupported data type: {type(data)}. `adapt` supports `np.ndarray`, tensors, "
            "`keras.utils.PyDataset`, and iterables of batches (e.g. list, generator)."
        )
    batches = (batch[0] if isinstance(batch, tuple) else batch for batch in data)
    first = next(batches, None)
    if first is None:
        raise ValueError(
            "adapt() received an empty iterable (no batches). Expected at least one batch, e.g. "
            "`layer.adapt([x])`."
        )
    if not hasattr(first, "shape"):
        raise TypeError(
            "adapt() expects an iterable that yields arrays or tensors with a `.shape` attribute. "
            f"Got an element of type {type(first).__name__}."
        )
    return itertools.chain([first], batches)
