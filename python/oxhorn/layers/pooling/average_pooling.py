from oxhorn import ops
from oxhorn.layers.pooling._base_pooling import BasePooling


class AveragePooling(BasePooling):
    """Base of layers that average each window; padding does not count."""

    _op = staticmethod(ops.average_pool)


class AveragePooling1D(AveragePooling):
    """Mean over windows of steps."""

    rank = 1


class AveragePooling2D(AveragePooling):
    """Mean over windows of an image."""

    rank = 2


class AveragePooling3D(AveragePooling):
    """Mean over windows of a volume."""

    rank = 3
