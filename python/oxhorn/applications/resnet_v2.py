"""ResNet with activations before convolutions (He et al., "Identity Mappings in Deep Residual Networks",
2016)."""

from oxhorn import layers
from oxhorn.applications._application import POOLS, application, dense_classifier, standard_files
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing
from oxhorn.applications.resnet import normalize

preprocess_input = preprocessing("tf")
__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]

_files = standard_files(
    "resnet",
    {
        "resnet50v2": ("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"),
        "resnet101v2": ("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"),
        "resnet152v2": ("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"),
    },
)


@application("resnet50v2", files=_files("resnet50v2"))
def ResNet50V2(x, options):
    """ResNet of 50 layers, second version."""
    return _network(x, options, (3, 4, 6, 3))


@application("resnet101v2", files=_files("resnet101v2"))
def ResNet101V2(x, options):
    """ResNet of 101 layers, second version."""
    return _network(x, options, (3, 4, 23, 3))


@application("resnet152v2", files=_files("resnet152v2"))
def ResNet152V2(x, options):
    """ResNet of 152 layers, second version."""
    return _network(x, options, (3, 8, 36, 3))


def _network(x, options, blocks):
    """`blocks`: how many of them each of the four stages has."""
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, count in enumerate(blocks):
        for i in range(count):
            strides = 2 if stage < 3 and i == count - 1 else 1
            x = _block(x, 64 << stage, strides, i == 0, f"conv{stage + 2}_block{i + 1}")
    x = normalize(x, "post")
    x = layers.Activation("relu", name="post_relu")(x)
    return dense_classifier(x, options, feature_pools=POOLS)


def _block(x, filters, strides, widens, name):
    """Convolutions 1x1, 3x3, 1x1 around a shortcut, which is one of 1x1 where the block `widens`."""
    active = normalize(x, f"{name}_preact")
    active = layers.Activation("relu", name=f"{name}_preact_relu")(active)
    if widens:
        x = layers.Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(active)
    elif strides > 1:
        x = layers.MaxPooling2D(1, strides=strides)(x)
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(active)
    y = normalize(y, f"{name}_1")
    y = layers.Activation("relu", name=f"{name}_1_relu")(y)
    y = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(y)
    y = layers.Conv2D(filters, 3, strides=strides, use_bias=False, name=f"{name}_2_conv")(y)
    y = normalize(y, f"{name}_2")
    y = layers.Activation("relu", name=f"{name}_2_relu")(y)
    y = layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(y)
    return layers.Add(name=f"{name}_out")([x, y])
