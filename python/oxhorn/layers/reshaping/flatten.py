import math

from oxhorn import ops
from oxhorn._base.settings import standardize_data_format
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.reshaping._rearrange import Rearrange


class Flatten(Rearrange):
    """`(batch, ...)` to `(batch, features)`; `(batch,)` becomes `(batch, 1)`.

    Args:
        data_format: with `"channels_first"` the channels are made the last axis before flattening, so
            that the order of features does not depend on the format.
    """

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs):
        rank = len(inputs.shape)
        if self.data_format == "channels_first" and rank > 1:
            inputs = ops.transpose(inputs, (0, *range(2, rank), 1))
        return ops.reshape(inputs, self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape):
        features = None if None in input_shape[1:] else math.prod(input_shape[1:])
        return (input_shape[0], features)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}
