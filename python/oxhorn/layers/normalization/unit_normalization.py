from oxhorn import ops
from oxhorn.layers.normalization._base import AlongAxes, standardize_axis


class UnitNormalization(AlongAxes):
    """Scales each sample so that its Euclidean norm over `axis` is 1.

    Args:
        axis: int or sequence of ints.
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = standardize_axis(axis)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs):
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}
