"""What the EfficientNets have in common."""

from oxhorn import initializers, layers
from oxhorn.applications._application import POOLS, channel_axis, check_activation, global_pooling


def kernel_initializer():
    """Normal, of the variance that keeps that of the gradients."""
    return initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")


def convolution(x, channels, size, name, strides=1, **arguments):
    """A convolution in whose padding the image keeps its size, or that of TensorFlow where it has strides."""
    return layers.Conv2D(
        channels,
        size,
        strides=strides,
        kernel_initializer=kernel_initializer(),
        name=name,
        **{"padding": "same", "use_bias": False, **arguments},
    )(x)


def normalize(x, name, momentum):
    return layers.BatchNormalization(axis=channel_axis(), momentum=momentum, name=name)(x)


def squeeze_and_excite(x, channels, name):
    """Scales each channel by what a small network, of so many channels inside, makes of the means of all."""
    wide = x.shape[channel_axis()]
    shape = (wide, 1, 1) if channel_axis() == 1 else (1, 1, wide)
    y = layers.GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    y = layers.Reshape(shape, name=f"{name}se_reshape")(y)
    y = convolution(y, channels, 1, f"{name}se_reduce", activation="silu", use_bias=True)
    y = convolution(y, wide, 1, f"{name}se_expand", activation="sigmoid", use_bias=True)
    return layers.multiply([x, y], name=f"{name}se_excite")


def add_shortcut(x, shortcut, rate, name):
    """The sum of both, `x` left out altogether for some samples in training (stochastic depth)."""
    if rate > 0:
        x = layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return layers.add([x, shortcut], name=f"{name}add")


def classifier(x, options, dropout, bias_initializer="zeros"):
    if not options.include_top:
        return global_pooling(x, options, POOLS)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(dropout, name="top_dropout")(x)
    check_activation(options)
    initializer = initializers.VarianceScaling(1 / 3, mode="fan_out", distribution="uniform")
    return layers.Dense(
        options.classes,
        activation=options.classifier_activation,
        kernel_initializer=initializer,
        bias_initializer=bias_initializer,
        name="predictions",
    )(x)
