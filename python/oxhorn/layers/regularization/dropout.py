from oxhorn import random
from oxhorn.layers.regularization._noise import NoiseLayer, concrete_noise_shape


def _check_noise_shape(noise_shape):
    if noise_shape is None:
        return None
    problem = "Invalid value received for argument `noise_shape`. Expected "
    try:
        if isinstance(noise_shape, str):
            raise TypeError
        noise_shape = tuple(noise_shape)
    except TypeError:
        raise ValueError(
            f"{problem}a tuple or list of integers. Received: noise_shape={noise_shape}"
        ) from None
    for i, size in enumerate(noise_shape):
        if size is None:
            continue
        if not isinstance(size, int):
            raise ValueError(
                f"{problem}all elements to be integers or None. "
                f"Received element at index {i}: {size} (type: {type(size).__name__})"
            )
        if size <= 0:
            raise ValueError(
                f"{problem}all dimensions to be positive integers or None. "
                f"Received negative or zero value at index {i}: {size}"
            )
    return noise_shape


class Dropout(NoiseLayer):
    """While training, sets a random share `rate` of the inputs to zero and scales the rest up.

    Args:
        rate: float in [0, 1].
        noise_shape: shape of the mask, broadcast to the inputs (`None`: the input's size), for masks that
            are shared along an axis.
        seed: int, or `None` for a random one.
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = _check_noise_shape(noise_shape)
        self._build_at_init()

    def _mask_shape(self, inputs):
        return concrete_noise_shape(inputs, self.noise_shape)

    def _disturb(self, inputs):
        shape = self._mask_shape(inputs)
        return random.dropout(inputs, self.rate, noise_shape=shape, seed=self.seed_generator)

    def get_config(self):
        return {**super().get_config(), "noise_shape": self.noise_shape}
