"""How much predictions vary with their targets."""

from oxhorn import ops
from oxhorn._base.settings import epsilon
from oxhorn.losses.functions import align_pair
from oxhorn.metrics.reduction_metrics import FunctionMetric


def _centred(x, axis):
    mean = ops.mean(x, axis=axis, keepdims=True)
    return x - mean, mean


def pearson_correlation(y_true, y_pred, axis=-1):
    """Pearson's coefficient along `axis`, in [-1, 1]."""
    y_true, y_pred = align_pair(y_true, y_pred)
    (y_true, _), (y_pred, _) = _centred(y_true, axis), _centred(y_pred, axis)
    y_true, y_pred = (y / ops.std(y, axis=axis, keepdims=True) for y in (y_true, y_pred))
    return ops.mean(y_true * y_pred, axis=axis)


def concordance_correlation(y_true, y_pred, axis=-1):
    """Lin's coefficient along `axis`, in [-1, 1]: like Pearson's, but 1 only for equal values."""
    y_true, y_pred = align_pair(y_true, y_pred)
    true_residual, true_mean = _centred(y_true, axis)
    residual, mean = _centred(y_pred, axis)
    spread = (
        ops.var(true_residual, axis=axis, keepdims=True)
        + ops.var(residual, axis=axis, keepdims=True)
        + ops.square(true_mean - mean)
    )
    return ops.mean(2 * (y_true - mean) * residual / (spread + epsilon()), axis=axis)


class _Correlation(FunctionMetric):
    _direction = "up"


class PearsonCorrelation(_Correlation):
    """Mean of `pearson_correlation`."""

    def __init__(self, name="pearson_correlation", dtype=None, axis=-1):
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(_Correlation):
    """Mean of `concordance_correlation`."""

    def __init__(self, name="concordance_correlation", dtype=None, axis=-1):
        super().__init__(concordance_correlation, name, dtype, axis=axis)
