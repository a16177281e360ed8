from oxhorn import random
from oxhorn.layers.regularization._noise import NoiseLayer


class GaussianNoise(NoiseLayer):
    """While training, adds normal noise of mean 0 and standard deviation `stddev` (in [0, 1])."""

    _amount = "stddev"

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(stddev, seed, **kwargs)
        self._build_at_init()

    def _disturb(self, inputs):
        return inputs + random.normal(
            inputs.shape, mean=0.0, stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator
        )
