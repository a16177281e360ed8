"""Losses as functions: targets and predictions to one value per sample.

Except where said otherwise, `y_true` and `y_pred` have shape `(batch, ..., n)`, the result
`(batch, ...)`, and targets take the dtype of the predictions.
"""

import math
import warnings

from oxhorn import ops
from oxhorn._base.masking import set_keras_mask
from oxhorn._base.settings import epsilon
from oxhorn.losses.loss import squeeze_or_expand_to_same_rank
from oxhorn.utils.numerical_utils import build_pos_neg_masks


def convert_pair(y_true, y_pred):
    """Both as tensors of the dtype of `y_pred`."""
    y_pred = ops.convert_to_tensor(y_pred)
    return ops.convert_to_tensor(y_true, dtype=y_pred.dtype), y_pred


def align_pair(y_true, y_pred):
    """Both as tensors of one dtype and, if they differ by an axis of size 1, of one rank."""
    return squeeze_or_expand_to_same_rank(*convert_pair(y_true, y_pred))


# -- regression ---------------------------------------------------------------------------------


def mean_squared_error(y_true, y_pred):
    """`mean((y_true - y_pred) ** 2)`."""
    y_true, y_pred = align_pair(y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true, y_pred):
    """`mean(|y_true - y_pred|)`."""
    y_true, y_pred = align_pair(y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true, y_pred):
    """`100 * mean(|y_true - y_pred| / |y_true|)`; divisors below `epsilon()` count as `epsilon()`."""
    y_true, y_pred = align_pair(y_true, y_pred)
    error = ops.abs((y_true - y_pred) / ops.maximum(ops.abs(y_true), epsilon()))
    return 100.0 * ops.mean(error, axis=-1)


def mean_squared_logarithmic_error(y_true, y_pred):
    """`mean((log(y_true + 1) - log(y_pred + 1)) ** 2)`; values below `epsilon()` count as `epsilon()`."""
    y_true, y_pred = align_pair(y_true, y_pred)
    difference = ops.log(ops.maximum(y_pred, epsilon()) + 1.0) - ops.log(ops.maximum(y_true, epsilon()) + 1.0)
    return ops.mean(ops.square(difference), axis=-1)


def cosine_similarity(y_true, y_pred, axis=-1):
    """Minus the cosine of the angle between the vectors along `axis`: -1 where they agree."""
    y_true, y_pred = align_pair(y_true, y_pred)
    return -ops.sum(ops.normalize(y_true, axis=axis) * ops.normalize(y_pred, axis=axis), axis=axis)


def huber(y_true, y_pred, delta=1.0):
    """Mean of `error ** 2 / 2` where `|error| <= delta`, of `delta * (|error| - delta / 2)` elsewhere."""
    y_true, y_pred = align_pair(y_true, y_pred)
    delta = ops.convert_to_tensor(delta, dtype=y_pred.dtype)
    error = ops.abs(y_pred - y_true)
    value = ops.where(error <= delta, 0.5 * ops.square(error), delta * error - 0.5 * ops.square(delta))
    return ops.mean(value, axis=-1)


def log_cosh(y_true, y_pred):
    """`mean(log(cosh(y_pred - y_true)))`."""
    y_true, y_pred = align_pair(y_true, y_pred)
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(error * -2.0) - math.log(2.0), axis=-1)


def poisson(y_true, y_pred):
    """`mean(y_pred - y_true * log(y_pred))`."""
    y_true, y_pred = convert_pair(y_true, y_pred)
    return ops.mean(y_pred - y_true * ops.log(y_pred + epsilon()), axis=-1)


# -- margins ------------------------------------------------------------------------------------


def _signed_labels(y_true):
    """Labels 0 and 1 as -1 and 1; labels that have other values are left as they are."""
    is_binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.where(is_binary, 2.0 * y_true - 1.0, y_true)


def _margin(y_true, y_pred):
    y_true, y_pred = convert_pair(y_true, y_pred)
    return ops.maximum(1.0 - _signed_labels(y_true) * y_pred, 0.0)


def hinge(y_true, y_pred):
    """`mean(max(1 - y_true * y_pred, 0))` of labels -1 and 1, or 0 and 1."""
    return ops.mean(_margin(y_true, y_pred), axis=-1)


