from oxhorn._base.settings import standardize_data_format
from oxhorn.layers._spatial import replace_spatial
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.regularization.dropout import Dropout


class SpatialDropout(Dropout):
    """Dropout of whole feature maps: one decision per sample and channel."""

    rank = None

    def __init__(self, rate, data_format=None, seed=None, name=None, dtype=None):
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _mask_shape(self, inputs):
        return replace_spatial(inputs.shape, (1,) * self.rank, self.data_format)

    def get_config(self):
        return {
            "rate": self.rate,
            "seed": self.seed,
            "name": self.name,
            "dtype": self.dtype,
            "data_format": self.data_format,
        }


class SpatialDropout1D(SpatialDropout):
    """Dropout of whole channels of `(batch, steps, channels)`."""

    rank = 1

    def __init__(self, rate, seed=None, name=None, dtype=None):
        super().__init__(rate, "channels_last", seed=seed, name=name, dtype=dtype)

    def get_config(self):
        config = super().get_config()
        del config["data_format"]
        return config


class SpatialDropout2D(SpatialDropout):
    """Dropout of whole channels of images."""

    rank = 2


class SpatialDropout3D(SpatialDropout):
    """Dropout of whole channels of volumes."""

    rank = 3
