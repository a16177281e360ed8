"""Activation functions, by name or as they are. Most are those of `oxhorn.ops`."""

from types import FunctionType

from oxhorn._base import lookup
from oxhorn.activations.activations import exponential, gelu, linear, mish, relu
from oxhorn.ops import (
    celu,
    elu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)

hard_swish = hard_silu
swish = silu

ALL_OBJECTS = {
    *(celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear),
    *(
        log_sigmoid,
        log_softmax,
        mish,
        relu,
        relu6,
        selu,
        sigmoid,
        silu,
        soft_shrink,
        softmax,
        softplus,
        softsign,
    ),
    *(sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold),
}
_TABLE = {**{f.__name__: f for f in ALL_OBJECTS}, "swish": silu, "hard_swish": hard_silu}


def serialize(activation):
    """The name of an activation function, or the serialized form of another object.

    Raises:
        ValueError: if it cannot be found again by its name.
    """
    config = lookup.serialize(activation)
    if not isinstance(config, dict) or "config" not in config:
        raise ValueError(
            f"Unknown activation function '{activation}' cannot be serialized due to invalid function "
            "name. Use one "
            "of `oxhorn.activations`, or register it with `@oxhorn.saving.register_keras_serializable()`."
        )
    if not isinstance(activation, FunctionType):
        return config
    if isinstance(config["config"], str) and config["config"] not in _TABLE:
        from oxhorn.saving import get_registered_name

        return {**config, "config": get_registered_name(activation)}
    return config["config"]


def deserialize(config, custom_objects=None):
    """The activation that `serialize` described."""
    return lookup.deserialize(config, _TABLE, custom_objects)


def get(identifier):
    """An activation from its name, its serialized form, or a callable; None gives `linear`.

    Raises:
        ValueError: for anything else.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        found = _TABLE.get(identifier)
    else:
        found = lookup.deserialize(identifier) if isinstance(identifier, dict) else identifier
    if not callable(found):
        raise ValueError(f"Could not interpret activation function identifier: {identifier}")
    return found