def squared_hinge(y_true, y_pred):
    """`mean(max(1 - y_true * y_pred, 0) ** 2)` of labels -1 and 1, or 0 and 1."""
    return ops.mean(ops.square(_margin(y_true, y_pred)), axis=-1)


def categorical_hinge(y_true, y_pred):
    """`max(best wrong score - score of the label + 1, 0)` of one-hot labels."""
    y_true, y_pred = convert_pair(y_true, y_pred)
    label = ops.sum(y_true * y_pred, axis=-1)
    other = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(other - label + 1.0, 0.0)


# -- distributions ------------------------------------------------------------------------------


def kl_divergence(y_true, y_pred):
    """`sum(y_true * log(y_true / y_pred))`, both clipped to `[epsilon(), 1]`."""
    y_true, y_pred = (ops.clip(y, epsilon(), 1) for y in convert_pair(y_true, y_pred))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def _categorical_pair(y_true, y_pred, label_smoothing, axis, caller):
    """Checks the arguments of a categorical loss and smooths its labels."""
    if isinstance(axis, bool):
        raise ValueError(f"`axis` must be of type `int`. Received: axis={axis} of type {type(axis)}")
    y_true, y_pred = convert_pair(y_true, y_pred)
    if y_pred.shape[-1] == 1:
        warnings.warn(
            f"In loss {caller}, expected y_pred.shape to be (batch_size, num_classes) with num_classes > 1. "
            f"Received: y_pred.shape={y_pred.shape}. "
            "Consider using 'binary_crossentropy' if you only have 2 classes.",
            SyntaxWarning,
            stacklevel=3,
        )
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[-1]
    return y_true, y_pred


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """`-sum(y_true * log(y_pred))` of one-hot labels; `axis` is that of the classes.

    With `from_logits`, predictions are scores before the softmax. `label_smoothing` moves that share
    of each label to all classes.
    """
    y_true, y_pred = _categorical_pair(y_true, y_pred, label_smoothing, axis, "categorical_crossentropy")
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Categorical cross-entropy, classes weighted by `alpha * (1 - y_pred) ** gamma` (Lin et al., 2018)."""
    y_true, y_pred = _categorical_pair(
        y_true, y_pred, label_smoothing, axis, "categorical_focal_crossentropy"
    )
    if from_logits:
        y_pred = ops.softmax(y_pred, axis=axis)
    probability = y_pred / ops.sum(y_pred, axis=axis, keepdims=True)
    probability = ops.clip(probability, epsilon(), 1.0 - epsilon())
    focus = alpha * ops.power(1.0 - probability, gamma)
    return ops.sum(-focus * y_true * ops.log(probability), axis=axis)


def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    """`-log(y_pred[label])` of integer labels of shape `(batch, ...)` or `(batch, ..., 1)`.

    Samples of label `ignore_class` count 0 and are masked out of means.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[axis] == 1:
        y_true = ops.squeeze(y_true, axis=axis)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    valid = ops.not_equal(y_true, ops.cast(ignore_class, y_true.dtype))
    y_true = ops.where(valid, y_true, 0)
    y_pred = ops.where(ops.expand_dims(valid, axis), y_pred, 0)
    value = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    value = ops.where(valid, value, 0.0)
    set_keras_mask(value, valid)
    return value


