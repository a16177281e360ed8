"""Counting of true and false, positive and negative predictions."""

import math
from enum import Enum, nonmember

import numpy as np

from oxhorn import ops
from oxhorn._base.python_utils import to_list
from oxhorn._base.settings import epsilon
from oxhorn.losses.loss import squeeze_or_expand_to_same_rank

NEG_INF = -1e10


def parse_init_thresholds(thresholds, default_threshold=0.5):
    """Thresholds as a list; ValueError unless those given lie in [0, 1]."""
    if thresholds is None:
        return to_list(default_threshold)
    thresholds = list(thresholds) if isinstance(thresholds, tuple) else to_list(thresholds)
    invalid = [t for t in thresholds if t is None or t < 0 or t > 1]
    if invalid:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {invalid}")
    return thresholds


class ConfusionMatrix(Enum):
    TRUE_POSITIVES = "tp"
    FALSE_POSITIVES = "fp"
    TRUE_NEGATIVES = "tn"
    FALSE_NEGATIVES = "fn"


class _NamedChoice(Enum):
    """An enumeration whose members are also given by their value, as it is, in lower or title case."""

    @classmethod
    def from_str(cls, key):
        for member in cls:
            if key in (member.value, member.value.lower(), member.value.title()):
                return member
        expected = ", ".join(f'"{member.value}"' for member in cls)
        raise ValueError(f'Invalid {cls._what} value: "{key}". Expected values are [{expected}]')


class AUCCurve(_NamedChoice):
    _what = nonmember("AUC curve")
    ROC = "ROC"
    PR = "PR"
    PRGAIN = "PRGAIN"


class AUCSummationMethod(_NamedChoice):
    _what = nonmember("AUC summation method")
    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"


def is_evenly_distributed_thresholds(thresholds):
    """Whether there are at least three thresholds, `i / (n - 1)` for i = 0, 1, ..., n - 1."""
    n = len(thresholds)
    return n >= 3 and np.allclose(thresholds, np.arange(n, dtype=np.float32) / (n - 1), atol=epsilon())


def update_confusion_matrix_variables(
    variables_to_update,
    y_true,
    y_pred,
    thresholds,
    top_k=None,
    class_id=None,
    sample_weight=None,
    multi_label=False,
    label_weights=None,
    thresholds_distributed_evenly=False,
):
    """Adds a batch to counts of true and false, positive and negative predictions.

    Args:
        variables_to_update: `{ConfusionMatrix member: variable of shape (thresholds,)}`, or
            `(thresholds, labels)` with `multi_label`.
        y_true: labels, 0 or not.
        y_pred: probabilities, `(batch,)` or `(batch, labels)`.
        thresholds: list of the values above which a prediction is positive.
        top_k: only the `top_k` largest predictions of a sample can be positive.
        class_id: only count this label.
        sample_weight: weights of samples, of shape `(batch,)` or of predictions.
        multi_label: count each label apart.
        label_weights: weights of labels, `(labels,)`.
        thresholds_distributed_evenly: whether thresholds are `i / (n - 1)`, which allows predictions to be
            counted in buckets, in place of being compared with each threshold.
    """
    if multi_label and label_weights is not None:
        raise ValueError("`label_weights` for multilabel data should be handled outside of this function.")
    if not variables_to_update or not all(isinstance(key, ConfusionMatrix) for key in variables_to_update):
        raise ValueError(
            f"Expected variables under keys of {list(ConfusionMatrix)}. Received: {variables_to_update}"
        )
    dtype = next(iter(variables_to_update.values())).dtype
    y_pred, y_true = squeeze_or_expand_to_same_rank(ops.cast(y_pred, dtype), ops.cast(y_true, dtype))
    if sample_weight is not None:
        sample_weight = ops.expand_dims(ops.cast(sample_weight, dtype), axis=-1)
        _, sample_weight = squeeze_or_expand_to_same_rank(y_true, sample_weight, expand_rank_1=False)
    if top_k is not None:
        y_pred = _filter_top_k(y_pred, top_k)
    if class_id is not None:
        if len(y_pred.shape) == 1:
            raise ValueError(
                "When class_id is provided, y_pred must be a 2D array with shape (num_samples, num_classes), "
                f"found shape: {y_pred.shape}"
            )
        y_true, y_pred = y_true[..., class_id, None], y_pred[..., class_id, None]

    weight = None
    for factor in (sample_weight, label_weights):
        if factor is not None:
            factor = ops.broadcast_to(ops.cast(factor, dtype), y_pred.shape)
            weight = factor if weight is None else weight * factor
    is_label = ops.cast(ops.cast(y_true, "bool"), dtype)
    labels, others = is_label, 1.0 - is_label
    if weight is not None:
        labels, others = labels * weight, others * weight
    columns = math.prod(y_pred.shape[1:]) if multi_label else 1
    labels, others, y_pred = (ops.reshape(x, (-1, columns)) for x in (labels, others, y_pred))

    count = _count_in_buckets if thresholds_distributed_evenly else _count_by_comparing
    true_positives, false_positives = count(thresholds, y_pred, (labels, others))
    counts = {
        ConfusionMatrix.TRUE_POSITIVES: true_positives,
        ConfusionMatrix.FALSE_POSITIVES: false_positives,
        ConfusionMatrix.FALSE_NEGATIVES: ops.sum(labels, axis=0) - true_positives,
        ConfusionMatrix.TRUE_NEGATIVES: ops.sum(others, axis=0) - false_positives,
    }
    for key, variable in variables_to_update.items():
        variable.assign_add(ops.reshape(counts[key], variable.shape))


