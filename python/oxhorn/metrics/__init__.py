"""Quantities that are watched during training and evaluation."""

from oxhorn._base import lazy as _lazy
from oxhorn._base import lookup

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "losses.functions": (
            "binary_crossentropy binary_focal_crossentropy categorical_crossentropy "
            "categorical_focal_crossentropy categorical_hinge hinge huber kl_divergence log_cosh "
            "mean_absolute_error mean_absolute_percentage_error mean_squared_error "
            "mean_squared_logarithmic_error poisson sparse_categorical_crossentropy squared_hinge"
        ),
        "metrics.accuracy_metrics": (
            "Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy "
            "SparseTopKCategoricalAccuracy TopKCategoricalAccuracy binary_accuracy "
            "categorical_accuracy sparse_categorical_accuracy sparse_top_k_categorical_accuracy "
            "top_k_categorical_accuracy"
        ),
        "metrics.auc": "AUC",
        "metrics.confusion_metrics": (
            "FalseNegatives FalsePositives Precision PrecisionAtRecall Recall RecallAtPrecision "
            "SensitivityAtSpecificity SpecificityAtSensitivity TrueNegatives TruePositives"
        ),
        "metrics.correlation_metrics": (
            "ConcordanceCorrelation PearsonCorrelation concordance_correlation pearson_correlation"
        ),
        "metrics.f_score_metrics": "F1Score FBetaScore",
        "metrics.iou_metrics": "BinaryIoU IoU MeanIoU OneHotIoU OneHotMeanIoU",
        "metrics.loss_metrics": (
            "BinaryCrossentropy CategoricalCrossentropy CategoricalHinge Hinge KLDivergence "
            "LogCoshError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError "
            "MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy SquaredHinge"
        ),
        "metrics.metric": "Metric",
        "metrics.reduction_metrics": "Mean MeanMetricWrapper Sum",
        "metrics.regression_metrics": "CosineSimilarity R2Score RootMeanSquaredError",
    },
)

_ALIASES = {
    "bce": "BinaryCrossentropy",
    "mae": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "mse": "MeanSquaredError",
    "msle": "MeanSquaredLogarithmicError",
}
_TABLE = lookup.NamespaceTable(
    __name__,
    {
        **_ALIASES,
        **{name.upper(): cls for name, cls in _ALIASES.items()},
        # Names of Keras 2.
        "acc": "Accuracy",
        "cosine_proximity": "CosineSimilarity",
        "kld": "KLDivergence",
        "kullback_leibler_divergence": "KLDivergence",
        "logcosh": "LogCoshError",
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
