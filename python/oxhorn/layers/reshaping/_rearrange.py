from oxhorn._base.keras_tensor import KerasTensor
from oxhorn.layers.layer import Layer


class Rearrange(Layer):
    """Base of layers that move, repeat or drop elements: the output has the input's dtype."""

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return KerasTensor(shape, dtype=inputs.dtype, sparse=inputs.sparse)
