"""Quantities that are watched during training and evaluation."""

from oxhorn._base import lookup
from oxhorn.losses.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from oxhorn.metrics.accuracy_metrics import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from oxhorn.metrics.auc import AUC
from oxhorn.metrics.confusion_metrics import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from oxhorn.metrics.correlation_metrics import (
    ConcordanceCorrelation,
    PearsonCorrelation,
    concordance_correlation,
    pearson_correlation,
)
from oxhorn.metrics.f_score_metrics import F1Score, FBetaScore
from oxhorn.metrics.iou_metrics import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from oxhorn.metrics.loss_metrics import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from oxhorn.metrics.metric import Metric
from oxhorn.metrics.reduction_metrics import Mean, MeanMetricWrapper, Sum
from oxhorn.metrics.regression_metrics import CosineSimilarity, R2Score, RootMeanSquaredError

_ALIASES = {
    "bce": BinaryCrossentropy,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}
_TABLE = lookup.name_table(
    [
        Metric,
        Accuracy,
        AUC,
        BinaryAccuracy,
        BinaryCrossentropy,
        BinaryIoU,
        CategoricalAccuracy,
        CategoricalCrossentropy,
        CategoricalHinge,
        ConcordanceCorrelation,
        CosineSimilarity,
        F1Score,
        FalseNegatives,
        FalsePositives,
        FBetaScore,
        Hinge,
        IoU,
        KLDivergence,
        LogCoshError,
        Mean,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanIoU,
        MeanMetricWrapper,
        MeanSquaredError,
        MeanSquaredLogarithmicError,
        OneHotIoU,
        OneHotMeanIoU,
        PearsonCorrelation,
        Poisson,
        Precision,
        PrecisionAtRecall,
        R2Score,
        Recall,
        RecallAtPrecision,
        RootMeanSquaredError,
        SensitivityAtSpecificity,
        SparseCategoricalAccuracy,
        SparseCategoricalCrossentropy,
        SparseTopKCategoricalAccuracy,
        SpecificityAtSensitivity,
        SquaredHinge,
        Sum,
        TopKCategoricalAccuracy,
        TrueNegatives,
        TruePositives,
    ],
    {
        **_ALIASES,
        **{name.upper(): cls for name, cls in _ALIASES.items()},
        # Names of Keras 2.
        "acc": Accuracy,
        "cosine_proximity": CosineSimilarity,
        "kld": KLDivergence,
        "kullback_leibler_divergence": KLDivergence,
        "logcosh": LogCoshError,
    },
)


def serialize(metric):
    """The configuration of a metric as a dict."""
    return lookup.serialize(metric)


def deserialize(config, custom_objects=None):
    """The metric that `serialize` described."""
    return lookup.deserialize(config, _TABLE, custom_objects)


def get(identifier):
    """A metric from its name, its serialized form, a class or a callable.

    Raises ValueError for anything else; None gives None.
    """
    return lookup.interpret(identifier, _TABLE, "metric")
