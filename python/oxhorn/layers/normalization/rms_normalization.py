from oxhorn import ops
from oxhorn.layers._parameters import config_of
from oxhorn.layers.normalization._base import AlongAxes


class RMSNormalization(AlongAxes):
    """Divides by the root mean square over `axis`, and multiplies by a learned `scale`.

    Args:
        axis: int or sequence of ints.
        epsilon: float, added to the mean square.
    """

    def __init__(self, axis=-1, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon

    def build(self, input_shape):
        self.axis = sorted(self.axis) if isinstance(self.axis, (list, tuple)) else [self.axis]
        shape = tuple(input_shape[axis] for axis in self.axis)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")

    def call(self, x):
        return ops.rms_normalization(x, scale=self.scale, axis=self.axis, epsilon=self.epsilon)

    def get_config(self):
        return {**super().get_config(), **config_of(self, ("axis", "epsilon"))}
