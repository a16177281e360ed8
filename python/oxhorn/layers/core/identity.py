from oxhorn import tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn.layers.layer import Layer


class Identity(Layer):
    """Returns its input, of any structure."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs):
        return tree.map_structure(lambda x: KerasTensor(x.shape, dtype=x.dtype, sparse=x.sparse), inputs)
