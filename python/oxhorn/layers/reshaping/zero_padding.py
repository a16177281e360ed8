from oxhorn import ops
from oxhorn.layers._parameters import with_defaults
from oxhorn.layers.reshaping._margins import Margins


class ZeroPadding(Margins):
    """Base of layers that pad the spatial axes with zeros."""

    _name = "padding"

    def __init__(self, padding=1, data_format=None, **kwargs):
        super().__init__(padding, data_format, **kwargs)

    def call(self, inputs):
        return ops.pad(inputs, self._margins())

    def compute_output_shape(self, input_shape):
        return tuple(
            size if size is None else size + before + after
            for size, (before, after) in zip(input_shape, self._margins())
        )


class ZeroPadding1D(ZeroPadding):
    """Pads `(batch, steps, channels)` with zeros along the steps.

    Args:
        padding: int, or a pair (before, after).
    """

    rank = 1


@with_defaults(padding=(1, 1))
class ZeroPadding2D(ZeroPadding):
    """Pads images with zeros.

    Args:
        padding: int, two ints (height, width), or two pairs ((top, bottom), (left, right)).
    """

    rank = 2


@with_defaults(padding=((1, 1), (1, 1), (1, 1)))
class ZeroPadding3D(ZeroPadding):
    """Pads volumes with zeros.

    Args:
        padding: int, three ints, or three pairs (before, after).
    """

    rank = 3
