import math

from oxhorn import dtype_policies, ops, tree
from oxhorn._base.masking import get_keras_mask
from oxhorn._base.naming import auto_name
from oxhorn._base.saveable import KerasSaveable
from oxhorn._base.settings import floatx

_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


class Loss(KerasSaveable):
    """A function of targets and predictions that training minimises.

    Subclasses define `call(y_true, y_pred)`, which gives one value per sample (or per time step, per
    pixel...); the base weights and reduces these.

    Args:
        name: name of the loss.
        reduction: `"sum_over_batch_size"` or `"mean"` (the mean of all values), `"sum"`,
            `"mean_with_sample_weight"` (the weighted mean), `"none"` or None.
        dtype: dtype or policy of the computation; None for `floatx()`.
    """

    _keras_module = "keras"

    def __init__(self, name=None, reduction="sum_over_batch_size", dtype=None):
        self.name = name or auto_name(type(self).__name__)
        self.reduction = standardize_reduction(reduction)
        self._dtype_policy = dtype_policies.get(dtype or floatx())
        self._dtype = self._dtype_policy.compute_dtype

    @property
    def dtype(self):
        return self._dtype

    def __call__(self, y_true, y_pred, sample_weight=None):
        in_mask = get_keras_mask(y_pred)

        def convert(x):
            return ops.convert_to_tensor(x, dtype=self.dtype)

        values = self.call(tree.map_structure(convert, y_true), tree.map_structure(convert, y_pred))
        if values is None:
            raise ValueError(f"The loss '{self.name}' returned None. Expected a tensor of losses.")
        out_mask = get_keras_mask(values)
        if in_mask is not None and out_mask is not None:
            mask = ops.logical_and(in_mask, out_mask)
        else:
            mask = in_mask if out_mask is None else out_mask
        return reduce_weighted_values(values, sample_weight, mask, self.reduction, self.dtype)

    def call(self, y_true, y_pred):
        """The values of the loss before weighting and reduction."""
        raise NotImplementedError

    def get_config(self):
        """The constructor arguments as a dict that JSON can hold."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config):
        """The loss that `get_config()` described."""
        return cls(**config)

    def _obj_type(self):
        return "Loss"


def standardize_reduction(reduction):
    allowed = (*_MEANS, "sum", "none", None)
    if reduction not in allowed:
        raise ValueError(
            "Invalid value for argument `reduction`. "
            f"Expected one of {allowed}. Received: reduction={reduction}"
        )
    return reduction


def squeeze_or_expand_to_same_rank(x1, x2, expand_rank_1=True):
    """Aligns ranks that differ by a last axis of size 1.

    The axis is dropped, except against a tensor of rank 1, which gets one (if `expand_rank_1`).
    Other differences are left as they are.
    """
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank2 == rank1 + 1:
        x2, x1 = squeeze_or_expand_to_same_rank(x2, x1, expand_rank_1)
    elif rank1 == rank2 + 1 and x1.shape[-1] == 1:
        if rank2 == 1 and expand_rank_1:
            x2 = ops.expand_dims(x2, axis=-1)
        else:
            x1 = ops.squeeze(x1, axis=-1)
    return x1, x2


def expand_like_samples(weight, values):
    """Weights of the first axes of `values` (samples, or samples and time steps) in the shape of `values`."""
    missing = len(values.shape) - len(weight.shape)
    if missing <= 0 or tuple(weight.shape) != tuple(values.shape[: len(weight.shape)]):
        return weight
    return ops.broadcast_to(ops.reshape(weight, (*weight.shape, *(1,) * missing)), values.shape)


def reduce_weighted_values(
    values, sample_weight=None, mask=None, reduction="sum_over_batch_size", dtype=None
):
    """Multiplies `values` by their weights and mask, then reduces them."""
    reduction = standardize_reduction(reduction)
    values = ops.convert_to_tensor(values, dtype=dtype)
    weight = apply_mask(sample_weight, mask, values.dtype, reduction)
    if weight is not None:
        values, weight = squeeze_or_expand_to_same_rank(values, ops.cast(weight, values.dtype))
        weight = expand_like_samples(weight, values)
        values = values * weight
    if reduction in (None, "none") or tuple(values.shape) in ((), (0,)):
        return values
    total = ops.sum(values)
    if reduction == "mean_with_sample_weight" and weight is not None:
        return ops.divide_no_nan(total, ops.sum(weight))
    if reduction in _MEANS:
        return total / max(math.prod(values.shape), 1)
    return total


def apply_mask(sample_weight, mask, dtype, reduction):
    """`sample_weight` times the mask, either being optional.

    For means over the batch the mask is scaled so that masked values do not count in the divisor.
    """
    if mask is None:
        return sample_weight
    weight = ops.cast(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        weight = weight * ops.divide_no_nan(ops.cast(math.prod(mask.shape), dtype), ops.sum(weight))
    if sample_weight is not None:
        weight, sample_weight = squeeze_or_expand_to_same_rank(weight, ops.cast(sample_weight, dtype))
        weight = expand_like_samples(sample_weight, weight) * expand_like_samples(weight, sample_weight)
    return weight
