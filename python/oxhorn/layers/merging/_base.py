from oxhorn import ops
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.masking import get_keras_mask, set_keras_mask
from oxhorn.layers.layer import Layer


def check_shapes(input_shape, what="A merge layer"):
    """Raises ValueError unless `input_shape` is a list of shapes."""
    if not input_shape or not isinstance(input_shape[0], (tuple, list)):
        raise ValueError(
            f"{what} should be called on a list of at least 1 input. "
            f"Received: input_shape={input_shape} (not a list of shapes)"
        )


def check_masks(inputs, mask):
    """Raises ValueError unless `inputs` and `mask` are lists of one length."""
    for name, value in (("mask", mask), ("inputs", inputs)):
        if not isinstance(value, (tuple, list)):
            raise ValueError(f"`{name}` should be a list. Received: {name}={value}")
    if len(mask) != len(inputs):
        raise ValueError(
            "The lists `inputs` and `mask` should have the same length. "
            f"Received: inputs={inputs} of length {len(inputs)}, and mask={mask} of length {len(mask)}"
        )


def _broadcast(shape1, shape2):
    """Broadcast of two shapes without their batch axis; an unknown size stays unknown."""
    if len(shape1) < len(shape2):
        shape1, shape2 = shape2, shape1
    shape = list(shape1[: len(shape1) - len(shape2)])
    for m, n in zip(shape1[len(shape1) - len(shape2) :], shape2):
        if m is None or n is None:
            shape.append(None)
        elif m == n or n == 1:
            shape.append(m)
        elif m == 1:
            shape.append(n)
        else:
            raise ValueError(
                f"Inputs have incompatible shapes. Received shapes {tuple(shape1)} and {tuple(shape2)}"
            )
    return tuple(shape)


class Merge(Layer):
    """Base of layers that combine a list of tensors of one batch size, element by element.

    Inputs of lower rank get axes of size 1 after the batch. Subclasses define `_merge_function(inputs)`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        check_shapes(input_shape)
        batch_sizes = {shape[0] for shape in input_shape if shape} - {None}
        if len(batch_sizes) > 1:
            raise ValueError(
                f"Cannot merge tensors with different batch sizes. Received tensors with shapes {input_shape}"
            )
        self.compute_output_shape(input_shape)

    def call(self, inputs):
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(
                "A merge layer should be called on a list of inputs. "
                f"Received: inputs={inputs} (not a list of tensors)"
            )
        return self._merge_function(self._to_one_rank(inputs))

    def _to_one_rank(self, inputs):
        rank = max(len(x.shape) for x in inputs)
        return [
            x if len(x.shape) == rank else ops.expand_dims(x, list(range(1, rank - len(x.shape) + 1)))
            for x in inputs
        ]

    def _merge_function(self, inputs):
        raise NotImplementedError

    def _merge_where_valid(self, op, inputs):
        """`op` over the inputs, each element over those of them whose mask is true there.

        The output's mask is true where one of the inputs' is; there is none if an input has none.
        """
        output = valid = None
        for x in inputs:
            mask = get_keras_mask(x)
            if mask is not None:
                mask = ops.broadcast_to(ops.expand_dims(mask, -1), x.shape)
            if output is None:
                output, valid = x, mask
                continue
            if mask is not None:
                x = ops.where(mask, x, output)
            if valid is not None:
                output = ops.where(valid, output, x)
            both = mask is not None and valid is not None
            valid = ops.logical_or(valid, mask) if both else None
            output = op(output, x)
        if valid is not None:
            set_keras_mask(output, ops.any(valid, axis=-1))
        return output

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape[0][1:])
        for other in input_shape[1:]:
            shape = _broadcast(shape, tuple(other[1:]))
        batch_sizes = {s[0] for s in input_shape} - {None}
        return (batch_sizes.pop() if len(batch_sizes) == 1 else None, *shape)

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape([x.shape for x in inputs])
        sparse = all(x.sparse for x in inputs)
        return KerasTensor(shape, dtype=self.compute_dtype, sparse=sparse)

    def compute_mask(self, inputs, mask=None):
        if mask is None:
            return None
        check_masks(inputs, mask)
        if any(m is None for m in mask):
            return None
        merged = mask[0]
        for m in mask[1:]:
            merged = ops.logical_or(merged, m)
        return merged
