"""Initial values of variables."""

import numpy as np

from oxhorn import ops
from oxhorn._base import lookup
from oxhorn._base.dtypes import standardize_dtype
from oxhorn.initializers.constant_initializers import STFT, Constant, Identity, Ones, Zeros
from oxhorn.initializers.initializer import Initializer
from oxhorn.initializers.random_initializers import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)

IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal
STFTInitializer = STFT
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
stft = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_TABLE = lookup.name_table(
    [
        Initializer,
        Constant,
        Identity,
        Ones,
        STFT,
        Zeros,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        LecunNormal,
        LecunUniform,
        Orthogonal,
        RandomNormal,
        RandomUniform,
        TruncatedNormal,
        VarianceScaling,
    ],
    {
        "IdentityInitializer": Identity,
        "STFTInitializer": STFT,
        "OrthogonalInitializer": Orthogonal,
        "normal": RandomNormal,
        "one": Ones,
        "uniform": RandomUniform,
        "zero": Zeros,
    },
)


def serialize(initializer):
    """The configuration of an initializer as a dict."""
    return lookup.serialize(initializer)


def deserialize(config, custom_objects=None):
    """The initializer that `serialize` described."""
    return lookup.deserialize(config, _TABLE, custom_objects)


def get(identifier):
    """An initializer from its name, its serialized form, a class, a callable, or a tensor of its values.

    Raises ValueError for anything else; None gives None.
    """
    if ops.is_tensor(identifier) or isinstance(identifier, (np.ndarray, np.generic)):
        return _from_values(identifier)
    return lookup.interpret(identifier, _TABLE, "initializer")


def _from_values(values):
    def initialize(shape, dtype=None):
        if tuple(shape) != tuple(values.shape):
            raise ValueError(
                f"Expected `shape` to be {values.shape} for direct tensor as initializer. "
                f"Received shape={shape}"
            )
        return ops.cast(values, standardize_dtype(dtype))

    return initialize
