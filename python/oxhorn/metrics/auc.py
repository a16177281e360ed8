import numpy as np

from oxhorn import ops
from oxhorn._base.settings import epsilon
from oxhorn.metrics.confusion_metrics import ConfusionMetric
from oxhorn.metrics.metrics_utils import AUCCurve, AUCSummationMethod, is_evenly_distributed_thresholds


def _choice(kind, value):
    return value if isinstance(value, kind) else kind.from_str(value)


class AUC(ConfusionMetric):
    """Area under a curve of ratios that predictions give at varying thresholds.

    Args:
        num_thresholds: number of thresholds, at least 2, evenly from 0 to 1.
        curve: `"ROC"` (recall over false-positive rate), `"PR"` (precision over recall) or `"PRGAIN"`
            (precision gain over recall gain; Flach & Kull, 2015).
        summation_method: `"interpolation"` (trapezoids for ROC and PRGAIN; Davis & Goadrich, 2006, for PR),
            `"minoring"` or `"majoring"` (lower and upper sum).
        name, dtype: see `Metric`.
        thresholds: thresholds in place of `num_thresholds`, without the ends 0 and 1, which are added.
        multi_label: average the areas of each label. Predictions then have shape `(batch, labels)`.
        num_labels: number of labels, so that variables are made at once; only with `multi_label`.
        label_weights: weights of labels: in that average, or in the counts without `multi_label`.
        from_logits: predictions are scores before the sigmoid.
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        dtype=None,
        thresholds=None,
        multi_label=False,
        num_labels=None,
        label_weights=None,
        from_logits=False,
    ):
        super().__init__(name=name, dtype=dtype)
        self._init_from_thresholds = thresholds is not None
        if thresholds is not None:
            inner = sorted(thresholds)
            self.num_thresholds = len(inner) + 2
        else:
            if num_thresholds <= 1:
                raise ValueError(
                    "Argument `num_thresholds` must be an integer > 1. "
                    f"Received: num_thresholds={num_thresholds}"
                )
            self.num_thresholds = num_thresholds
            inner = [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        self._thresholds_distributed_evenly = thresholds is None or is_evenly_distributed_thresholds(
            [0.0, *inner, 1.0]
        )
        # The ends are moved out, so that predictions of exactly 0 and 1 are above and below them.
        self._thresholds = np.array([-epsilon(), *inner, 1.0 + epsilon()])
        self.curve = _choice(AUCCurve, curve)
        self.summation_method = _choice(AUCSummationMethod, summation_method)
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else ops.array(label_weights, dtype=self.dtype)
        self._from_logits = from_logits
        self._built = False
        if not multi_label:
            if num_labels:
                raise ValueError("`num_labels` is needed only when `multi_label` is True.")
            self._build(None)
        elif num_labels:
            self._build([None, num_labels])

    @property
    def thresholds(self):
        return list(self._thresholds)

    def _build(self, shape):
        variable_shape = [self.num_thresholds]
        if self.multi_label:
            if len(shape) != 2:
                raise ValueError(
                    "`y_pred` must have rank 2 when `multi_label=True`. "
                    f"Found rank {len(shape)}. Full shape received for `y_pred`: {shape}"
                )
            self._num_labels = shape[1]
            variable_shape.append(shape[1])
        self._build_input_shape = shape
        self._add_counts(
            variable_shape, "true_positives", "false_positives", "true_negatives", "false_negatives"
        )
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred)
        if not self._built:
            self._build(y_pred.shape)
        if self._from_logits:
            y_pred = ops.sigmoid(y_pred)
        self._update_counts(
            y_true,
            y_pred,
            sample_weight,
            multi_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
        )

    def interpolate_pr_auc(self):
        """Area under the precision-recall curve, true positives being interpolated, not precision.

        Between two thresholds with p positive predictions, of which tp are right, `tp = a + b * p`: the
        area is that of `tp / p` over tp, `b * (dtp + a * log(p1 / p2))`, over the number of positives.
        """
        tp = self.true_positives.value
        p = tp + self.false_positives
        dtp, dp = tp[:-1] - tp[1:], p[:-1] - p[1:]
        slope = ops.divide_no_nan(dtp, ops.maximum(dp, 0))
        intercept = tp[1:] - slope * p[1:]
        both = ops.logical_and(p[:-1] > 0, p[1:] > 0)
        ratio = ops.where(both, ops.divide_no_nan(p[:-1], ops.maximum(p[1:], 0)), 1)
        positives = ops.maximum(tp[1:] + self.false_negatives[1:], 0)
        return self._total(ops.divide_no_nan(slope * (dtp + intercept * ops.log(ratio)), positives))

    def _total(self, areas):
        """The sum of the areas between thresholds, averaged over labels."""
        if not self.multi_label:
            return ops.sum(areas)
        by_label = ops.sum(areas, axis=0)
        if self.label_weights is None:
            return ops.mean(by_label)
        return ops.divide_no_nan(ops.sum(by_label * self.label_weights), ops.sum(self.label_weights))

    def _gain(self, errors):
        positives = self.true_positives + self.false_negatives
        negatives = self.true_negatives + self.false_positives
        return 1.0 - ops.divide_no_nan(positives, negatives) * ops.divide_no_nan(errors, self.true_positives)

    def _points(self):
        if self.curve == AUCCurve.ROC:
            false_rate = ops.divide_no_nan(self.false_positives, self.false_positives + self.true_negatives)
            return false_rate, self._recall()
        if self.curve == AUCCurve.PR:
            return self._recall(), self._precision()
        none_found = ops.equal(self.true_positives, 0.0)
        recall_gain = ops.where(none_found, 0.0, self._gain(self.false_negatives))
        precision_gain = ops.where(none_found, 1.0, self._gain(self.false_positives))
        return ops.maximum(recall_gain, 0.0), precision_gain

    def result(self):
        method = self.summation_method
        if self.curve == AUCCurve.PR and method == AUCSummationMethod.INTERPOLATION:
            return self.interpolate_pr_auc()
        x, y = self._points()
        if method == AUCSummationMethod.INTERPOLATION:
            heights = (y[:-1] + y[1:]) / 2.0
        elif method == AUCSummationMethod.MINORING:
            heights = ops.minimum(y[:-1], y[1:])
        else:
            heights = ops.maximum(y[:-1], y[1:])
        return self._total((x[:-1] - x[1:]) * heights)

    def reset_state(self):
        if self._built:
            super().reset_state()

    def get_config(self):
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve.value,
            "summation_method": self.summation_method.value,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self._from_logits,
        }
        if self._init_from_thresholds:
            config["thresholds"] = self.thresholds[1:-1]
        return config
