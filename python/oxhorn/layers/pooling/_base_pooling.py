from oxhorn._base.argument_validation import standardize_padding, standardize_tuple
from oxhorn._base.settings import standardize_data_format
from oxhorn.layers._parameters import config_of
from oxhorn.layers._spatial import window_output_shape
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.layer import Layer


class BasePooling(Layer):
    """Base of layers that reduce each window of the spatial axes to one value per channel.

    Args:
        pool_size: int or tuple: the window.
        strides: int or tuple; by default the window.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
    """

    rank = None
    _op = None

    def __init__(self, pool_size, strides=None, padding="valid", data_format=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        strides = pool_size if strides is None else strides
        self.pool_size = standardize_tuple(pool_size, self.rank, "pool_size")
        self.strides = standardize_tuple(strides, self.rank, "strides")
        self.padding = standardize_padding(padding)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._build_at_init()

    def call(self, inputs):
        return self._op(
            inputs,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape):
        return window_output_shape(input_shape, self.pool_size, self.strides, self.padding, self.data_format)

    def get_config(self):
        names = ("pool_size", "padding", "strides", "data_format")
        return {**super().get_config(), **config_of(self, names)}
