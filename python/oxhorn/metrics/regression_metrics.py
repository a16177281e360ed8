"""Metrics of regression that are no means of losses."""

from oxhorn import ops
from oxhorn.losses.functions import align_pair
from oxhorn.losses.functions import cosine_similarity as negative_cosine
from oxhorn.losses.loss import squeeze_or_expand_to_same_rank
from oxhorn.metrics.metric import Metric
from oxhorn.metrics.reduction_metrics import FunctionMetric, Mean


class RootMeanSquaredError(Mean):
    """Square root of the mean squared error."""

    _direction = "down"

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = align_pair(y_true, ops.convert_to_tensor(y_pred, self.dtype))
        return super().update_state(ops.square(y_pred - y_true), sample_weight=sample_weight)

    def result(self):
        return ops.sqrt(super().result())


def cosine_similarity(y_true, y_pred, axis=-1):
    """Cosine of the angle between the vectors along `axis`: 1 where they agree."""
    return -negative_cosine(y_true, y_pred, axis=axis)


class CosineSimilarity(FunctionMetric):
    """Mean cosine of the angle between targets and predictions: 1 where they agree."""

    _direction = "up"
    _unwritten = ("axis",)

    def __init__(self, name="cosine_similarity", dtype=None, axis=-1):
        super().__init__(cosine_similarity, name, dtype, axis=axis)


class R2Score(Metric):
    """Coefficient of determination: the share of the targets' variance that predictions explain.

    Inputs have shape `(batch, outputs)`.

    Args:
        class_aggregation: `"uniform_average"` or `"variance_weighted_average"` of the outputs' scores,
            or None for one score per output.
        num_regressors: number of inputs of the model, for the adjusted score; 0 for the plain one. With
            no more than `num_regressors + 1` samples the plain score is given.
        name, dtype: see `Metric`.
    """

    _direction = "up"

    def __init__(self, class_aggregation="uniform_average", num_regressors=0, name="r2_score", dtype=None):
        super().__init__(name=name, dtype=dtype)
        choices = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in choices:
            raise ValueError(
                "Invalid value for argument `class_aggregation`. "
                f"Expected one of {choices}. Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                "Invalid value for argument `num_regressors`. Expected a value >= 0. "
                f"Received: num_regressors={num_regressors}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), "zeros", name="num_samples")
        self._built = False

    def _build(self, y_true_shape, y_pred_shape):
        check_2d("R2Score", y_true_shape, y_pred_shape)
        shape = (y_pred_shape[-1],)
        self.squared_sum = self.add_variable(shape, "zeros", name="squared_sum")
        self.sum = self.add_variable(shape, "zeros", name="sum")
        self.total_mse = self.add_variable(shape, "zeros", name="residual")
        self.count = self.add_variable(shape, "zeros", name="count")
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = squeeze_or_expand_to_same_rank(
            ops.convert_to_tensor(y_true, self.dtype), ops.convert_to_tensor(y_pred, self.dtype)
        )
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        weight = ops.convert_to_tensor(1 if sample_weight is None else sample_weight, dtype=self.dtype)
        if len(weight.shape) == 1:
            weight = ops.expand_dims(weight, axis=1)
        weight = ops.broadcast_to(weight, y_true.shape)
        weighted = y_true * weight
        self.sum.assign_add(ops.sum(weighted, axis=0))
        self.squared_sum.assign_add(ops.sum(y_true * weighted, axis=0))
        self.total_mse.assign_add(ops.sum(ops.square(y_true - y_pred) * weight, axis=0))
        self.count.assign_add(ops.sum(weight, axis=0))
        self.num_samples.assign_add(y_true.shape[0] * y_true.shape[1])

    def result(self):
        total = self.squared_sum - self.sum * (self.sum / self.count)
        scores = 1 - self.total_mse / total
        scores = ops.where(ops.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = ops.sum(total * scores) / ops.sum(total)
        if self.num_regressors:
            freedom = self.num_samples - (self.num_regressors + 1)
            adjusted = 1 - (1 - scores) * (self.num_samples - 1) / freedom
            scores = ops.where(freedom > 0, adjusted, scores)
        return scores

    def get_config(self):
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }


def check_2d(metric, y_true_shape, y_pred_shape):
    """ValueError unless both shapes are `(batch, outputs)` with a known number of outputs."""
    received = f"Received input shapes: y_pred.shape={y_pred_shape} and y_true.shape={y_true_shape}."
    expected = f"{metric} expects 2D inputs with shape (batch_size, output_dim)"
    if len(y_pred_shape) != 2 or len(y_true_shape) != 2:
        raise ValueError(f"{expected}. {received}")
    if None in (y_pred_shape[-1], y_true_shape[-1]):
        raise ValueError(f"{expected}, with output_dim fully defined (not None). {received}")
