from oxhorn import ops
from oxhorn.layers.convolutional._base import Convolution


class BaseSeparableConv(Convolution):
    """Base of the separable convolutions: a depthwise one, then a mix of channels at each position.

    Args:
        filters: int, the number of output channels.
        kernel_size: int or tuple: the window of the depthwise step.
        strides, dilation_rate: int or tuple.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        depth_multiplier: int, the number of channels between the two steps per input channel.

    The kernels are `(*kernel_size, input channels, depth_multiplier)` and
    `(1, ..., input channels * depth_multiplier, filters)`.
    """

    _parameters = (
        "depth_multiplier",
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "activation",
        "use_bias",
        "depthwise_initializer",
        "pointwise_initializer",
        "bias_initializer",
        "depthwise_regularizer",
        "pointwise_regularizer",
        "bias_regularizer",
        "depthwise_constraint",
        "pointwise_constraint",
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
        depth_multiplier=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        pointwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        pointwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        pointwise_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._configure(
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            filters=filters,
            depth_multiplier=depth_multiplier,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape):
        channels = self._fix_channels(input_shape)
        self.compute_output_shape(input_shape)
        self.depthwise_kernel = self._add_parameter(
            "depthwise_kernel", (*self.kernel_size, channels, self.depth_multiplier), role="depthwise"
        )
        self.pointwise_kernel = self._add_parameter(
            "pointwise_kernel",
            (*(1,) * self.rank, self.depth_multiplier * channels, self.filters),
            role="pointwise",
        )
        self._add_bias_weight(self.filters)

    def call(self, inputs):
        outputs = ops.separable_conv(
            inputs, self.depthwise_kernel, self.pointwise_kernel, **self._window_arguments()
        )
        return self._finish(outputs)

    def compute_output_shape(self, input_shape):
        return self._convolved_shape(input_shape, self.filters)
