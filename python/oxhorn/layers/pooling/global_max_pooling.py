from oxhorn import ops
from oxhorn.layers.pooling._base_global_pooling import BaseGlobalPooling


class GlobalMaxPooling1D(BaseGlobalPooling):
    """Maximum over all steps: `(batch, steps, channels)` to `(batch, channels)`."""

    rank = 1
    _op = staticmethod(ops.max)


class GlobalMaxPooling2D(BaseGlobalPooling):
    """Maximum over all pixels: `(batch, height, width, channels)` to `(batch, channels)`."""

    rank = 2
    _op = staticmethod(ops.max)


class GlobalMaxPooling3D(BaseGlobalPooling):
    """Maximum over all voxels."""

    rank = 3
    _op = staticmethod(ops.max)
