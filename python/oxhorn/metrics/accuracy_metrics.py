"""How often predictions are right."""

from oxhorn import ops
from oxhorn._base.settings import floatx
from oxhorn.losses.functions import align_pair
from oxhorn.losses.loss import squeeze_or_expand_to_same_rank
from oxhorn.metrics.reduction_metrics import FunctionMetric


def _matches(x1, x2):
    return ops.cast(ops.equal(x1, x2), floatx())


def accuracy(y_true, y_pred):
    """1 where `y_true == y_pred`, else 0; of the shape of the predictions."""
    return _matches(*align_pair(y_true, y_pred))


def binary_accuracy(y_true, y_pred, threshold=0.5):
    """1 where `y_pred > threshold` agrees with labels 0 and 1; of the shape of the predictions."""
    y_true, y_pred = squeeze_or_expand_to_same_rank(
        ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    )
    return _matches(y_true, ops.cast(ops.greater(y_pred, threshold), y_true.dtype))


def categorical_accuracy(y_true, y_pred):
    """1 where the largest of `(batch, ..., classes)` is that of the one-hot label; `(batch, ...)`."""
    return _matches(*squeeze_or_expand_to_same_rank(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1)))


def sparse_categorical_accuracy(y_true, y_pred):
    """1 where the largest of `(batch, ..., classes)` is at the label; `(batch, ...)`."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    has_extra_axis = len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1
    if has_extra_axis:
        y_true = ops.squeeze(y_true, -1)
    matches = _matches(y_true, ops.cast(ops.argmax(y_pred, axis=-1), y_true.dtype))
    if not has_extra_axis and len(matches.shape) > 1 and matches.shape[-1] == 1:
        matches = ops.squeeze(matches, -1)
    return matches


def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """1 where the one-hot label is among the `k` largest of `(batch, ..., classes)`; `(batch, ...)`."""
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5, from_sorted_ids=False):
    """1 where the label is among the `k` largest of `(batch, ..., classes)`; of the labels' shape.

    With `from_sorted_ids`, predictions are class ids, the likeliest first, in place of scores.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype if from_sorted_ids else "int32")
    labels = ops.reshape(y_true, (-1,))
    y_pred = ops.reshape(y_pred, (-1, y_pred.shape[-1]))
    if from_sorted_ids:
        matches = ops.any(ops.equal(ops.expand_dims(labels, 1), y_pred[:, :k]), axis=1)
    else:
        matches = ops.in_top_k(labels, y_pred, k=k)
    return ops.reshape(ops.cast(matches, floatx()), y_true.shape)


class _Accuracy(FunctionMetric):
    _direction = "up"


class Accuracy(_Accuracy):
    """Share of predictions that equal their labels."""

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(_Accuracy):
    """Share of predictions on the right side of `threshold`, for labels 0 and 1."""

    def __init__(self, name="binary_accuracy", dtype=None, threshold=0.5):
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(_Accuracy):
    """Share of samples whose largest prediction is that of the one-hot label."""

    def __init__(self, name="categorical_accuracy", dtype=None):
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(_Accuracy):
    """Share of samples whose largest prediction is at the integer label."""

    def __init__(self, name="sparse_categorical_accuracy", dtype=None):
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(_Accuracy):
    """Share of samples whose one-hot label is among the `k` largest predictions."""

    def __init__(self, k=5, name="top_k_categorical_accuracy", dtype=None):
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(_Accuracy):
    """Share of samples whose integer label is among the `k` largest predictions."""

    _written_if_true = ("from_sorted_ids",)

    def __init__(self, k=5, name="sparse_top_k_categorical_accuracy", dtype=None, from_sorted_ids=False):
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
