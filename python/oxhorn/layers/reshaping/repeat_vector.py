from oxhorn import ops
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.reshaping._rearrange import Rearrange


class RepeatVector(Rearrange):
    """`(batch, features)` to `(batch, n, features)`.

    Raises:
        TypeError: if `n` is not an int.
        ValueError: if `n` is not positive.
    """

    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"Expected an integer value for `n`, got {type(n)}.")
        if n <= 0:
            raise ValueError(f"Argument `n` should be a positive integer. Received: n={n}")
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        return ops.broadcast_to(ops.expand_dims(inputs, 1), self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.n, input_shape[1])

    def get_config(self):
        return {**super().get_config(), "n": self.n}
