"""ResNet (He et al., "Deep Residual Learning for Image Recognition", 2015)."""

from oxhorn import layers
from oxhorn.applications._application import (
    POOLS,
    application,
    channel_axis,
    dense_classifier,
    standard_files,
)
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("caffe")
__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

_files = standard_files(
    "resnet",
    {
        "resnet50": ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
        "resnet101": ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
        "resnet152": ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    },
)


@application("resnet50", files=_files("resnet50"))
def ResNet50(x, options):
    """ResNet of 50 layers."""
    return _network(x, options, (3, 4, 6, 3))


@application("resnet101", files=_files("resnet101"))
def ResNet101(x, options):
    """ResNet of 101 layers."""
    return _network(x, options, (3, 4, 23, 3))


@application("resnet152", files=_files("resnet152"))
def ResNet152(x, options):
    """ResNet of 152 layers."""
    return _network(x, options, (3, 8, 36, 3))


def _network(x, options, blocks):
    """`blocks`: how many of them each of the four stages has."""
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    x = normalize(x, "conv1")
    x = layers.Activation("relu", name="conv1_relu")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, count in enumerate(blocks):
        for i in range(count):
            strides = 2 if stage > 0 and i == 0 else 1
            x = _block(x, 64 << stage, strides, i == 0, f"conv{stage + 2}_block{i + 1}")
    return dense_classifier(x, options, feature_pools=POOLS)


def _block(x, filters, strides, widens, name):
    """Convolutions 1x1, 3x3, 1x1 around a shortcut, which is one of 1x1 where the block `widens`."""
    shortcut = x
    if widens:
        shortcut = layers.Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(x)
        shortcut = normalize(shortcut, f"{name}_0")
    x = layers.Conv2D(filters, 1, strides=strides, name=f"{name}_1_conv")(x)
    x = normalize(x, f"{name}_1")
    x = layers.Activation("relu", name=f"{name}_1_relu")(x)
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = normalize(x, f"{name}_2")
    x = layers.Activation("relu", name=f"{name}_2_relu")(x)
    x = layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    x = normalize(x, f"{name}_3")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def normalize(x, name):
    """Batch normalisation as all ResNets have it."""
    return layers.BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=f"{name}_bn")(x)
