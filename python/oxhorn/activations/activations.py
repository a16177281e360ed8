"""Activation functions that are more than a function of `oxhorn.ops`, or have other defaults."""

from oxhorn import _core, ops
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op
from oxhorn.ops._common import binary, unary, where


def linear(x):
    """x itself."""
    return x


def exponential(x):
    """exp(x)."""
    return ops.exp(x)


def gelu(x, approximate=False):
    """x times the normal distribution function of x, which is approximated with tanh if `approximate`."""
    return ops.gelu(x, approximate=approximate)


def mish(x):
    """x * tanh(softplus(x)) (Misra, 2019)."""
    return ops.multiply(x, ops.tanh(ops.softplus(x)))


@op(class_name="ReLU", module="keras.src.activations.activations")
def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """x above the threshold (up to `max_value`), `negative_slope * (x - threshold)` below it.

    With the defaults: max(x, 0).
    """
    x = convert_to_tensor(x)
    if threshold == 0:
        positive = unary("relu", x)
    else:
        positive = where(x > threshold, x, _core.full((), 0, x.dtype))
    if max_value is not None:
        positive = binary("minimum", binary("maximum", positive, 0), max_value)
    if negative_slope == 0.0:
        return positive
    return binary("subtract", positive, binary("multiply", unary("relu", threshold - x), negative_slope))
