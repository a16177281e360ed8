from oxhorn import ops
from oxhorn._base.dtypes import result_type
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.normalization._base import Normalization


class GroupNormalization(Normalization):
    """Normalises each sample by the mean and variance of groups of channels (Wu and He, 2018).

    Args:
        groups: int that divides the number of channels; -1 for a group per channel (instance
            normalisation).
        axis: int, the axis of the channels.
        epsilon: float, added to the variance.
        center, scale: whether to add a learned `beta` and multiply by a learned `gamma`, per channel.
    """

    _parameters = ("groups", *Normalization._parameters)

    def __init__(
        self,
        groups=32,
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
        if not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(
                "Received an invalid value for argument `groups`, expected a positive integer (or `-1` for "
                f"instance normalization). Received: groups={groups}"
            )
        super().__init__(**kwargs)
        self._configure(
            axis=axis,
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
        self.groups = groups
        self.autocast = False

    def build(self, input_shape):
        channels = input_shape[self.axis]
        if channels is None:
            raise ValueError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer received an "
                f"input with shape {input_shape}."
            )
        if self.groups == -1:
            self.groups = channels
        if channels < self.groups:
            raise ValueError(
                f"Number of groups ({self.groups}) cannot be more than the number of channels ({channels})."
            )
        if channels % self.groups != 0:
            raise ValueError(
                f"Number of groups ({self.groups}) must be a multiple of the number of channels ({channels})."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        self._add_gamma_and_beta((channels,))

    def call(self, inputs):
        shape = tuple(inputs.shape)
        axis = self.axis % len(shape)
        per_group = shape[axis] // self.groups
        dtype = result_type(inputs.dtype, "float32")
        # The channel axis becomes two: groups, and channels within a group.
        x = ops.reshape(ops.cast(inputs, dtype), (*shape[:axis], self.groups, per_group, *shape[axis + 1 :]))
        axes = [a for a in range(1, len(x.shape)) if a != axis]
        mean, variance = ops.moments(x, axes=axes, keepdims=True)
        one_per_channel = [1] * len(x.shape)
        one_per_channel[axis : axis + 2] = self.groups, per_group
        scale = ops.rsqrt(variance + self.epsilon)
        if self.scale:
            scale = scale * ops.cast(ops.reshape(self.gamma, one_per_channel), dtype)
        offset = -mean * scale
        if self.center:
            offset = offset + ops.cast(ops.reshape(self.beta, one_per_channel), dtype)
        return ops.cast(ops.reshape(x * scale + offset, shape), self.compute_dtype)
