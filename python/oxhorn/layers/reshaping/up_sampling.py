from oxhorn import ops
from oxhorn._base.argument_validation import standardize_tuple
from oxhorn._base.settings import standardize_data_format
from oxhorn.layers._parameters import with_defaults
from oxhorn.layers._spatial import replace_spatial, spatial_axes, spatial_sizes
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.layer import Layer
from oxhorn.ops.nn.convolution import spread


class UpSampling(Layer):
    """Base of layers that enlarge the spatial axes by whole factors."""

    rank = None

    def __init__(self, size=2, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.size = standardize_tuple(size, self.rank, "size")
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _factors(self):
        return spread(self.size, self.rank)

    def call(self, inputs):
        for axis, factor in zip(spatial_axes(self.rank, self.data_format), self._factors()):
            inputs = ops.repeat(inputs, factor, axis=axis)
        return inputs

    def compute_output_shape(self, input_shape):
        sizes = spatial_sizes(input_shape, self.data_format)
        sizes = (None if n is None else n * factor for n, factor in zip(sizes, self._factors()))
        return replace_spatial(input_shape, sizes, self.data_format)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}


class UpSampling1D(UpSampling):
    """Repeats each step of `(batch, steps, channels)` `size` times."""

    rank = 1

    def __init__(self, size=2, **kwargs):
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"Expected an integer value for `size`, got {type(size)}.")
        if size <= 0:
            raise ValueError(f"Argument `size` should be a positive integer. Received: size={size}")
        super().__init__(size, "channels_last", **kwargs)
        self.size = size

    def get_config(self):
        config = super().get_config()
        del config["data_format"]
        return config


class UpSampling2D(UpSampling):
    """Enlarges images.

    Args:
        size: int, or a pair of factors (height, width).
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
    """

    rank = 2

    def __init__(self, size=(2, 2), data_format=None, interpolation="nearest", **kwargs):
        super().__init__(size, data_format, **kwargs)
        self.interpolation = interpolation.lower()

    def call(self, inputs):
        if self.interpolation == "nearest":
            return super().call(inputs)
        size = spatial_sizes(self.compute_output_shape(inputs.shape), self.data_format)
        return ops.image.resize(inputs, size, interpolation=self.interpolation, data_format=self.data_format)

    def get_config(self):
        return {**super().get_config(), "interpolation": self.interpolation}


@with_defaults(size=(2, 2, 2))
class UpSampling3D(UpSampling):
    """Repeats each voxel along three axes."""

    rank = 3
