from oxhorn.layers._parameters import with_defaults
from oxhorn.layers.convolutional.base_conv_transpose import BaseConvTranspose


class Conv1DTranspose(BaseConvTranspose):
    """Transposed convolution of `(batch, steps, channels)`; see `BaseConvTranspose` for the arguments."""

    rank = 1


@with_defaults(strides=(1, 1), dilation_rate=(1, 1))
class Conv2DTranspose(BaseConvTranspose):
    """Transposed convolution of images; see `BaseConvTranspose` for the arguments."""

    rank = 2


class Conv3DTranspose(BaseConvTranspose):
    """Transposed convolution of volumes; see `BaseConvTranspose` for the arguments."""

    rank = 3

    # Not inherited: Keras has `data_format` and `output_padding` in another order here.
    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1, 1),
        padding="valid",
        data_format=None,
        output_padding=None,
        dilation_rate=(1, 1, 1),
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
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )
