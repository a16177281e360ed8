"""What the Inception networks have in common: a convolution that is normalised and rectified."""

from oxhorn import layers
from oxhorn.applications._application import channel_axis


def convolution(x, channels, size, strides=1, padding="same", name=None):
    """A convolution without bias, batch normalisation without scale, `relu`."""
    x = layers.Conv2D(channels, size, strides=strides, padding=padding, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(axis=channel_axis(), scale=False, name=name and f"{name}_bn")(x)
    return layers.Activation("relu", name=name and f"{name}_ac")(x)


def chain(x, *steps):
    """Convolutions one after another: `(channels, size)`, perhaps with strides and padding."""
    for step in steps:
        x = convolution(x, *step)
    return x


def join(branches, name=None):
    """Branches side by side in the channels."""
    return layers.Concatenate(axis=channel_axis(), name=name)(branches)


def stem(x):
    """The convolutions with which both networks begin."""
    x = chain(x, (32, 3, 2, "valid"), (32, 3, 1, "valid"), (64, 3))
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = chain(x, (80, 1, 1, "valid"), (192, 3, 1, "valid"))
    return layers.MaxPooling2D(3, strides=2)(x)


def mean_branch(x, channels):
    """A mean over windows of 3x3, then a convolution 1x1."""
    x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    return convolution(x, channels, 1)
