"""Means of losses. Each is its function in `oxhorn.losses`."""

from oxhorn.losses import functions
from oxhorn.metrics.reduction_metrics import FunctionMetric


class MeanSquaredError(FunctionMetric):
    """Mean of `mean_squared_error`."""

    def __init__(self, name="mean_squared_error", dtype=None):
        super().__init__(functions.mean_squared_error, name, dtype)


class MeanAbsoluteError(FunctionMetric):
    """Mean of `mean_absolute_error`."""

    def __init__(self, name="mean_absolute_error", dtype=None):
        super().__init__(functions.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(FunctionMetric):
    """Mean of `mean_absolute_percentage_error`."""

    def __init__(self, name="mean_absolute_percentage_error", dtype=None):
        super().__init__(functions.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(FunctionMetric):
    """Mean of `mean_squared_logarithmic_error`."""

    def __init__(self, name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(functions.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(FunctionMetric):
    """Mean of `log_cosh`."""

    def __init__(self, name="logcosh", dtype=None):
        super().__init__(functions.log_cosh, name, dtype)


class Hinge(FunctionMetric):
    """Mean of `hinge`."""

    def __init__(self, name="hinge", dtype=None):
        super().__init__(functions.hinge, name, dtype)


class SquaredHinge(FunctionMetric):
    """Mean of `squared_hinge`."""

    def __init__(self, name="squared_hinge", dtype=None):
        super().__init__(functions.squared_hinge, name, dtype)


class CategoricalHinge(FunctionMetric):
    """Mean of `categorical_hinge`."""

    def __init__(self, name="categorical_hinge", dtype=None):
        super().__init__(functions.categorical_hinge, name, dtype)


class KLDivergence(FunctionMetric):
    """Mean of `kl_divergence`."""

    def __init__(self, name="kl_divergence", dtype=None):
        super().__init__(functions.kl_divergence, name, dtype)


class Poisson(FunctionMetric):
    """Mean of `poisson`."""

    def __init__(self, name="poisson", dtype=None):
        super().__init__(functions.poisson, name, dtype)


class BinaryCrossentropy(FunctionMetric):
    """Mean of `binary_crossentropy`."""

    def __init__(self, name="binary_crossentropy", dtype=None, from_logits=False, label_smoothing=0):
        super().__init__(
            functions.binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class CategoricalCrossentropy(FunctionMetric):
    """Mean of `categorical_crossentropy`."""

    def __init__(
        self, name="categorical_crossentropy", dtype=None, from_logits=False, label_smoothing=0, axis=-1
    ):
        super().__init__(
            functions.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(FunctionMetric):
    """Mean of `sparse_categorical_crossentropy`."""

    def __init__(
        self,
        name="sparse_categorical_crossentropy",
        dtype=None,
        from_logits=False,
        ignore_class=None,
        axis=-1,
    ):
        super().__init__(
            functions.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
