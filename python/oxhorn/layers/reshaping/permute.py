from oxhorn import ops
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.reshaping._rearrange import Rearrange


class Permute(Rearrange):
    """Permutes the axes after the batch.

    Args:
        dims: permutation of 1, 2, ..., n; output axis i is input axis `dims[i - 1]`.
    """

    def __init__(self, dims, **kwargs):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` must be "
                f"consecutive and start from 1. Received dims={dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs):
        return ops.transpose(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *(input_shape[dim] for dim in self.dims))

    def get_config(self):
        return {**super().get_config(), "dims": self.dims}
