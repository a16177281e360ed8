"""Initializers that draw random numbers."""

import math

from oxhorn import ops, random
from oxhorn._base import lookup
from oxhorn.initializers.initializer import Initializer
from oxhorn.random.seed_generator import make_default_seed


class RandomInitializer(Initializer):
    """Base of the random initializers.

    Args:
        seed: an int (every call gives the same values), a `SeedGenerator` (every call gives new
            ones), or None for an int drawn from the global seed.
    """

    def __init__(self, seed=None):
        self._init_seed = seed
        if seed is None:
            seed = make_default_seed()
        elif isinstance(seed, dict):
            seed = lookup.deserialize(seed)
        elif not isinstance(seed, (int, random.SeedGenerator)):
            raise ValueError(
                "`seed` argument should be an instance of `keras.random.SeedGenerator()` or an integer. "
                f"Received: seed={seed}"
            )
        self.seed = seed

    def get_config(self):
        return {"seed": lookup.serialize(self._init_seed)}


class _Normal(RandomInitializer):
    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed)

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomNormal(_Normal):
    """Normal values of `mean` and `stddev`."""

    def __call__(self, shape, dtype=None):
        return random.normal(shape, self.mean, self.stddev, dtype=dtype, seed=self.seed)


class TruncatedNormal(_Normal):
    """Normal values; those more than two standard deviations from the mean are drawn again."""

    def __call__(self, shape, dtype=None):
        return random.truncated_normal(shape, self.mean, self.stddev, dtype=dtype, seed=self.seed)


class RandomUniform(RandomInitializer):
    """Uniform values in `[minval, maxval)`."""

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval = minval
        self.maxval = maxval
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        return random.uniform(shape, self.minval, self.maxval, dtype=dtype, seed=self.seed)

    def get_config(self):
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class VarianceScaling(RandomInitializer):
    """Values whose variance is `scale / n`, n being a number of units that the weight connects.

    Args:
        scale: positive float.
        mode: n is `"fan_in"`, `"fan_out"` or `"fan_avg"`, the mean of both.
        distribution: `"truncated_normal"` (also `"normal"`), `"untruncated_normal"` or `"uniform"`.
        seed: see `RandomInitializer`.
        input_axes, output_axes: axes whose sizes multiply to the fans; by default the last two axes,
            each times the axes before them.
    """

    def __init__(
        self,
        scale=1.0,
        mode="fan_in",
        distribution="truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        if scale <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        modes = ("fan_in", "fan_out", "fan_avg")
        if mode not in modes:
            raise ValueError(f"Invalid `mode` argument: {mode}. Please use one of {modes}")
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        distributions = ("uniform", "truncated_normal", "untruncated_normal")
        if distribution not in distributions:
            raise ValueError(
                f"Invalid `distribution` argument: {distribution}. Please use one of {distributions}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, fan))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            return random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, stddev, dtype=dtype, seed=self.seed)
        # Standard deviation of a standard normal truncated at two deviations.
        return random.truncated_normal(shape, 0.0, stddev / 0.87962566103423978, dtype=dtype, seed=self.seed)

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _FixedScaling(VarianceScaling):
    """A `VarianceScaling` whose scale, mode and distribution are fixed by the class."""

    _recipe = None

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        super().__init__(*self._recipe, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self):
        return {
            **RandomInitializer.get_config(self),
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class GlorotUniform(_FixedScaling):
    """Uniform within `sqrt(6 / (fan_in + fan_out))` of 0 (Glorot & Bengio, 2010)."""

    _recipe = (1.0, "fan_avg", "uniform")


class GlorotNormal(_FixedScaling):
    """Truncated normal of variance `2 / (fan_in + fan_out)` (Glorot & Bengio, 2010)."""

    _recipe = (1.0, "fan_avg", "truncated_normal")


class LecunNormal(_FixedScaling):
    """Truncated normal of variance `1 / fan_in` (LeCun et al., 1998)."""

    _recipe = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_FixedScaling):
    """Uniform within `sqrt(3 / fan_in)` of 0 (LeCun et al., 1998)."""

    _recipe = (1.0, "fan_in", "uniform")


class HeNormal(_FixedScaling):
    """Truncated normal of variance `2 / fan_in` (He et al., 2015)."""

    _recipe = (2.0, "fan_in", "truncated_normal")


class HeUniform(_FixedScaling):
    """Uniform within `sqrt(6 / fan_in)` of 0 (He et al., 2015)."""

    _recipe = (2.0, "fan_in", "uniform")


class Orthogonal(RandomInitializer):
    """`gain` times a random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).

    Axes before the last are taken as one. Raises ValueError for shapes of rank below 2.
    """

    def __init__(self, gain=1.0, seed=None):
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = ops.qr(random.normal((max(rows, columns), min(rows, columns)), dtype=dtype, seed=self.seed))
        q = q * ops.sign(ops.diag(r))  # Makes the factorisation unique, hence the distribution uniform.
        if rows < columns:
            q = ops.transpose(q)
        return self.gain * ops.reshape(q, shape)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


def compute_fans(shape, input_axes=None, output_axes=None):
    """The numbers of input and output units that a weight of `shape` connects."""
    if input_axes is not None and output_axes is not None:
        return tuple(math.prod(int(shape[axis]) for axis in axes) for axes in (input_axes, output_axes))
    shape = tuple(int(size) for size in shape)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window
