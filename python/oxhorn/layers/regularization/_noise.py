from oxhorn.layers._same_shape import SameShape
from oxhorn.random import SeedGenerator


class NoiseLayer(SameShape):
    """Base of layers that disturb their input while training, and pass it on otherwise.

    A subclass names the argument that sets the amount, in `_amount`; zero means no disturbance (and no
    seed generator).
    """

    _amount = "rate"

    def __init__(self, amount, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= amount <= 1:
            raise ValueError(
                f"Invalid value received for argument `{self._amount}`. Expected a float value between "
                f"0 and 1. Received: {self._amount}={amount}"
            )
        setattr(self, self._amount, amount)
        self.seed = seed
        if amount > 0:
            self.seed_generator = SeedGenerator(seed)

    def call(self, inputs, training=False):
        if training and getattr(self, self._amount) > 0:
            return self._disturb(inputs)
        return inputs

    def get_config(self):
        return {**super().get_config(), self._amount: getattr(self, self._amount), "seed": self.seed}


def concrete_noise_shape(inputs, noise_shape):
    """`noise_shape` with each `None` replaced by the size of `inputs` there."""
    if noise_shape is None:
        return tuple(inputs.shape)
    return tuple(n if size is None else size for n, size in zip(inputs.shape, noise_shape))
