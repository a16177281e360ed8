from oxhorn import ops
from oxhorn._base.settings import epsilon
from oxhorn.metrics.metric import Metric
from oxhorn.metrics.regression_metrics import check_2d


class FBetaScore(Metric):
    """F-beta score: `(1 + beta ** 2) * precision * recall / (beta ** 2 * precision + recall)`.

    Inputs have shape `(batch, classes)`.

    Args:
        average: `"macro"` (mean of the classes' scores), `"micro"` (score of all counts together),
            `"weighted"` (by number of labels) or None for one score per class.
        beta: positive float, the weight of recall.
        threshold: float in (0, 1] above which a prediction is positive; None: the largest is.
        name, dtype: see `Metric`.
    """

    _direction = "up"

    def __init__(self, average=None, beta=1.0, threshold=None, name="fbeta_score", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                "Invalid `average` argument value. Expected one of: {None, 'micro', 'macro', 'weighted'}. "
                f"Received: average={average}"
            )
        _check_float("beta", beta)
        if beta <= 0.0:
            raise ValueError(f"Invalid `beta` argument value. It should be > 0. Received: beta={beta}")
        if threshold is not None:
            _check_float("threshold", threshold)
            if not 0.0 < threshold <= 1.0:
                raise ValueError(
                    "Invalid `threshold` argument value. It should verify 0 < threshold <= 1. "
                    f"Received: threshold={threshold}"
                )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.axis = None if average == "micro" else 0
        self._built = False

    def _build(self, y_true_shape, y_pred_shape):
        check_2d("FBetaScore", y_true_shape, y_pred_shape)
        shape = () if self.average == "micro" else (y_pred_shape[-1],)
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            setattr(self, name, self.add_variable(shape, "zeros", dtype=self.dtype, name=name))
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            y_pred = ops.logical_and(y_pred >= largest, ops.abs(y_pred) > 1e-9)
        else:
            y_pred = y_pred > self.threshold
        y_pred = ops.cast(y_pred, self.dtype)
        if sample_weight is not None:
            sample_weight = ops.expand_dims(ops.convert_to_tensor(sample_weight, dtype=self.dtype), 1)

        def add(variable, values):
            if sample_weight is not None:
                values = values * sample_weight
            variable.assign_add(ops.sum(values, axis=self.axis))

        add(self.true_positives, y_pred * y_true)
        add(self.false_positives, y_pred * (1 - y_true))
        add(self.false_negatives, (1 - y_pred) * y_true)
        add(self.intermediate_weights, y_true)

    def result(self):
        positives = self.true_positives.value
        precision = positives / (positives + self.false_positives + epsilon())
        recall = positives / (positives + self.false_negatives + epsilon())
        weight = self.beta**2
        score = (1 + weight) * (precision * recall / (weight * precision + recall + epsilon()))
        if self.average == "weighted":
            weights = self.intermediate_weights / (ops.sum(self.intermediate_weights) + epsilon())
            return ops.sum(score * weights)
        return score if self.average is None else ops.mean(score)

    def get_config(self):
        return {
            **super().get_config(),
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


def _check_float(name, value):
    if not isinstance(value, float):
        raise ValueError(
            f"Invalid `{name}` argument value. It should be a Python float. "
            f"Received: {name}={value} of type '{type(value)}'"
        )


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; see `FBetaScore`."""

    def __init__(self, average=None, threshold=None, name="f1_score", dtype=None):
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self):
        config = super().get_config()
        del config["beta"]
        return config
