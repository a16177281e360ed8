import math

from oxhorn import ops
from oxhorn.layers.reshaping._rearrange import Rearrange


class Reshape(Rearrange):
    """Gives the axes after the batch another shape, in row-major order.

    Args:
        target_shape: tuple of ints, without the batch; one may be -1, and is then inferred.
    """

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        sizes = [size for size in self.target_shape if size is not None]
        if any(size < -1 for size in sizes):
            raise ValueError(
                "Each dimension in `target_shape` must be a non-negative integer, or `-1` for a single "
                f"unknown dimension. Received: target_shape={self.target_shape}."
            )
        if sizes.count(-1) > 1:
            raise ValueError(
                "There must be at most one unknown dimension (-1) in `target_shape`. "
                f"Received: target_shape={self.target_shape}."
            )
        self.built = True

    def call(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return ops.reshape(inputs, tuple(-1 if size is None else size for size in shape))

    def compute_output_shape(self, input_shape):
        features, target = tuple(input_shape[1:]), self.target_shape
        if None in features or None in target:
            return (input_shape[0], *(None if size == -1 else size for size in target))
        have, want = math.prod(features), math.prod(size for size in target if size != -1)
        if -1 not in target and have == want:
            return (input_shape[0], *target)
        if -1 in target and want > 0 and have % want == 0:
            return (input_shape[0], *(have // want if size == -1 else size for size in target))
        raise ValueError(
            "The total size of the tensor must be unchanged. "
            f"Received: input_shape={features}, target_shape={target}"
        )

    def get_config(self):
        return {**super().get_config(), "target_shape": self.target_shape}
