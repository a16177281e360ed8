"""Element-wise parts of losses, and class numbers as vectors."""

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn._base.settings import epsilon
from oxhorn.ops._common import (
    canonical_axis,
    dtype_of,
    expand,
    join_dtypes,
    to_dtype,
    to_float,
    unary,
    where,
)
from oxhorn.ops._shapes import broadcasting, inferring, unify


def _refuse_sparse(sparse):
    if sparse:
        raise ValueError("Unsupported value `sparse=True`: there are no sparse tensors in Oxhorn.")


@op
def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    """Vectors along a new axis with 1 at the place that x says, else 0; all 0 if it is out of range."""
    _refuse_sparse(sparse)
    return _core.cast(_is_class(convert_to_tensor(x), int(num_classes), axis), standardize_dtype(dtype))


def _is_class(x, num_classes, axis):
    axis = canonical_axis(axis, x.ndim + 1)
    shape = [1] * (x.ndim + 1)
    shape[axis] = num_classes
    x = x if "int" in x.dtype and x.dtype != "uint8" and x.dtype != "int8" else _core.cast(x, "int32")
    return expand(x, axis) == _core.iota(shape, axis, x.dtype)


@op(class_name="MultiHot")
def _multi_hot(inputs, num_classes, axis=-1, dtype=None, sparse=False):
    _refuse_sparse(sparse)
    inputs = convert_to_tensor(inputs)
    found = _is_class(inputs, int(num_classes), axis)
    return _core.cast(_core.reduce("any", found, (1 if inputs.ndim > 1 else 0,)), standardize_dtype(dtype))


def multi_hot(inputs, num_classes=None, axis=-1, dtype=None, sparse=False, **kwargs):
    """For each row of class numbers, a vector with 1 at all of them, else 0."""
    if num_classes is None:
        num_classes = kwargs.pop("num_tokens", None)
    if num_classes is None:
        raise ValueError("Argument `num_classes` must be specified.")
    return _multi_hot(inputs, num_classes, axis=axis, dtype=standardize_dtype(dtype), sparse=sparse)


def _log_probabilities(output, from_logits, axis):
    if from_logits:
        return _core.log_softmax(output, axis)
    output = output / _core.reduce("sum", output, (axis,), True)
    return unary("log", _between(output))


def _between(p):
    """Probabilities kept away from 0 and 1, where logarithms end."""
    return _core.elementwise("minimum", _core.elementwise("maximum", p, epsilon()), 1.0 - epsilon())


def _pair(target, output):
    dtype = join_dtypes(dtype_of(target), dtype_of(output), float)
    target, output = to_dtype(target, dtype), to_dtype(output, dtype)
    if target.shape != output.shape:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
    return target, output


@broadcasting(tensors=("target", "output"))
def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """The cross-entropy of two distributions along an axis, which the result lacks.

    Args:
        output: probabilities (scaled to sum to 1), or logits if `from_logits`.
    """
    target, output = _pair(target, output)
    if not target.ndim:
        raise ValueError(
            "Arguments `target` and `output` must be at least rank 1. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
    axis = canonical_axis(axis, output.ndim)
    return -_core.reduce("sum", target * _log_probabilities(output, from_logits, axis), (axis,))


def _fill_classes(arguments):
    xs = [arguments["target"], arguments["output"]]
    rank = len(xs[1].shape)
    groups = [[(0, a), (1, a)] for a in range(rank - 1)] if len(xs[0].shape) >= rank - 1 else []
    arguments["target"], arguments["output"] = unify(xs, groups)


@inferring(_fill_classes, tensors=("target", "output"))
def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """Minus the log probability of the class that `target` names, of shape `output.shape` without `axis`.

    Args:
        target: class numbers; a last axis of length 1 is dropped.
        output: probabilities (scaled to sum to 1), or logits if `from_logits`.
    """
    target, output = to_dtype(target, "int32"), to_float(output)
    if target.ndim == output.ndim and target.ndim and target.shape[-1] == 1:
        target = _core.reshape(target, target.shape[:-1])
    if not output.ndim:
        raise ValueError(f"Argument `output` must be at least rank 1. Received: output.shape={output.shape}")
    if target.shape != output.shape[:-1]:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last dimension: "
            f"target.shape={target.shape}, output.shape={output.shape}"
        )
    axis = canonical_axis(axis, output.ndim)
    logs = _log_probabilities(output, from_logits, axis)
    return -_core.reduce("sum", where(_is_class(target, output.shape[axis], axis), logs, 0.0), (axis,))


@broadcasting(tensors=("target", "output"))
def binary_crossentropy(target, output, from_logits=False):
    """The cross-entropy of two chances, element-wise.

    Args:
        output: the probability, or its logit if `from_logits`.
    """
    target, output = _pair(target, output)
    if from_logits:
        return unary("softplus", output) - target * output
    output = _between(output)
    return -(target * unary("log", output) + (1.0 - target) * unary("log", 1.0 - output))


def _psnr_spec(x1, x2, max_val):
    return KerasTensor((), dtype=x1.dtype)


@op(class_name="PSNR", spec=_psnr_spec)
def psnr(x1, x2, max_val):
    """The peak signal-to-noise ratio in decibels, of x1 to x2, whose largest possible value is `max_val`."""
    x1, x2 = to_float(x1), to_float(x2)
    if x1.shape != x2.shape:
        raise ValueError(f"Input shapes {x1.shape} and {x2.shape} must match for PSNR calculation. ")
    error = unary("square", x1 - x2)
    mean = _core.reduce("sum", error, range(error.ndim)) / error.size
    return 20 * unary("log10", to_dtype(max_val, x2.dtype)) - 10 * unary("log10", mean)
