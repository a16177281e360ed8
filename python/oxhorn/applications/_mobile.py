"""What the MobileNets have in common."""

from oxhorn import layers
from oxhorn._base.keras_tensor import is_keras_tensor
from oxhorn._base.settings import image_data_format
from oxhorn.applications._application import correct_padding


def divisible(channels, divisor=8):
    """The multiple of `divisor` next to a number of channels; the one above, should that be a tenth less."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def square_size(shape, sizes):
    """Height of an image of this shape if it is square and one of `sizes`, else 224."""
    height, width = shape[:2] if image_data_format() == "channels_last" else shape[1:]
    return height if height == width and height in sizes else 224


def asked_size(options, sizes):
    """As `square_size`, of the image that the arguments ask for."""
    shape = options.input_shape
    if shape is None and is_keras_tensor(options.input_tensor):
        shape = options.input_tensor.shape[1:]
    return square_size(shape, sizes) if shape is not None and len(shape) == 3 else 224


def depthwise(x, size, strides, padding_name, **arguments):
    """A depthwise convolution without bias, padded as TensorFlow pads where it has strides."""
    padding = "same"
    if strides == 2:
        x = layers.ZeroPadding2D(correct_padding(x, size), name=padding_name)(x)
        padding = "valid"
    return layers.DepthwiseConv2D(size, strides=strides, padding=padding, use_bias=False, **arguments)(x)
