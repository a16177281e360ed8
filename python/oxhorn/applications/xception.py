"""Xception (Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2016)."""

from oxhorn import layers
from oxhorn.applications._application import (
    application,
    dense_classifier,
    last_channel_axis,
    sized,
    standard_files,
)
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("tf")
__all__ = ["Xception", "decode_predictions", "preprocess_input"]

_HASHES = ("0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97")


@application(
    "xception", sized(299, min_size=71), standard_files("xception", {"xception": _HASHES})("xception")
)
def Xception(x, options):
    """Xception: separable convolutions around shortcuts."""
    for i, (channels, strides) in enumerate(((32, 2), (64, 1)), start=1):
        name = f"block1_conv{i}"
        x = layers.Conv2D(channels, 3, strides=strides, use_bias=False, name=name)(x)
        x = _normalize(x, f"{name}_bn")
        x = layers.Activation("relu", name=f"{name}_act")(x)
    x = _narrowing(x, (128, 128), "block2", first_activation=False)
    x = _narrowing(x, (256, 256), "block3")
    x = _narrowing(x, (728, 728), "block4")
    for block in range(5, 13):
        shortcut = x
        for i in range(1, 4):
            name = f"block{block}_sepconv{i}"
            x = layers.Activation("relu", name=f"{name}_act")(x)
            x = _separable(x, 728, name)
        x = layers.add([x, shortcut])
    x = _narrowing(x, (728, 1024), "block13")
    for i, channels in enumerate((1536, 2048), start=1):
        name = f"block14_sepconv{i}"
        x = _separable(x, channels, name)
        x = layers.Activation("relu", name=f"{name}_act")(x)
    return dense_classifier(x, options)


def _narrowing(x, channels, name, first_activation=True):
    """Two separable convolutions and a pooling that halves the image; the shortcut has strides."""
    shortcut = layers.Conv2D(channels[-1], 1, strides=2, padding="same", use_bias=False)(x)
    shortcut = _normalize(shortcut)
    for i, count in enumerate(channels, start=1):
        if i > 1 or first_activation:
            x = layers.Activation("relu", name=f"{name}_sepconv{i}_act")(x)
        x = _separable(x, count, f"{name}_sepconv{i}")
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return layers.add([x, shortcut])


def _separable(x, channels, name):
    x = layers.SeparableConv2D(channels, 3, padding="same", use_bias=False, name=name)(x)
    return _normalize(x, f"{name}_bn")


def _normalize(x, name=None):
    return layers.BatchNormalization(axis=last_channel_axis(), name=name)(x)
