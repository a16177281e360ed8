"""DenseNet (Huang et al., "Densely Connected Convolutional Networks", 2016)."""

from oxhorn import layers
from oxhorn.applications._application import (
    POOLS,
    application,
    channel_axis,
    dense_classifier,
    standard_files,
)
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("torch")
__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

_files = standard_files(
    "densenet",
    {
        "densenet121": ("9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"),
        "densenet169": ("d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"),
        "densenet201": ("1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"),
    },
)
_GROWTH = 32


@application("densenet121", files=_files("densenet121"))
def DenseNet121(x, options):
    """DenseNet of 121 layers: each reads what all before it in its stage have made."""
    return _network(x, options, (6, 12, 24, 16))


@application("densenet169", files=_files("densenet169"))
def DenseNet169(x, options):
    """DenseNet of 169 layers: each reads what all before it in its stage have made."""
    return _network(x, options, (6, 12, 32, 32))


@application("densenet201", files=_files("densenet201"))
def DenseNet201(x, options):
    """DenseNet of 201 layers: each reads what all before it in its stage have made."""
    return _network(x, options, (6, 12, 48, 32))


def _network(x, options, blocks):
    """`blocks`: how many of them each of the four stages has."""
    x = layers.ZeroPadding2D(3)(x)
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = _activate(x, "conv1_")
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for stage, count in enumerate(blocks, start=2):
        for i in range(1, count + 1):
            x = _block(x, f"conv{stage}_block{i}")
        if stage < 5:
            x = _transition(x, f"pool{stage}_")
    return dense_classifier(_activate(x, ""), options, feature_pools=POOLS)


def _block(x, name):
    y = _activate(x, f"{name}_0_")
    y = layers.Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(y)
    y = _activate(y, f"{name}_1_")
    y = layers.Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(y)
    return layers.Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, y])


def _transition(x, name):
    """Halves the channels and the image."""
    x = _activate(x, name)
    x = layers.Conv2D(x.shape[channel_axis()] // 2, 1, use_bias=False, name=f"{name}conv")(x)
    return layers.AveragePooling2D(2, strides=2, name=f"{name}pool")(x)


def _activate(x, name):
    x = layers.BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=f"{name}bn")(x)
    return layers.Activation("relu", name=f"{name}relu")(x)
