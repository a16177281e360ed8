from oxhorn import ops
from oxhorn.layers.merging._base import Merge, check_masks, check_shapes


class Concatenate(Merge):
    """Joins tensors along an axis; their other sizes must agree.

    Args:
        axis: int.
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape):
        check_shapes(input_shape, "A `Concatenate` layer")
        rest = []
        for shape in input_shape:
            shape = list(shape)
            if -len(shape) <= self.axis < len(shape):
                del shape[self.axis]
            rest.append(shape)
        if len({len(shape) for shape in rest}) == 1 and all(
            len(set(sizes) - {None}) <= 1 for sizes in zip(*rest)
        ):
            return
        raise ValueError(
            "A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis. "
            f"Received: input_shape={input_shape}"
        )

    def call(self, inputs):
        return ops.concatenate(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape):
        check_shapes(input_shape, "A `Concatenate` layer")
        for shape in input_shape:
            if not -len(shape) <= self.axis < len(shape):
                raise IndexError(
                    f"Layer '{self.name}' cannot concatenate along axis {self.axis}: the inputs have "
                    f"{len(shape)} axes. Received: input_shape={input_shape}"
                )
        sizes = [shape[self.axis] for shape in input_shape]
        output_shape = list(input_shape[0])
        output_shape[self.axis] = None if None in sizes else sum(sizes)
        return tuple(output_shape)

    def compute_mask(self, inputs, mask=None):
        if mask is None:
            return None
        check_masks(inputs, mask)
        if all(m is None for m in mask):
            return None
        parts = []
        for x, m in zip(inputs, mask):
            if m is None:
                m = ops.ones_like(x, dtype="bool")
            elif len(m.shape) < len(x.shape):
                m = ops.logical_or(ops.expand_dims(m, -1), ops.zeros_like(x, dtype="bool"))
            parts.append(m)
        return ops.any(ops.concatenate(parts, axis=self.axis), axis=-1)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


def concatenate(inputs, axis=-1, **kwargs):
    """`Concatenate(axis=axis, **kwargs)(inputs)`."""
    return Concatenate(axis=axis, **kwargs)(inputs)
