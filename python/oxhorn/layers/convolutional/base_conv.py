from oxhorn import ops
from oxhorn.layers._lora import LoraWeight
from oxhorn.layers.convolutional._base import Convolution


class BaseConv(LoraWeight, Convolution):
    """Base of the convolution layers: `activation(conv(inputs, kernel) + bias)`.

    Args:
        filters: int, the number of output channels.
        kernel_size: int or tuple: the window.
        strides, dilation_rate: int or tuple; not both greater than one.
        padding: `"valid"`, `"same"` or (rank 1 only) `"causal"`.
        data_format: `"channels_last"` or `"channels_first"`.
        groups: int that divides the input channels and `filters`; each group of outputs sees its own
            group of inputs.

    The kernel is `(*kernel_size, input channels // groups, filters)`.
    """

    _parameters = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "groups",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        groups=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        lora_rank = kwargs.pop("lora_rank", None)
        lora_alpha = kwargs.pop("lora_alpha", None)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._configure(
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            filters=filters,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self._forbid_strided_dilation()
        if groups <= 0:
            raise ValueError(f"The number of groups must be a positive integer. Received: groups={groups}.")
        if filters is not None and filters % groups != 0:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={groups}, filters={filters}."
            )
        self._init_lora(lora_rank, lora_alpha)

    def build(self, input_shape):
        channels = self._fix_channels(input_shape)
        if channels % self.groups != 0:
            raise ValueError(
                "The number of input channels must be evenly divisible by the number of groups. Received "
                f"groups={self.groups}, but the input has {channels} channels "
                f"(full input shape is {input_shape})."
            )
        self.compute_output_shape(input_shape)
        self._kernel = self._add_parameter(
            "kernel", (*self.kernel_size, channels // self.groups, self.filters)
        )
        self._add_bias_weight(self.filters)
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    @property
    def kernel(self):
        """The kernel, with the update of LoRA if that is enabled."""
        return self._adapted_weight()

    def convolution_op(self, inputs, kernel):
        """The convolution itself, for subclasses that replace it."""
        return ops.conv(inputs, kernel, **self._window_arguments())

    def call(self, inputs):
        return self._finish(self.convolution_op(inputs, self.kernel))

    def compute_output_shape(self, input_shape):
        return self._convolved_shape(input_shape, self.filters)

    def get_config(self):
        return {**super().get_config(), **self._lora_config()}
