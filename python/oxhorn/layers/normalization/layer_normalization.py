import warnings

from oxhorn import ops
from oxhorn.layers.normalization._base import Normalization, standardize_axis


class LayerNormalization(Normalization):
    """Normalises each sample by the mean and variance over `axis` (Ba et al., 2016).

    Args:
        axis: int or sequence of ints.
        epsilon: float, added to the variance.
        center, scale: whether to add a learned `beta` and multiply by a learned `gamma`, both of the shape
            of the normalised axes.
    """

    _parameters = (*Normalization._parameters, "rms_scaling")

    def __init__(
        self,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        rms_scaling = kwargs.pop("rms_scaling", False)
        if rms_scaling:
            warnings.warn(
                "`rms_scaling=True` is deprecated: it scales by the variance, not by the root mean square. "
                "Use `keras.layers.RMSNormalization` instead.",
                stacklevel=2,
            )
        super().__init__(**kwargs)
        self._configure(
            axis=standardize_axis(axis),
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        self.rms_scaling = rms_scaling
        self.autocast = False

    def build(self, input_shape):
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        shape = tuple(input_shape[axis] for axis in self.axis)
        if self.scale or self.rms_scaling:
            self.gamma = self._add_parameter("gamma", shape)
        if self.center and not self.rms_scaling:
            self.beta = self._add_parameter("beta", shape)

    def call(self, inputs):
        extra = {"rms_scaling": True} if self.rms_scaling else {}
        outputs = ops.layer_normalization(
            inputs, self.gamma, self.beta, axis=self.axis, epsilon=self.epsilon, **extra
        )
        return ops.cast(outputs, self.compute_dtype)
