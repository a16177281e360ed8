"""Where random numbers start from: a key of two words, the second of which counts the draws."""

import random as python_random

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import is_tensor
from oxhorn._base.global_state import get_global_attribute, set_global_attribute
from oxhorn._base.naming import auto_name
from oxhorn._base.scopes import name_scope
from oxhorn._base.variable import Variable

GLOBAL_SEED_GENERATOR = "global_seed_generator"
_WORD = 0xFFFFFFFF


class SeedGenerator:
    """A source of seeds that gives another one each time, for the `seed` argument of random functions.

    Its state, `(seed, count)`, is a variable: part of checkpoints, and advanced by compiled functions.

    Args:
        seed: an int; None for a random one.
        name: of the generator.
    """

    def __init__(self, seed=None, name=None, **kwargs):
        kwargs.pop("backend", None)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments: {kwargs}")
        self.name = auto_name(type(self).__name__) if name is None else name
        self._initial_seed = seed
        if seed is None:
            seed = make_default_seed()
        if not isinstance(seed, int):
            raise ValueError(f"Argument `seed` must be an integer. Received: seed={seed}")
        with name_scope(self.name, caller=self):
            self.state = Variable(
                lambda shape, dtype: _key(seed),
                shape=(2,),
                dtype="uint32",
                trainable=False,
                aggregation="none",
                name="seed_generator_state",
            )

    def next(self, ordered=True):
        """The present state, a uint32 tensor of shape (2,); the next call gives another.

        `ordered` is accepted for compatibility: seeds always come in order.
        """
        seed = self.state.value
        self.state.assign(seed + np.array([0, 1], "uint32"))
        return seed

    def get_config(self):
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _key(seed):
    return _core.tensor(np.array([seed & _WORD, seed >> 32 & _WORD], "uint32"))


def global_seed_generator():
    """The generator of calls without a seed. `utils.set_random_seed` makes the next call start a new one."""
    generator = get_global_attribute(GLOBAL_SEED_GENERATOR)
    if generator is None:
        generator = SeedGenerator()
        set_global_attribute(GLOBAL_SEED_GENERATOR, generator)
    return generator


def make_default_seed():
    """A random int, from Python's generator, so that `random.seed` decides it."""
    return python_random.randint(1, int(1e9))


def draw_seed(seed):
    """The key for one draw: of an int always the same, of a `SeedGenerator` or None the next one.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, int):
        return _key(seed)
    if seed is None:
        return global_seed_generator().next()
    if is_tensor(seed):
        return seed
    raise ValueError(
        "Argument `seed` must be either an integer or an instance of `SeedGenerator`. "
        f"Received: seed={seed} (of type {type(seed)})"
    )
