"""Moments and normalisation."""

import warnings

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn._base.settings import epsilon as default_epsilon
from oxhorn.ops._common import (
    HALVES,
    canonical_axes,
    join_dtypes,
    like_rank,
    reduce_count,
    to_dtype,
    to_float,
    unary,
)
from oxhorn.ops.linalg import norm


def _mean(x, axes, keepdims=True):
    return _core.reduce("sum", x, axes, keepdims) / reduce_count(x.shape, axes)


@op
def moments(x, axes, keepdims=False, synchronized=False):
    """The mean and the variance over `axes`. Halves are averaged in float32.

    Args:
        synchronized: across devices; not supported.
    """
    if synchronized:
        raise NotImplementedError("Argument synchronized=True is not supported with Oxhorn.")
    x = to_float(x)
    dtype, axes = x.dtype, canonical_axes(axes, x.ndim)
    x = to_dtype(x, join_dtypes(dtype, "float32"))
    mean = _mean(x, axes)
    variance = _mean(unary("square", x - mean), axes)
    if not keepdims:
        shape = [d for a, d in enumerate(x.shape) if a not in axes]
        mean, variance = (_core.reshape(v, shape) for v in (mean, variance))
    if dtype in HALVES:
        mean, variance = (
            _core.elementwise("minimum", _core.elementwise("maximum", v, -65504.0), 65504.0)
            for v in (mean, variance)
        )
    return to_dtype(mean, dtype), to_dtype(variance, dtype)


def _same_as_x(x, *args, **kwargs):
    return KerasTensor(x.shape, dtype=x.dtype)


@op(tensors=("mean", "variance", "offset", "scale"), class_name="BatchNorm")
def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=0.001):
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, with vectors along `axis`."""
    x = convert_to_tensor(x)
    mean, variance, offset, scale = (
        None if v is None else like_rank(convert_to_tensor(v), x.ndim, axis)
        for v in (mean, variance, offset, scale)
    )
    inverse = unary("rsqrt", variance + epsilon)
    if scale is not None:
        inverse = inverse * scale
    shift = -mean * inverse
    return x * inverse + (shift if offset is None else shift + offset)


@op(tensors=("gamma", "beta"), class_name="LayerNorm", spec=_same_as_x)
def _layer_norm(x, gamma=None, beta=None, axis=-1, epsilon=None, rms_scaling=False):
    x = convert_to_tensor(x)
    dtype = x.dtype
    x = to_dtype(x, join_dtypes(dtype, "float32"))
    axes = sorted(canonical_axes(axis, x.ndim))
    shape = [d if a in axes else 1 for a, d in enumerate(x.shape)]
    gamma, beta = (
        None if v is None else _core.reshape(v, shape) if v.ndim != x.ndim and axes != [x.ndim - 1] else v
        for v in (None if p is None else to_dtype(p, x.dtype) for p in (gamma, beta))
    )
    mean = _mean(x, axes)
    inverse = unary(
        "rsqrt", _mean(unary("square", x - mean), axes) + (default_epsilon() if epsilon is None else epsilon)
    )
    if gamma is not None:
        inverse = inverse * gamma
    if rms_scaling:
        return to_dtype(x * inverse, dtype)
    result = (x - mean) * inverse
    return to_dtype(result if beta is None else result + beta, dtype)


def layer_normalization(x, gamma=None, beta=None, axis=-1, epsilon=None, **kwargs):
    """x with mean 0 and variance 1 along `axis`, times gamma, plus beta. Computed in float32 at least.

    Args:
        gamma, beta: of the shape of x along the axes.
        axis: an int or several.
        epsilon: added to the variance; `config.epsilon()` by default.
    """
    rms_scaling = kwargs.pop("rms_scaling", False)
    if kwargs:
        raise TypeError(f"layer_normalization: unexpected keyword arguments {sorted(kwargs)}")
    if rms_scaling:
        warnings.warn(
            "You passed `rms_scaling=True`, which is deprecated. This argument incorrectly scales the "
            "input by the "
            "variance, not the root mean square. Please use `rms_normalization` instead.",
            stacklevel=2,
        )
    return _layer_norm(x, gamma, beta, axis=axis, epsilon=epsilon, rms_scaling=rms_scaling)


@op(tensors=("scale",), class_name="RMSNorm", spec=_same_as_x)
def rms_normalization(x, scale=None, axis=-1, epsilon=None):
    """x divided by its root mean square along `axis`, times scale. Computed in float32 at least."""
    x = convert_to_tensor(x)
    dtype = x.dtype
    x = to_dtype(x, join_dtypes(dtype, "float32"))
    if not x.ndim:
        x = _core.reshape(x, (1,))
    square = _mean(unary("square", x), canonical_axes(axis, x.ndim))
    result = x * unary("rsqrt", square + (default_epsilon() if epsilon is None else epsilon))
    return to_dtype(result if scale is None else result * to_dtype(scale, x.dtype), dtype)


@op
def normalize(x, axis=-1, order=2, epsilon=None):
    """x divided by its norm along `axis`.

    Args:
        order: of the norm, an int >= 1.
        epsilon: the least norm; `config.epsilon()` by default.
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"Argument `order` must be an int >= 1. Received: order={order}")
    x = to_float(x)
    if not x.ndim:
        x = _core.reshape(x, (1,))
    epsilon = default_epsilon() if epsilon is None else epsilon
    if order == 2:
        total = _core.reduce("sum", unary("square", x), canonical_axes(axis, x.ndim), True)
        return x * _core.elementwise("minimum", unary("rsqrt", total), 1.0 / epsilon)
    return x / _core.elementwise("maximum", norm(x, ord=order, axis=axis, keepdims=True), epsilon)
