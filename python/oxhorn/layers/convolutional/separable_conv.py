from oxhorn.layers._parameters import with_defaults
from oxhorn.layers.convolutional.base_separable_conv import BaseSeparableConv


class SeparableConv1D(BaseSeparableConv):
    """Separable convolution of `(batch, steps, channels)`; see `BaseSeparableConv` for the arguments."""

    rank = 1


@with_defaults(strides=(1, 1), dilation_rate=(1, 1))
class SeparableConv2D(BaseSeparableConv):
    """Separable convolution of images; see `BaseSeparableConv` for the arguments."""

    rank = 2
