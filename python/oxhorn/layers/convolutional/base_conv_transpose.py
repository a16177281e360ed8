from oxhorn import ops
from oxhorn._base.argument_validation import standardize_tuple
from oxhorn.layers._spatial import transposed_window_output_shape
from oxhorn.layers.convolutional._base import Convolution


class BaseConvTranspose(Convolution):
    """Base of the transposed convolutions: what the gradient of a convolution does to its output.

    Args:
        filters: int, the number of output channels.
        kernel_size: int or tuple: the window.
        strides, dilation_rate: int or tuple; not both greater than one.
        padding: `"valid"` or `"same"`.
        output_padding: int, tuple or `None` (inferred): how much is added to one side of the output; less
            than the stride.
        data_format: `"channels_last"` or `"channels_first"`.

    The kernel is `(*kernel_size, filters, input channels)`.
    """

    _parameters = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "output_padding",
        "data_format",
        "dilation_rate",
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
        output_padding=None,
        data_format=None,
        dilation_rate=1,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._configure(
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            filters=filters,
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
        if output_padding is not None:
            output_padding = standardize_tuple(output_padding, self.rank, "output_padding", allow_zero=True)
            if any(extra >= stride for extra, stride in zip(output_padding, self.strides)):
                raise ValueError(
                    "`output_padding` must be strictly less than `strides` for all dimensions. "
                    f"Received: output_padding={output_padding}, strides={self.strides}"
                )
        self.output_padding = output_padding

    def build(self, input_shape):
        channels = self._fix_channels(input_shape)
        self.kernel = self._add_parameter("kernel", (*self.kernel_size, self.filters, channels))
        self._add_bias_weight(self.filters)

    def call(self, inputs):
        outputs = ops.conv_transpose(
            inputs, self.kernel, output_padding=self.output_padding, **self._window_arguments()
        )
        return self._finish(outputs)

    def compute_output_shape(self, input_shape):
        return transposed_window_output_shape(
            input_shape,
            self.kernel_size,
            self.filters,
            self.strides,
            self.padding,
            self.output_padding,
            self.data_format,
            self.dilation_rate,
        )
