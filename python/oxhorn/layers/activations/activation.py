from oxhorn.layers._parameters import adopt, config_of
from oxhorn.layers._same_shape import SameShape


class Activation(SameShape):
    """Applies an activation function to its input.

    Args:
        activation: a function, or the name of one in `keras.activations`.
    """

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        adopt(self, activation=activation)
        self._build_at_init()

    def call(self, inputs):
        return self.activation(inputs)

    def get_config(self):
        return {**super().get_config(), **config_of(self, ["activation"])}
