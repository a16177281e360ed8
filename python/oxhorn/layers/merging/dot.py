import string

from oxhorn import ops
from oxhorn.layers.merging._base import Merge


def _batch_dot(x, y, axes):
    """Contracts axis `axes[0]` of `x` with `axes[1]` of `y`, sample by sample.

    The result has the batch, the other axes of `x`, then those of `y`; if there are none, one of size 1.
    """
    letters = iter(string.ascii_lowercase)
    batch, summed = next(letters), next(letters)
    terms = []
    for tensor, axis in zip((x, y), axes):
        term = [batch, *(next(letters) for _ in tensor.shape[1:])]
        term[axis] = summed
        terms.append("".join(term))
    result = batch + "".join(c for term in terms for c in term[1:] if c != summed)
    output = ops.einsum(f"{terms[0]},{terms[1]}->{result}", x, y)
    return ops.expand_dims(output, -1) if len(result) == 1 else output


class Dot(Merge):
    """Product of two tensors over one axis of each, sample by sample.

    Args:
        axes: int, or a pair: the axis to sum over in both, or in each.
        normalize: whether to scale to unit length along that axis first (cosine similarity).
    """

    def __init__(self, axes, normalize=False, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            problem = None
            if not isinstance(axes, (list, tuple)):
                raise TypeError(
                    f"Invalid type for argument `axes`: it should be a list or an int. Received: axes={axes}"
                )
            if len(axes) != 2:
                problem = "it should contain two elements."
            elif not all(isinstance(axis, int) for axis in axes):
                problem = "list elements should be integers."
            if problem:
                raise ValueError(f"Invalid format for argument `axes`: {problem} Received: axes={axes}")
        self.axes = axes
        self.normalize = normalize

    def _positive_axes(self, shapes):
        axes = [self.axes] * 2 if isinstance(self.axes, int) else self.axes
        axes = [axis % len(shape) if axis < 0 else axis for axis, shape in zip(axes, shapes)]
        if 0 in axes:
            raise ValueError(
                "Cannot perform `Dot` over axis 0, the batch. If your inputs are not batched, add a batch "
                f"dimension with keras.ops.expand_dims(x, 0). Received: axes={self.axes}"
            )
        return axes

    def build(self, input_shape):
        self._check_two(input_shape)
        shape1, shape2 = input_shape
        axes = self._positive_axes(input_shape)
        if shape1[axes[0]] != shape2[axes[1]]:
            raise ValueError(
                f"Incompatible input shapes: axis values {shape1[axes[0]]} (at axis {axes[0]}) != "
                f"{shape2[axes[1]]} (at axis {axes[1]}). Full input shapes: {shape1}, {shape2}"
            )

    def _check_two(self, input_shape):
        if len(input_shape) != 2 or not all(isinstance(shape, (tuple, list)) for shape in input_shape):
            raise ValueError(
                f"A `Dot` layer should be called on a list of 2 inputs. Received: input_shape={input_shape}"
            )

    def call(self, inputs):
        self._check_two([tuple(x.shape) for x in inputs])
        axes = self._positive_axes([x.shape for x in inputs])
        if self.normalize:
            inputs = [ops.normalize(x, axis=axis) for x, axis in zip(inputs, axes)]
        return _batch_dot(*inputs, axes)

    def compute_output_shape(self, input_shape):
        self._check_two(input_shape)
        axis1, axis2 = self._positive_axes(input_shape)
        shape1, shape2 = list(input_shape[0]), list(input_shape[1])
        del shape1[axis1], shape2[axis2]
        shape = [*shape1, *shape2[1:]]
        return tuple(shape) if len(shape) > 1 else (*shape, 1)

    def compute_mask(self, inputs, mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs, axes=-1, **kwargs):
    """`Dot(axes=axes, **kwargs)(inputs)`."""
    return Dot(axes=axes, **kwargs)(inputs)
