"""Overlap of predicted and true regions."""

import warnings

from oxhorn import ops
from oxhorn._base.settings import epsilon
from oxhorn.metrics.metric import Metric
from oxhorn.metrics.metrics_utils import confusion_matrix


class IoU(Metric):
    """Intersection over union, `tp / (tp + fp + fn)`, averaged over some of the classes.

    Args:
        num_classes: number of classes; labels outside of `[0, num_classes)` are left out.
        target_class_ids: the classes whose scores are averaged. Classes that never occur do not count.
        name: see `Metric`.
        dtype: dtype of the confusion matrix; None for int32.
        ignore_class: label that is left out.
        sparse_y_true, sparse_y_pred: whether labels and predictions are class ids, else one-hot or scores.
        axis: that of the classes.
    """

    _direction = "up"
    # The constructor arguments besides name and dtype: subclasses fix some of them.
    _arguments = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        super().__init__(name=name, dtype=dtype or "int")
        if max(target_class_ids) >= num_classes:
            raise ValueError(
                f"Target class id {max(target_class_ids)} is out of range, which is [0, {num_classes})."
            )
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable(
            (num_classes, num_classes), "zeros", dtype=self.dtype, name="total_confusion_matrix"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        if not self.sparse_y_true:
            y_true = ops.argmax(y_true, axis=self.axis)
        if not self.sparse_y_pred:
            y_pred = ops.argmax(y_pred, axis=self.axis)
        if sample_weight is None:
            sample_weight = 1
        elif "float" in str(getattr(sample_weight, "dtype", "")) and "int" in self.dtype:
            warnings.warn(
                "You are passing weight as `float`, but dtype is `int`. This may result in an incorrect "
                "weight due to type casting. Consider using integer weights.",
                stacklevel=2,
            )
        y_true, y_pred, weight = (
            ops.reshape(ops.convert_to_tensor(x, dtype=self.dtype), (-1,))
            for x in (y_true, y_pred, sample_weight)
        )
        weight = ops.broadcast_to(weight, y_true.shape)
        valid = ops.logical_and(self._in_range(y_true), self._in_range(y_pred))
        if self.ignore_class is not None:
            valid = ops.logical_and(valid, ops.not_equal(y_true, self.ignore_class))
        y_true, y_pred, weight = (ops.where(valid, x, 0) for x in (y_true, y_pred, weight))
        self.total_cm.assign_add(confusion_matrix(y_true, y_pred, self.num_classes, weight, self.dtype))

    def _in_range(self, labels):
        return ops.logical_and(ops.greater_equal(labels, 0), ops.less(labels, self.num_classes))

    def result(self):
        intersection = ops.diag(self.total_cm)
        union = ops.sum(self.total_cm, axis=0) + ops.sum(self.total_cm, axis=1) - intersection
        intersection, union = (
            ops.cast(ops.take(x, self.target_class_ids), "float32") for x in (intersection, union)
        )
        occurs = ops.cast(union > 1e-9, "float32")
        return ops.sum(occurs * intersection / (union + epsilon())) / (ops.sum(occurs) + epsilon())

    def get_config(self):
        return {**super().get_config(), **{name: getattr(self, name) for name in self._arguments}}


class BinaryIoU(IoU):
    """`IoU` of two classes, predictions being probabilities of class 1, compared with `threshold`."""

    _arguments = ("target_class_ids", "threshold")

    def __init__(self, target_class_ids=(0, 1), threshold=0.5, name=None, dtype=None):
        super().__init__(num_classes=2, target_class_ids=target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred, dtype="float32") >= self.threshold
        super().update_state(y_true, y_pred, sample_weight)


class MeanIoU(IoU):
    """`IoU` averaged over all classes."""

    _arguments = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        super().__init__(
            num_classes,
            range(num_classes),
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=sparse_y_true,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )


class OneHotIoU(IoU):
    """`IoU` of one-hot labels and scores (or class ids, with `sparse_y_pred`)."""

    _arguments = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_pred=False,
        axis=-1,
    ):
        super().__init__(
            num_classes,
            target_class_ids,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of one-hot labels and scores (or class ids, with `sparse_y_pred`)."""

    _arguments = ("num_classes", "ignore_class", "sparse_y_pred", "axis")

    def __init__(self, num_classes, name=None, dtype=None, ignore_class=None, sparse_y_pred=False, axis=-1):
        super().__init__(
            num_classes,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )
