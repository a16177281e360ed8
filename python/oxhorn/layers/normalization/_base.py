from oxhorn.layers._parameters import adopt, config_of
from oxhorn.layers.layer import Layer


def check_axes(axis, input_shape):
    """Raises ValueError if one of `axis` (int or sequence) is not an axis of the shape."""
    rank = len(input_shape)
    for a in axis if isinstance(axis, (list, tuple)) else [axis]:
        if not -rank <= a < rank:
            raise ValueError(
                f"Axis {a} is out of bounds for input shape {input_shape}. Received: axis={axis}"
            )


def standardize_axis(axis):
    """An int, or a sequence of ints as a list; TypeError for anything else."""
    if isinstance(axis, (list, tuple)):
        return list(axis)
    if isinstance(axis, int):
        return axis
    raise TypeError(
        f"Expected an int or a list/tuple of ints for the argument 'axis', but received instead: axis={axis}"
    )


class AlongAxes(Layer):
    """A layer with an attribute `axis` that keeps the shape of its input."""

    def compute_output_shape(self, input_shape):
        check_axes(self.axis, input_shape)
        return input_shape


class Normalization(AlongAxes):
    """Base of layers that normalise, then scale by a learned `gamma` and shift by a learned `beta`."""

    _parameters = (
        "axis",
        "epsilon",
        "center",
        "scale",
        "beta_initializer",
        "gamma_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
    )

    def _configure(self, **parameters):
        adopt(self, **parameters)
        self.supports_masking = True
        self.gamma = self.beta = None

    def _add_gamma_and_beta(self, shape):
        if self.scale:
            self.gamma = self._add_parameter("gamma", shape)
        if self.center:
            self.beta = self._add_parameter("beta", shape)

    def _add_parameter(self, name, shape):
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer"),
            constraint=getattr(self, f"{name}_constraint"),
            autocast=False,
        )

    def get_config(self):
        return {**super().get_config(), **config_of(self, self._parameters)}
