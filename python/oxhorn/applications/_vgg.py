"""VGG (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
2014)."""

from oxhorn import layers
from oxhorn.applications._application import global_pooling, predictions


def vgg(x, options, depths):
    """Blocks of so many convolutions 3x3, halved in size after each; three dense layers."""
    for block, depth in enumerate(depths, start=1):
        channels = min(32 << block, 512)
        for i in range(1, depth + 1):
            name = f"block{block}_conv{i}"
            x = layers.Conv2D(channels, 3, activation="relu", padding="same", name=name)(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    if not options.include_top:
        return global_pooling(x, options)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(4096, activation="relu", name="fc1")(x)
    x = layers.Dense(4096, activation="relu", name="fc2")(x)
    return predictions(x, options)
