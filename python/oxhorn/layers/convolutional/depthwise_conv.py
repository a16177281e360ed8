from oxhorn.layers._parameters import with_defaults
from oxhorn.layers.convolutional.base_depthwise_conv import BaseDepthwiseConv


class DepthwiseConv1D(BaseDepthwiseConv):
    """Depthwise convolution of `(batch, steps, channels)`; see `BaseDepthwiseConv` for the arguments."""

    rank = 1


@with_defaults(strides=(1, 1), dilation_rate=(1, 1))
class DepthwiseConv2D(BaseDepthwiseConv):
    """Depthwise convolution of images; see `BaseDepthwiseConv` for the arguments."""

    rank = 2
