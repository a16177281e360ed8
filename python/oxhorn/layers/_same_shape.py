from oxhorn.layers.layer import Layer


class SameShape(Layer):
    """Base of layers whose output has the shape and the mask of their input."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape):
        return input_shape
