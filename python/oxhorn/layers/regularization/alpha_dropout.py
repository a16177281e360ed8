from oxhorn import ops, random
from oxhorn.layers.regularization._noise import NoiseLayer, concrete_noise_shape

# The value that SELU saturates to, -scale * alpha (Klambauer et al., 2017, Self-Normalizing Neural Networks).
_SATURATED = -1.6732632423543772 * 1.0507009873554805


class AlphaDropout(NoiseLayer):
    """Dropout that keeps mean and variance: dropped inputs take SELU's negative limit.

    Args:
        rate: float in [0, 1].
        noise_shape: shape of the mask, broadcast to the inputs (`None`: the input's size).
        seed: int, or `None` for a random one.
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = noise_shape
        self._build_at_init()

    def _disturb(self, inputs):
        shape = concrete_noise_shape(inputs, self.noise_shape)
        kept = ops.greater_equal(random.uniform(shape, seed=self.seed_generator), self.rate)
        scale = ((1 - self.rate) * (1 + self.rate * _SATURATED**2)) ** -0.5
        shift = -scale * _SATURATED * self.rate
        return scale * ops.where(kept, inputs, ops.cast(_SATURATED, inputs.dtype)) + shift

    def get_config(self):
        return {**super().get_config(), "noise_shape": self.noise_shape}
