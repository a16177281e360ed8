from oxhorn import activations
from oxhorn.layers._parameters import adopt, config_of
from oxhorn.layers._same_shape import SameShape
from oxhorn.layers.input_spec import InputSpec


class PReLU(SameShape):
    """`x` above zero, `alpha * x` below, with a learned `alpha`.

    Args:
        shared_axes: axes along which one `alpha` is shared (1 is the first after the batch).
            By default there is an `alpha` per element.
    """

    _parameters = ("alpha_initializer", "alpha_regularizer", "alpha_constraint")

    def __init__(
        self,
        alpha_initializer="Zeros",
        alpha_regularizer=None,
        alpha_constraint=None,
        shared_axes=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        adopt(
            self,
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )
        if shared_axes is not None:
            shared_axes = list(shared_axes) if isinstance(shared_axes, (list, tuple)) else [shared_axes]
        self.shared_axes = shared_axes

    def build(self, input_shape):
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            shape[axis - 1] = 1
        self.alpha = self.add_weight(
            shape=shape,
            name="alpha",
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        fixed = {}
        if self.shared_axes:
            fixed = {i: n for i, n in enumerate(input_shape) if i > 0 and i not in self.shared_axes}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=fixed)

    def call(self, inputs):
        return activations.relu(inputs) - self.alpha * activations.relu(-inputs)

    def get_config(self):
        return {**super().get_config(), **config_of(self, (*self._parameters, "shared_axes"))}
