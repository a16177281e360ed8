from oxhorn import ops
from oxhorn._base.settings import standardize_data_format
from oxhorn.layers._spatial import replace_spatial
from oxhorn.layers.layer import Layer


class AdaptivePooling(Layer):
    """Base of layers that pool to a given size, with windows that follow from it.

    Args:
        output_size: int, or a tuple of an int per spatial axis.
    """

    rank = None
    _op = None

    def __init__(self, output_size, data_format=None, **kwargs):
        super().__init__(**kwargs)
        if isinstance(output_size, int):
            output_size = (output_size,) * self.rank
        elif not isinstance(output_size, (tuple, list)) or (len(output_size) != self.rank and self.rank > 1):
            raise TypeError(
                f"`output_size` must be an integer or a tuple of {self.rank} integers. "
                f"Received: {output_size} of type {type(output_size)}"
            )
        elif len(output_size) != 1 and self.rank == 1:
            raise ValueError(f"For 1D input, `output_size` tuple must have length 1. Received: {output_size}")
        self.output_size = tuple(output_size)
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs):
        return self._op(inputs, output_size=self.output_size, data_format=self.data_format)

    def compute_output_shape(self, input_shape):
        return replace_spatial(input_shape, self.output_size, self.data_format)

    def get_config(self):
        return {
            **super().get_config(),
            "output_size": self.output_size,
            "data_format": self.data_format,
        }


class AdaptiveAveragePooling1D(AdaptivePooling):
    """Means of `output_size` windows of steps."""

    rank = 1
    _op = staticmethod(ops.adaptive_average_pool)


class AdaptiveAveragePooling2D(AdaptivePooling):
    """Means of windows of an image."""

    rank = 2
    _op = staticmethod(ops.adaptive_average_pool)


class AdaptiveAveragePooling3D(AdaptivePooling):
    """Means of windows of a volume."""

    rank = 3
    _op = staticmethod(ops.adaptive_average_pool)


class AdaptiveMaxPooling1D(AdaptivePooling):
    """Maxima of `output_size` windows of steps."""

    rank = 1
    _op = staticmethod(ops.adaptive_max_pool)


class AdaptiveMaxPooling2D(AdaptivePooling):
    """Maxima of windows of an image."""

    rank = 2
    _op = staticmethod(ops.adaptive_max_pool)


class AdaptiveMaxPooling3D(AdaptivePooling):
    """Maxima of windows of a volume."""

    rank = 3
    _op = staticmethod(ops.adaptive_max_pool)
