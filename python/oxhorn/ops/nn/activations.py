"""Activation functions."""

import math
import warnings

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op
from oxhorn.ops._common import (
    binary,
    canonical_axes,
    canonical_axis,
    float_unary,
    take_slice,
    to_float,
    unary,
    where,
)


@op
def relu(x):
    """max(x, 0)."""
    return unary("relu", x)


@op
def relu6(x):
    """x limited to [0, 6]."""
    return binary("minimum", unary("relu", x), 6)


@op
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return float_unary("sigmoid", x)


@op
def sparse_sigmoid(x):
    """A sigmoid of straight lines: 0 below -1, 1 above 1, (x + 1) / 2 between."""
    return _clip(0.5 * (to_float(x) + 1), 0.0, 1.0)


def _clip(x, low, high):
    return binary("minimum", binary("maximum", x, low), high)


@op
def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return float_unary("softplus", x)


@op
def softsign(x):
    """x / (1 + |x|)."""
    x = to_float(x)
    return x / (unary("abs", x) + 1)


@op
def soft_shrink(x, threshold=0.5):
    """x moved toward 0 by the threshold, and 0 where |x| is below it."""
    x = convert_to_tensor(x)
    return where(x > threshold, x - threshold, where(x < -threshold, x + threshold, 0.0))


@op
def sparse_plus(x):
    """A softplus without exponentials: 0 below -1, x above 1, (x + 1)² / 4 between."""
    x = to_float(x)
    return where(x <= -1.0, 0.0, where(x >= 1.0, x, unary("square", x + 1.0) / 4))


@op
def silu(x):
    """x * sigmoid(x)."""
    x = to_float(x)
    return x * unary("sigmoid", x)


@op(static=("b",))
def squareplus(x, b=4):
    """(x + sqrt(x² + b)) / 2."""
    x = to_float(x)
    return (x + unary("sqrt", unary("square", x) + b)) / 2


@op
def log_sigmoid(x):
    """log(sigmoid(x)), without overflow."""
    return -unary("softplus", -to_float(x))


@op
def leaky_relu(x, negative_slope=0.2):
    """x for x >= 0, else negative_slope * x."""
    x = to_float(x)
    return where(x >= 0, x, x * negative_slope)


@op
def hard_sigmoid(x):
    """A sigmoid of straight lines: x / 6 + 1/2, limited to [0, 1]."""
    return _clip(to_float(x) + 3, 0.0, 6.0) / 6


@op
def hard_silu(x):
    """x * hard_sigmoid(x)."""
    x = to_float(x)
    return x * hard_sigmoid(x)


@op
def elu(x, alpha=1.0):
    """x for x > 0, else alpha * (exp(x) - 1)."""
    x = to_float(x)
    return where(x > 0, x, unary("expm1", binary("minimum", x, 0.0)) * alpha)


@op
def selu(x):
    """elu, scaled so that mean 0 and variance 1 are kept."""
    return elu(x, 1.6732632423543772) * 1.0507009873554805


@op
def gelu(x, approximate=True):
    """x times the normal distribution function of x, which is approximated with tanh if `approximate`."""
    x = to_float(x)
    if approximate:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * unary("square", x))
        return x * (0.5 * (unary("tanh", inner) + 1))
    return x * (0.5 * unary("erfc", x * -math.sqrt(0.5)))


@op
def celu(x, alpha=1.0):
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))."""
    x = to_float(x)
    return binary("maximum", x, 0.0) + unary("expm1", binary("minimum", x, 0.0) / alpha) * alpha


@op
def glu(x, axis=-1):
    """The first half along an axis times the sigmoid of the second half.

    Raises:
        ValueError: if the axis has an odd length.
    """
    x = to_float(x)
    size = x.shape[canonical_axis(axis, x.ndim)]
    if size % 2:
        raise ValueError(f"glu: the axis must have an even length. Received: x.shape={x.shape}, axis={axis}")
    return take_slice(x, axis, 0, size // 2) * unary("sigmoid", take_slice(x, axis, size // 2))


@op
def tanh_shrink(x):
    """x - tanh(x)."""
    x = to_float(x)
    return x - unary("tanh", x)


@op
def hard_tanh(x):
    """x limited to [-1, 1]."""
    return _clip(convert_to_tensor(x), -1, 1)


@op
def hard_shrink(x, threshold=0.5):
    """x where |x| > threshold, else 0."""
    x = convert_to_tensor(x)
    return where(unary("abs", x) > threshold, x, 0.0)


@op
def threshold(x, threshold, default_value):
    """x where x > threshold, else the default value."""
    x = convert_to_tensor(x)
    return where(x > threshold, x, default_value)


@op
def softmax(x, axis=-1):
    """exp(x), scaled to sum to 1 along an axis (or jointly along several)."""
    if isinstance(axis, int) and -len(x.shape) <= axis < len(x.shape) and x.shape[axis] == 1:
        warnings.warn(
            f"You are using a softmax over axis {axis} of a tensor of shape {x.shape}. This axis has size "
            "1. The "
            "softmax operation will always return the value 1, which is likely not what you intended. Did "
            "you mean "
            "to use a sigmoid instead?",
            stacklevel=3,
        )
    return _over_axes(_core.softmax, x, axis)


@op
def log_softmax(x, axis=-1):
    """log(softmax(x)), without overflow."""
    return _over_axes(_core.log_softmax, x, axis)


def _over_axes(function, x, axis):
    x = to_float(x)
    if isinstance(axis, int):
        return function(x, canonical_axis(axis, x.ndim))
    axes = canonical_axes(axis, x.ndim)
    order = [a for a in range(x.ndim) if a not in axes] + list(axes)
    moved = _core.transpose(x, order)
    flat = _core.reshape(moved, (*moved.shape[: x.ndim - len(axes)], math.prod(x.shape[a] for a in axes)))
    result = _core.reshape(function(flat, flat.ndim - 1), moved.shape)
    return _core.transpose(result, sorted(range(x.ndim), key=order.__getitem__))


@op
def sparsemax(x, axis=-1):
    """The point of the probability simplex nearest to x along an axis; many of its coordinates are 0."""
    x = to_float(x)
    axis = canonical_axis(axis, x.ndim)
    ordered = _core.sort(x, axis, True)[0]
    totals = _core.cumulative("sum", ordered, axis)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    rank = _core.iota(shape, axis, x.dtype) + 1
    support = ordered * rank > totals - 1
    count = _core.reduce("sum", _core.cast(support, x.dtype), (axis,), True)
    excess = _core.reduce("sum", where(support, ordered, 0.0), (axis,), True) - 1
    return unary("relu", x - excess / count)
