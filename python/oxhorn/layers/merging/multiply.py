from functools import reduce

from oxhorn import ops
from oxhorn._base.masking import get_keras_mask, set_keras_mask
from oxhorn.layers.merging._base import Merge


class Multiply(Merge):
    """Product of the inputs.

    Masked elements count as 1. If all inputs have masks, the output has one too: true where one of theirs is,
    and the product is 0 elsewhere.
    """

    def _merge_function(self, inputs):
        masks = [get_keras_mask(x) for x in inputs]
        masks = [
            None if mask is None else ops.broadcast_to(ops.expand_dims(mask, -1), x.shape)
            for mask, x in zip(masks, inputs)
        ]
        factors = [
            x if mask is None else ops.where(mask, x, ops.cast(1, x.dtype)) for mask, x in zip(masks, inputs)
        ]
        output = reduce(ops.multiply, factors)
        if None not in masks:
            valid = reduce(ops.logical_or, masks)
            output = ops.where(valid, output, ops.cast(0, output.dtype))
            set_keras_mask(output, ops.any(valid, axis=-1))
        return output


def multiply(inputs, **kwargs):
    """`Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)
