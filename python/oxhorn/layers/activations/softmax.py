from oxhorn import activations, ops
from oxhorn._base.dtypes import standardize_dtype
from oxhorn.layers._same_shape import SameShape


def _check_mask(mask_shape, shape):
    received = f"Received: inputs.shape={tuple(shape)}, mask.shape={tuple(mask_shape)}"
    if len(mask_shape) > len(shape):
        raise ValueError(
            f"The `mask` must be broadcastable to `inputs` and must not have more dimensions. {received}"
        )
    for m, n in zip(mask_shape[::-1], shape[::-1]):
        if None not in (m, n) and m not in (1, n):
            raise ValueError(
                "The `mask` must be broadcastable to `inputs`. Each mask dimension must be 1 or match the "
                f"corresponding input dimension. {received}"
            )


class Softmax(SameShape):
    """Softmax over one axis or several.

    Args:
        axis: int, or tuple of ints over which the outputs sum to one together.

    Call arguments:
        mask: boolean (or number: above 0.5 is true), broadcastable to the inputs. Outputs are zero
            where it is false.
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self._build_at_init()

    def call(self, inputs, mask=None):
        if mask is not None:
            _check_mask(mask.shape, inputs.shape)
            if standardize_dtype(mask.dtype) != "bool":
                mask = ops.greater(mask, 0.5)
            lowest = -3e4 if standardize_dtype(inputs.dtype) == "float16" else -1e9
            inputs = ops.where(mask, inputs, lowest)
        axis = self.axis
        if isinstance(axis, (tuple, list)) and len(axis) == 1:
            axis = axis[0]
        if isinstance(axis, (tuple, list)):
            outputs = ops.exp(inputs - ops.logsumexp(inputs, axis=axis, keepdims=True))
        else:
            outputs = activations.softmax(inputs, axis=axis)
        # Softmax of a wholly masked row is uniform; it has to be zero too.
        return outputs if mask is None else ops.where(mask, outputs, 0.0)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}
