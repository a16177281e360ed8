import math

from oxhorn import random
from oxhorn.layers.regularization._noise import NoiseLayer


class GaussianDropout(NoiseLayer):
    """While training, multiplies by noise of mean 1 and standard deviation `sqrt(rate / (1 - rate))`."""

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(rate, seed, **kwargs)
        self._build_at_init()

    def _disturb(self, inputs):
        return inputs * random.normal(
            inputs.shape,
            mean=1.0,
            stddev=math.sqrt(self.rate / (1.0 - self.rate)),
            dtype=self.compute_dtype,
            seed=self.seed_generator,
        )
