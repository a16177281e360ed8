from oxhorn import initializers, ops
from oxhorn._base.dtypes import result_type
from oxhorn._base.settings import epsilon as fuzz
from oxhorn.layers._parameters import adopt
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.normalization._base import Normalization


class BatchNormalization(Normalization):
    """Normalises each channel by the mean and variance of the batch (Ioffe and Szegedy, 2015).

    While training it uses the batch's own statistics and updates moving averages of them; otherwise, or
    when the layer is frozen (`trainable = False`), it uses the moving averages.

    Args:
        axis: int, the axis of the channels.
        momentum: float, the weight of the old value in the moving averages.
        epsilon: float, added to the variance.
        center, scale: whether to add a learned `beta` and multiply by a learned `gamma`.
        renorm: whether to correct the batch's statistics towards the moving ones (Ioffe, 2017, Batch
            Renormalization), for small batches; `renorm_clipping` may hold "rmin", "rmax" and "dmax",
            `renorm_momentum` is that of the statistics corrected towards.
        synchronized: not supported; raises ValueError.

    Call arguments:
        mask: boolean, of the input's shape without the channels; where it is false, elements do not count
            in the statistics.
    """

    _parameters = (
        *Normalization._parameters,
        "momentum",
        "moving_mean_initializer",
        "moving_variance_initializer",
        "synchronized",
        "renorm",
        "renorm_clipping",
        "renorm_momentum",
    )

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        renorm=False,
        renorm_clipping=None,
        renorm_momentum=0.99,
        synchronized=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if synchronized:
            raise ValueError("Argument synchronized=True is only supported with the TensorFlow backend.")
        if renorm:
            renorm_clipping = renorm_clipping or {}
            _check_clipping(renorm_clipping)
        self._configure(
            axis=int(axis),
            epsilon=float(epsilon),
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        adopt(
            self,
            momentum=float(momentum),
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            synchronized=synchronized,
            renorm=renorm,
            renorm_clipping=renorm_clipping,
            renorm_momentum=renorm_momentum,
        )
        self.moving_mean = self.moving_variance = None
        self._reduction_axes = None

    def build(self, input_shape):
        shape = (input_shape[self.axis],)
        self._add_gamma_and_beta(shape)
        self.moving_mean = self._add_statistic("moving_mean", shape, self.moving_mean_initializer)
        self.moving_variance = self._add_statistic("moving_variance", shape, self.moving_variance_initializer)
        if self.renorm:
            self.moving_stddev = self._add_statistic("moving_stddev", shape, self._initial_stddev)
            self.renorm_mean = self._add_statistic("renorm_mean", shape, _clone(self.moving_mean_initializer))
            self.renorm_stddev = self._add_statistic("renorm_stddev", shape, self._initial_stddev)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: input_shape[self.axis]})
        axes = list(range(len(input_shape)))
        del axes[self.axis]
        self._reduction_axes = axes

    def _add_statistic(self, name, shape, initializer):
        return self.add_weight(
            shape=shape, name=name, initializer=initializer, trainable=False, autocast=False
        )

    def _initial_stddev(self, shape, dtype=None):
        return ops.sqrt(_clone(self.moving_variance_initializer)(shape, dtype=dtype))

    def call(self, inputs, training=None, mask=None):
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                "The mask provided should be one dimension less than the inputs. "
                f"Received: mask.shape={mask.shape}, inputs.shape={inputs.shape}"
            )
        dtype = result_type(inputs.dtype, "float32")
        inputs = ops.cast(inputs, dtype)
        gamma = ops.cast(self.gamma, dtype) if self.scale else None
        beta = ops.cast(self.beta, dtype) if self.center else None
        if training and self.trainable:
            mean, variance = self._moments(inputs, mask)
            if self.renorm:
                gamma, beta = self._renormalized(mean, variance, gamma, beta)
                self._update_renorm_statistics(mean, variance)
            else:
                _move(self.moving_mean, mean, self.momentum)
                _move(self.moving_variance, variance, self.momentum)
        else:
            mean = ops.cast(self.moving_mean, dtype)
            variance = ops.cast(self.moving_variance, dtype)
        outputs = ops.batch_normalization(
            inputs, mean, variance, axis=self.axis, offset=beta, scale=gamma, epsilon=self.epsilon
        )
        return ops.cast(outputs, self.compute_dtype)

    def _moments(self, inputs, mask):
        if mask is None:
            return ops.moments(inputs, axes=self._reduction_axes)
        axes = self._reduction_axes
        weights = ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), inputs.shape)
        count = ops.sum(ops.cast(weights, inputs.dtype), axes, keepdims=True) + fuzz()
        mean = ops.sum(ops.where(weights, inputs, 0), axes, keepdims=True) / count
        deviation = ops.where(weights, inputs - mean, 0)
        variance = ops.sum(ops.square(deviation), axes, keepdims=True) / count
        return ops.squeeze(mean, axes), ops.squeeze(variance, axes)

    def _renormalized(self, mean, variance, gamma, beta):
        """gamma and beta with the correction towards the moving statistics folded in."""
        dtype = mean.dtype
        stddev = ops.sqrt(variance + self.epsilon)
        target_stddev = ops.maximum(ops.cast(self.renorm_stddev, dtype), self.epsilon**0.5)
        r = stddev / target_stddev
        d = (mean - ops.cast(self.renorm_mean, dtype)) / target_stddev
        limits = self.renorm_clipping
        if limits.get("rmin") is not None:
            r = ops.maximum(r, limits["rmin"])
        if limits.get("rmax") is not None:
            r = ops.minimum(r, limits["rmax"])
        if limits.get("dmax") is not None:
            d = ops.clip(d, -limits["dmax"], limits["dmax"])
        r, d = ops.stop_gradient(r), ops.stop_gradient(d)
        if gamma is not None:
            r, d = r * gamma, d * gamma
        return r, d if beta is None else d + beta

    def _update_renorm_statistics(self, mean, variance):
        stddev = ops.sqrt(variance + self.epsilon)
        _move(self.renorm_mean, mean, self.renorm_momentum)
        _move(self.renorm_stddev, stddev, self.renorm_momentum)
        _move(self.moving_mean, mean, self.momentum)
        moved = _move(self.moving_stddev, stddev, self.momentum)
        self.moving_variance.assign(ops.relu(moved * moved - self.epsilon))


def _move(variable, value, momentum):
    moved = ops.cast(variable, value.dtype) * momentum + value * (1.0 - momentum)
    variable.assign(moved)
    return moved


def _clone(initializer):
    if isinstance(initializer, initializers.Initializer):
        return type(initializer).from_config(initializer.get_config())
    return initializer


def _check_clipping(clipping):
    unknown = set(clipping) - {"rmax", "rmin", "dmax"}
    if unknown:
        raise ValueError(
            f"Received invalid keys for `renorm_clipping` argument: {clipping}. "
            "Supported values: ['rmax', 'rmin', 'dmax']."
        )
    rmax, rmin, dmax = (clipping.get(key) for key in ("rmax", "rmin", "dmax"))
    if rmax is not None and rmin is not None and rmax < rmin:
        raise ValueError(
            "rmax should be greater than rmin in the `renorm_clipping` argument. "
            f"Received: rmax={rmax}, rmin={rmin}."
        )
    if dmax is not None and dmax < 0:
        raise ValueError(
            f"dmax should be non-negative in the `renorm_clipping` argument. Received: dmax={dmax}."
        )
