from oxhorn import ops
from oxhorn.layers.convolutional._base import Convolution


class BaseDepthwiseConv(Convolution):
    """Base of the depthwise convolutions: each input channel is convolved with kernels of its own.

    Args:
        kernel_size: int or tuple: the window.
        strides, dilation_rate: int or tuple.
        padding: `"valid"` or `"same"`.
        depth_multiplier: int, the number of outputs per input channel.
        data_format: `"channels_last"` or `"channels_first"`.

    The kernel is `(*kernel_size, input channels, depth_multiplier)`.
    """

    _parameters = (
        "depth_multiplier",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "activation",
        "use_bias",
        "depthwise_initializer",
        "bias_initializer",
        "depthwise_regularizer",
        "bias_regularizer",
        "depthwise_constraint",
        "bias_constraint",
    )

    def __init__(
        self,
        kernel_size,
        strides=1,
        padding="valid",
        depth_multiplier=1,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
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
            depth_multiplier=depth_multiplier,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape):
        channels = self._fix_channels(input_shape)
        self.compute_output_shape(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self._add_parameter("kernel", shape, role="depthwise")
        self._add_bias_weight(self.depth_multiplier * channels)

    def call(self, inputs):
        return self._finish(ops.depthwise_conv(inputs, self.kernel, **self._window_arguments()))

    def compute_output_shape(self, input_shape):
        return self._convolved_shape(input_shape, self.depth_multiplier * self._input_channels(input_shape))