def _count_by_comparing(thresholds, y_pred, weights):
    """For each of `weights`, its sum over predictions above each threshold.

    All are `(n, columns)`, the results `(thresholds, columns)`.
    """
    thresholds = ops.reshape(ops.convert_to_tensor(thresholds, dtype=y_pred.dtype), (-1, 1, 1))
    above = ops.cast(ops.greater(y_pred, thresholds), y_pred.dtype)
    return [ops.sum(above * w, axis=1) for w in weights]


def _count_in_buckets(thresholds, y_pred, weights):
    """`_count_by_comparing` for thresholds `i / (n - 1)`, without comparing with each.

    A prediction above thresholds 0, ..., k - 1 and no others goes to bucket k; a sum over buckets from
    the end then counts those above each threshold. The first threshold may lie below 0, for AUC: then
    every prediction is above it.
    """
    n, columns = len(thresholds), y_pred.shape[1]
    bucket = ops.ceil(ops.clip(y_pred, 0.0, 1.0) * (n - 1))
    if thresholds[0] < 0.0:
        bucket = ops.maximum(bucket, 1)
    segment = ops.reshape(ops.cast(bucket, "int32") * columns + ops.arange(columns, dtype="int32"), (-1,))

    def count(weight):
        sums = ops.segment_sum(ops.reshape(weight, (-1,)), segment, num_segments=n * columns)
        sums = ops.flip(ops.reshape(sums, (n, columns)), axis=0)
        # Entry k of the sum from the end has bucket k and above; thresholds start at bucket 1.
        at_least = ops.flip(ops.cumsum(sums, axis=0), axis=0)
        return ops.concatenate([at_least[1:], ops.zeros((1, columns), dtype=weight.dtype)], axis=0)

    return [count(w) for w in weights]


def _filter_top_k(x, k):
    """`x` with all but the `k` largest of its last axis replaced by `NEG_INF`."""
    _, indices = ops.top_k(x, k)
    is_top = ops.sum(ops.one_hot(indices, x.shape[-1], axis=-1, dtype=x.dtype), axis=-2)
    return x * is_top + NEG_INF * (1 - is_top)


def confusion_matrix(labels, predictions, num_classes, weights=None, dtype="int32"):
    """How often each label (row) was predicted as each class (column).

    Args:
        labels, predictions: class ids below `num_classes`, of shape `(n,)`.
        num_classes: number of classes.
        weights: weights of shape `(n,)`.
        dtype: dtype of the result, `(num_classes, num_classes)`.
    """
    labels, predictions = squeeze_or_expand_to_same_rank(
        ops.cast(labels, "int32"), ops.cast(predictions, "int32")
    )
    weights = ops.ones(labels.shape, dtype=dtype) if weights is None else ops.cast(weights, dtype)
    cells = ops.segment_sum(weights, labels * num_classes + predictions, num_segments=num_classes**2)
    return ops.reshape(cells, (num_classes, num_classes))
