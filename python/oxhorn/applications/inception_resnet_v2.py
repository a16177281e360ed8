"""Inception-ResNet-v2 (Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", 2016)."""

from oxhorn import layers
from oxhorn.applications._application import (
    application,
    channel_axis,
    dense_classifier,
    sized,
    standard_files,
)
from oxhorn.applications._inception import chain, convolution, join, mean_branch, stem
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("tf")
__all__ = ["InceptionResNetV2", "decode_predictions", "preprocess_input"]

_HASHES = ("e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4")


class CustomScaleLayer(layers.Layer):
    """`inputs[0] + scale * inputs[1]`."""

    _keras_module = "keras.src.applications.inception_resnet_v2"

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}

    def call(self, inputs):
        return inputs[0] + inputs[1] * self.scale


@application(
    "inception_resnet_v2",
    sized(299, min_size=75),
    standard_files("inception_resnet_v2", {"inception_resnet_v2": _HASHES})("inception_resnet_v2"),
)
def InceptionResNetV2(x, options):
    """Inception-ResNet-v2: branches of convolutions of several sizes, around shortcuts."""
    x = stem(x)
    branches = [
        convolution(x, 96, 1),
        chain(x, (48, 1), (64, 5)),
        chain(x, (64, 1), (96, 3), (96, 3)),
        mean_branch(x, 64),
    ]
    x = join(branches, "mixed_5b")
    for i in range(1, 11):
        x = _block35(x, f"block35_{i}")
    branches = [
        convolution(x, 384, 3, 2, "valid"),
        chain(x, (256, 1), (256, 3), (384, 3, 2, "valid")),
        layers.MaxPooling2D(3, strides=2)(x),
    ]
    x = join(branches, "mixed_6a")
    for i in range(1, 21):
        x = _block17(x, f"block17_{i}")
    branches = [
        chain(x, (256, 1), (384, 3, 2, "valid")),
        chain(x, (256, 1), (288, 3, 2, "valid")),
        chain(x, (256, 1), (288, 3), (320, 3, 2, "valid")),
        layers.MaxPooling2D(3, strides=2)(x),
    ]
    x = join(branches, "mixed_7a")
    for i in range(1, 11):
        x = _block8(x, f"block8_{i}", last=i == 10)
    x = convolution(x, 1536, 1, name="conv_7b")
    return dense_classifier(x, options)


def _block35(x, name):
    branches = [
        convolution(x, 32, 1),
        chain(x, (32, 1), (32, 3)),
        chain(x, (32, 1), (48, 3), (64, 3)),
    ]
    return _residual(x, branches, 0.17, name)


def _block17(x, name):
    branches = [convolution(x, 192, 1), chain(x, (128, 1), (160, (1, 7)), (192, (7, 1)))]
    return _residual(x, branches, 0.1, name)


def _block8(x, name, last):
    branches = [convolution(x, 192, 1), chain(x, (192, 1), (224, (1, 3)), (256, (3, 1)))]
    return _residual(x, branches, 1.0 if last else 0.2, name, activate=not last)


def _residual(x, branches, scale, name, activate=True):
    """Adds what becomes of the branches to the shortcut, scaled down, which keeps training stable."""
    y = join(branches, f"{name}_mixed")
    y = layers.Conv2D(x.shape[channel_axis()], 1, padding="same", name=f"{name}_conv")(y)
    x = CustomScaleLayer(scale)([x, y])
    return layers.Activation("relu", name=f"{name}_ac")(x) if activate else x
