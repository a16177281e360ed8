"""Random numbers: Philox, from a seed and a counter; the same on every device."""

from oxhorn.random.distributions import (
    beta,
    binomial,
    categorical,
    dropout,
    gamma,
    normal,
    randint,
    shuffle,
    truncated_normal,
    uniform,
)
from oxhorn.random.seed_generator import SeedGenerator
