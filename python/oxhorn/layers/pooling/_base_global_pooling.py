from oxhorn._base.settings import standardize_data_format
from oxhorn.layers._parameters import config_of
from oxhorn.layers._spatial import replace_spatial, spatial_axes
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.layer import Layer


class BaseGlobalPooling(Layer):
    """Base of layers that reduce all spatial axes to one value per channel.

    Args:
        keepdims: whether the spatial axes stay, with size 1.
    """

    rank = None
    _op = None

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._build_at_init()

    def _axes(self):
        return spatial_axes(self.rank, self.data_format)

    def call(self, inputs):
        return self._op(inputs, axis=self._axes(), keepdims=self.keepdims)

    def compute_output_shape(self, input_shape):
        return replace_spatial(input_shape, (1,) * (self.rank if self.keepdims else 0), self.data_format)

    def get_config(self):
        return {**super().get_config(), **config_of(self, ("data_format", "keepdims"))}
