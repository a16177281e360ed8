from oxhorn.layers._parameters import with_defaults
from oxhorn.layers.reshaping._margins import Margins


class Cropping(Margins):
    """Base of layers that cut off the ends of the spatial axes."""

    _name = "cropping"
    _too_much = (
        "Values in `cropping` argument should be smaller than the corresponding spatial dimension of the "
        "input."
    )

    def __init__(self, cropping=((0, 0), (0, 0)), data_format=None, **kwargs):
        super().__init__(cropping, data_format, **kwargs)

    def call(self, inputs):
        kept = self.compute_output_shape(inputs.shape)
        return inputs[tuple(slice(m[0], m[0] + n) for m, n in zip(self._margins(), kept))]

    def compute_output_shape(self, input_shape):
        shape = tuple(
            size if size is None else size - before - after
            for size, (before, after) in zip(input_shape, self._margins())
        )
        if any(now is not None and now <= 0 and now != was for was, now in zip(input_shape, shape)):
            raise ValueError(
                f"{self._too_much} Received: input_shape={tuple(input_shape)}, cropping={self.cropping}"
            )
        return shape


class Cropping1D(Cropping):
    """Cuts off steps of `(batch, steps, channels)`.

    Args:
        cropping: int, or a pair (from the start, from the end).
    """

    rank = 1
    _too_much = "`cropping` parameter of `Cropping1D` layer must be smaller than the input length."

    def __init__(self, cropping=(1, 1), **kwargs):
        super().__init__(cropping, "channels_last", **kwargs)

    def get_config(self):
        config = super().get_config()
        del config["data_format"]
        return config


class Cropping2D(Cropping):
    """Cuts off rows and columns of images.

    Args:
        cropping: int, two ints (height, width), or two pairs ((top, bottom), (left, right)).
    """

    rank = 2


@with_defaults(cropping=((1, 1), (1, 1), (1, 1)))
class Cropping3D(Cropping):
    """Cuts off the ends of volumes.

    Args:
        cropping: int, three ints, or three pairs (from the start, from the end).
    """

    rank = 3
