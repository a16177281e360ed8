import random
import sys

import numpy as np

from oxhorn._base.global_state import get_global_attribute, set_global_attribute

GLOBAL_RANDOM_SEED = "global_random_seed"


def set_random_seed(seed):
    """Seeds Oxhorn's, Python's and NumPy's random numbers (TensorFlow's too, if it is in use).

    A program that sets the seed first and is otherwise deterministic gives the same numbers each run.
    Raises ValueError unless `seed` is an int.
    """
    if not isinstance(seed, int):
        raise ValueError(
            f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})"
        )
    set_global_attribute(GLOBAL_RANDOM_SEED, seed)
    set_global_attribute("global_seed_generator", None)
    random.seed(seed)
    np.random.seed(seed)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(seed)


def get_random_seed():
    """The seed that `set_random_seed` set, or None."""
    return get_global_attribute(GLOBAL_RANDOM_SEED)
