"""Metrics computed from counts of true and false, positive and negative predictions."""

from oxhorn import ops
from oxhorn.metrics.metric import Metric
from oxhorn.metrics.metrics_utils import (
    NEG_INF,
    ConfusionMatrix,
    is_evenly_distributed_thresholds,
    parse_init_thresholds,
    update_confusion_matrix_variables,
)


class ConfusionMetric(Metric):
    """Base of metrics that hold counts, one per threshold, in variables named after what they count."""

    def _add_counts(self, shape, *names):
        self._counts = {}
        for name in names:
            variable = self.add_variable(shape, "zeros", name=name)
            setattr(self, name, variable)
            self._counts[ConfusionMatrix[name.upper()]] = variable

    def _update_counts(self, y_true, y_pred, sample_weight, **kwargs):
        update_confusion_matrix_variables(
            self._counts,
            y_true,
            y_pred,
            thresholds=self.thresholds,
            thresholds_distributed_evenly=self._thresholds_distributed_evenly,
            sample_weight=sample_weight,
            **kwargs,
        )

    def _precision(self):
        return ops.divide_no_nan(self.true_positives, self.true_positives + self.false_positives)

    def _recall(self):
        return ops.divide_no_nan(self.true_positives, self.true_positives + self.false_negatives)

    def _specificity(self):
        return ops.divide_no_nan(self.true_negatives, self.true_negatives + self.false_positives)


def _thresholds_from(init_thresholds, default):
    thresholds = parse_init_thresholds(init_thresholds, default)
    return thresholds, is_evenly_distributed_thresholds(thresholds)


class _Count(ConfusionMetric):
    _counted = None

    def __init__(self, thresholds=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.thresholds, self._thresholds_distributed_evenly = _thresholds_from(thresholds, 0.5)
        self.accumulator = self.add_variable((len(self.thresholds),), "zeros", name="accumulator")
        self._counts = {self._counted: self.accumulator}

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._update_counts(y_true, y_pred, sample_weight)

    def result(self):
        return self.accumulator[0] if len(self.thresholds) == 1 else self.accumulator.value

    def get_config(self):
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """Weighted number of labels 1 predicted as 1.

    Args:
        thresholds: value or list of values in [0, 1] above which a prediction is 1; None for 0.5. A list
            gives a result of its length.
        name, dtype: see `Metric`.
    """

    _counted = ConfusionMatrix.TRUE_POSITIVES


class FalsePositives(_Count):
    """Weighted number of labels 0 predicted as 1. Arguments as of `TruePositives`."""

    _counted = ConfusionMatrix.FALSE_POSITIVES


class TrueNegatives(_Count):
    """Weighted number of labels 0 predicted as 0. Arguments as of `TruePositives`."""

    _counted = ConfusionMatrix.TRUE_NEGATIVES


class FalseNegatives(_Count):
    """Weighted number of labels 1 predicted as 0. Arguments as of `TruePositives`."""

    _counted = ConfusionMatrix.FALSE_NEGATIVES


class _Ratio(ConfusionMetric):
    _direction = "up"
    _counted = ()

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        default = 0.5 if top_k is None else NEG_INF
        self.thresholds, self._thresholds_distributed_evenly = _thresholds_from(thresholds, default)
        self._add_counts((len(self.thresholds),), *self._counted)

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._update_counts(y_true, y_pred, sample_weight, top_k=self.top_k, class_id=self.class_id)

    def _single(self, ratios):
        return ratios[0] if len(self.thresholds) == 1 else ratios

    def get_config(self):
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_Ratio):
    """Share of positive predictions that are right.

    Args:
        thresholds: value or list of values in [0, 1] above which a prediction is positive; None for 0.5,
            or for none with `top_k`. A list gives a result of its length.
        top_k: only the `top_k` largest predictions of a sample can be positive.
        class_id: only count this class.
        name, dtype: see `Metric`.
    """

    _counted = ("true_positives", "false_positives")

    def result(self):
        return self._single(self._precision())


class Recall(_Ratio):
    """Share of positive labels that are predicted. Arguments as of `Precision`."""

    _counted = ("true_positives", "false_negatives")

    def result(self):
        return self._single(self._recall())


class _BestAtLimit(ConfusionMetric):
    """The largest value of one ratio among the thresholds where another is no less than a limit."""

    _direction = "up"
    _limited = None

    def __init__(self, value, num_thresholds=200, class_id=None, name=None, dtype=None):
        if not 0 <= value <= 1:
            raise ValueError(
                f"Argument `{self._limited}` must be in the range [0, 1]. Received: {self._limited}={value}"
            )
        super().__init__(name=name, dtype=dtype)
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={num_thresholds}"
            )
        self.value = value
        setattr(self, self._limited, value)
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        if num_thresholds == 1:
            self.thresholds = [0.5]
        else:
            self.thresholds = [i / (num_thresholds - 1) for i in range(num_thresholds)]
        self._thresholds_distributed_evenly = num_thresholds > 1
        self._add_counts(
            (num_thresholds,), "true_positives", "false_positives", "true_negatives", "false_negatives"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._update_counts(y_true, y_pred, sample_weight, class_id=self.class_id)

    def _best(self, limited, wanted):
        return ops.max(ops.where(limited >= self.value, wanted, 0), initial=0)

    def get_config(self):
        return {
            **super().get_config(),
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
            self._limited: self.value,
        }


class SensitivityAtSpecificity(_BestAtLimit):
    """The best sensitivity (recall) where specificity is at least `specificity`.

    Args:
        specificity: float in [0, 1].
        num_thresholds: number of thresholds tried, evenly from 0 to 1.
        class_id: only count this class.
        name, dtype: see `Metric`.
    """

    _limited = "specificity"

    def __init__(self, specificity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self):
        return self._best(self._specificity(), self._recall())


class SpecificityAtSensitivity(_BestAtLimit):
    """The best specificity where sensitivity is at least `sensitivity`.

    Arguments as of `SensitivityAtSpecificity`.
    """

    _limited = "sensitivity"

    def __init__(self, sensitivity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self):
        return self._best(self._recall(), self._specificity())


class PrecisionAtRecall(_BestAtLimit):
    """The best precision where recall is at least `recall`. Arguments as of `SensitivityAtSpecificity`."""

    _limited = "recall"

    def __init__(self, recall, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self):
        return self._best(self._recall(), self._precision())


class RecallAtPrecision(_BestAtLimit):
    """The best recall where precision is at least `precision`. Arguments as of `SensitivityAtSpecificity`."""

    _limited = "precision"

    def __init__(self, precision, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self):
        return self._best(self._precision(), self._recall())
