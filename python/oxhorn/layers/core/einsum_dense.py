from oxhorn import ops
from oxhorn.initializers import VarianceScaling
from oxhorn.layers._lora import LoraWeight, refuse_quantization
from oxhorn.layers._parameters import adopt, config_of
from oxhorn.layers.core._einsum_shapes import einsum_shapes
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.layer import Layer

_PARAMETERS = (
    "equation",
    "activation",
    "bias_axes",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "quantization_config",
)


class EinsumDense(LoraWeight, Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: of the forms "ab,bc->ac", "...ab,bc->...ac" or "ab...,bc->ac...".
        output_shape: int or tuple without the batch dimension and what "..." stands for; None entries are
            taken from the input.
        activation: function or its name; None: linear.
        bias_axes: letters of the output axes that the bias varies along; None: no bias.
        kernel_initializer, ...: as in `Dense`.
        lora_rank, lora_alpha: see `enable_lora`.
        gptq_unpacked_column_size, quantization_config: None.
    """

    def __init__(
        self,
        equation,
        output_shape,
        activation=None,
        bias_axes=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        gptq_unpacked_column_size=None,
        quantization_config=None,
        **kwargs,
    ):
        refuse_quantization(quantization_config)
        refuse_quantization(gptq_unpacked_column_size)
        super().__init__(**kwargs)
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        adopt(
            self,
            equation=equation,
            activation=activation,
            bias_axes=bias_axes,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            quantization_config=None,
        )
        self._init_lora(lora_rank, lora_alpha)

    def _shapes(self, input_shape):
        return einsum_shapes(self.equation, self.bias_axes, input_shape, self.partial_output_shape)

    def build(self, input_shape):
        kernel_shape, bias_shape, _, summed, kept = self._shapes(input_shape)
        self.input_spec = InputSpec(ndim=len(input_shape))
        self._kernel = self.add_weight(
            name="kernel",
            shape=kernel_shape,
            initializer=self._initializer_for(summed, kept),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if bias_shape is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=bias_shape,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def _initializer_for(self, summed, kept):
        """The kernel's initializer; one that scales by fan-in is told which axes count."""
        initializer = self.kernel_initializer
        if not isinstance(initializer, VarianceScaling):
            return initializer
        if None not in (initializer.input_axes, initializer.output_axes):
            return initializer
        config = initializer.get_config()
        config.update(seed=initializer.seed, input_axes=summed, output_axes=kept)
        return type(initializer).from_config(config)

    @property
    def kernel(self):
        """The weights, with the LoRA update if there is one."""
        return self._adapted_weight()

    def call(self, inputs, training=None):
        x = ops.einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            x = ops.add(x, self.bias)
        return x if self.activation is None else self.activation(x)

    def compute_output_shape(self, input_shape):
        return self._shapes(input_shape)[2]

    def get_config(self):
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            **config_of(self, _PARAMETERS),
            **self._lora_config(),
        }