def _binary_pair(y_true, y_pred, label_smoothing):
    y_true, y_pred = convert_pair(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return y_true, y_pred


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Mean along `axis` of `-y_true * log(y_pred) - (1 - y_true) * log(1 - y_pred)`.

    With `from_logits`, predictions are scores before the sigmoid. `label_smoothing` moves that share
    of each label towards 0.5.
    """
    y_true, y_pred = _binary_pair(y_true, y_pred, label_smoothing)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def binary_focal_crossentropy(
    y_true,
    y_pred,
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
):
    """Binary cross-entropy weighted by `(1 - p) ** gamma`, p the probability of the label (Lin et al., 2018).

    With `apply_class_balancing`, label 1 also weighs `alpha` and label 0 `1 - alpha`.
    """
    y_true, y_pred = _binary_pair(y_true, y_pred, label_smoothing)
    if from_logits:
        y_pred = ops.sigmoid(y_pred)
    p_label = y_true * y_pred + (1 - y_true) * (1 - y_pred)
    value = ops.power(1.0 - p_label, gamma) * ops.binary_crossentropy(y_true, y_pred)
    if apply_class_balancing:
        value = value * (y_true * alpha + (1 - y_true) * (1 - alpha))
    return ops.mean(value, axis=axis)


def categorical_generalized_cross_entropy(y_true, y_pred, q):
    """`(1 - y_pred[label] ** q) / q` of integer labels: robust to wrong ones (Zhang & Sabuncu, 2018)."""
    y_pred = ops.convert_to_tensor(y_pred)
    label = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
    return (1 - ops.power(ops.sum(y_pred * label, axis=-1), q)) / q


# -- sequences, segments, embeddings --------------------------------------------------------------


def ctc(y_true, y_pred):
    """Connectionist temporal classification.

    Args:
        y_true: integer labels `(batch, max_length)`, 0 for padding.
        y_pred: logits `(batch, time, classes)`, class 0 the blank.

    Returns: `(batch,)`. Raises ValueError for other ranks.
    """
    if len(y_true.shape) != 2:
        raise ValueError(
            "Targets `y_true` are expected to be a tensor of shape `(batch_size, max_length)` in integer "
            f"format. Received: y_true.shape={y_true.shape}"
        )
    if len(y_pred.shape) != 3:
        raise ValueError(
            "Logits `y_pred` are expected to be a tensor of shape `(batch_size, max_length, num_classes)`. "
            f"Received: y_pred.shape={y_pred.shape}"
        )
    blank = 0
    output_length = ops.full((y_pred.shape[0],), y_pred.shape[1], dtype="int32")
    target_length = ops.sum(ops.cast(ops.not_equal(y_true, blank), "int32"), axis=-1)
    return ops.ctc_loss(y_true, y_pred, target_length, output_length, mask_index=blank)


def dice(y_true, y_pred, axis=None):
    """`1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred))`, sums along `axis` (None: all)."""
    y_true, y_pred = convert_pair(y_true, y_pred)
    overlap = ops.sum(y_true * y_pred, axis=axis)
    return 1 - 2.0 * overlap / (ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis) + epsilon())


def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """Dice with `alpha` the weight of missed targets and `beta` of false ones (Salehi et al., 2017)."""
    y_true, y_pred = convert_pair(y_true, y_pred)
    overlap = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum((1 - y_pred) * y_true, axis=axis)
    false = ops.sum(y_pred * (1 - y_true), axis=axis)
    return 1 - overlap / (overlap + missed * alpha + false * beta + epsilon())


def circle(y_true, y_pred, ref_labels=None, ref_embeddings=None, remove_diagonal=True, gamma=80, margin=0.4):
    """Circle loss of L2-normalised embeddings (Sun et al., 2020).

    Args:
        y_true: integer labels `(batch,)`.
        y_pred: embeddings `(batch, dim)` of norm 1.
        ref_labels, ref_embeddings: what to compare with; by default the batch itself.
        remove_diagonal: whether a sample is not compared with itself.
        gamma: scale of the scores.
        margin: relaxation of the optimum.

    Returns: `(batch,)`, masked where it is 0.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, "int32")
    ref_embeddings = y_pred if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings)
    ref_labels = y_true if ref_labels is None else ops.cast(ref_labels, "int32")
    distance = ops.maximum(1 - ops.matmul(y_pred, ops.transpose(ref_embeddings)), 0.0)
    positive, negative = build_pos_neg_masks(y_true, ref_labels, remove_diagonal=remove_diagonal)

    def pool(mask, weight, score):
        score = gamma * ops.maximum(weight, 0.0) * score
        return ops.logsumexp(ops.where(mask, score, float("-inf")), axis=1)

    value = ops.softplus(
        pool(positive, margin + distance, distance - margin)
        + pool(negative, 1 + margin - distance, 1 - margin - distance)
    )
    set_keras_mask(value, value > 0)
    return value
