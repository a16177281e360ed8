from oxhorn import ops
from oxhorn.layers.pooling._base_global_pooling import BaseGlobalPooling


class GlobalAveragePooling1D(BaseGlobalPooling):
    """Mean over all steps: `(batch, steps, channels)` to `(batch, channels)`.

    Call arguments:
        mask: boolean `(batch, steps)`; steps where it is false do not count.
    """

    rank = 1
    _op = staticmethod(ops.mean)

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return super().call(inputs)
        axis = self._axes()
        mask = ops.cast(ops.expand_dims(mask, 2 if self.data_format == "channels_last" else 1), "bool")
        total = ops.sum(ops.where(mask, inputs, 0), axis=axis, keepdims=self.keepdims)
        count = ops.sum(ops.cast(mask, inputs.dtype), axis=axis, keepdims=self.keepdims)
        return total / count

    def compute_mask(self, inputs, mask=None):
        return None


class GlobalAveragePooling2D(BaseGlobalPooling):
    """Mean over all pixels: `(batch, height, width, channels)` to `(batch, channels)`."""

    rank = 2
    _op = staticmethod(ops.mean)


class GlobalAveragePooling3D(BaseGlobalPooling):
    """Mean over all voxels."""

    rank = 3
    _op = staticmethod(ops.mean)
