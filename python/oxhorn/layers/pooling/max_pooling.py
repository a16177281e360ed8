from oxhorn import ops
from oxhorn.layers._parameters import with_defaults
from oxhorn.layers.pooling._base_pooling import BasePooling


class MaxPooling(BasePooling):
    """Base of layers that take the maximum of each window."""

    _op = staticmethod(ops.max_pool)


@with_defaults(pool_size=2)
class MaxPooling1D(MaxPooling):
    """Maximum over windows of steps."""

    rank = 1


@with_defaults(pool_size=(2, 2))
class MaxPooling2D(MaxPooling):
    """Maximum over windows of an image."""

    rank = 2


@with_defaults(pool_size=(2, 2, 2))
class MaxPooling3D(MaxPooling):
    """Maximum over windows of a volume."""

    rank = 3
