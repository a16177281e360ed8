"""MobileNet (Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017)."""

from oxhorn import layers
from oxhorn.applications._application import (
    ORIGIN,
    PARAMETERS,
    application,
    check_activation,
    global_pooling,
    last_channel_axis,
    sized,
)
from oxhorn.applications._mobile import asked_size, square_size
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("tf")
__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

# Channels and strides of the blocks.
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
_SIZES = (128, 160, 192, 224)
_ALPHAS = {0.25: "2_5", 0.50: "5_0", 0.75: "7_5", 1.0: "1_0"}


def _rows(options):
    if options.weights == "imagenet":
        return square_size(options.image_shape, _SIZES)
    return options.image_shape[last_channel_axis() == 1]


def _files(options):
    if options.depth_multiplier != 1:
        raise ValueError(
            f"With `weights='imagenet'`, depth_multiplier must be 1. Received: {options.depth_multiplier}"
        )
    if options.alpha not in _ALPHAS:
        raise ValueError(
            f"With `weights='imagenet'`, alpha must be one of {tuple(_ALPHAS)}. Received: {options.alpha}"
        )
    suffix = "" if options.include_top else "_no_top"
    file = f"mobilenet_{_ALPHAS[options.alpha]}_{_rows(options)}_tf{suffix}.h5"
    return file, f"{ORIGIN}mobilenet/{file}", None


@application(
    lambda options: f"mobilenet_{options.alpha:0.2f}_{_rows(options)}",
    shape=sized(lambda options: asked_size(options, _SIZES)),
    files=_files,
    parameters={"input_shape": None, "alpha": 1.0, "depth_multiplier": 1, "dropout": 0.001, **PARAMETERS},
    more="""
        alpha: what all numbers of channels are multiplied by.
        depth_multiplier: how many results each depthwise convolution has per channel.
        dropout: rate of dropout before the classifier.""",
)
def MobileNet(x, options):
    """MobileNet, for small devices: convolutions split into depthwise and pointwise ones."""
    axis = last_channel_axis()

    def activate(x, name):
        x = layers.BatchNormalization(axis=axis, name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x)

    x = layers.Conv2D(int(32 * options.alpha), 3, 2, padding="same", use_bias=False, name="conv1")(x)
    x = activate(x, "conv1")
    for i, (channels, strides) in enumerate(_BLOCKS, start=1):
        padding = "same"
        if strides == 2:
            x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{i}")(x)
            padding = "valid"
        name = f"conv_dw_{i}"
        multiplier = options.depth_multiplier
        x = layers.DepthwiseConv2D(3, strides, padding, multiplier, use_bias=False, name=name)(x)
        x = activate(x, name)
        name = f"conv_pw_{i}"
        channels = int(channels * options.alpha)
        x = layers.Conv2D(channels, 1, padding="same", use_bias=False, name=name)(x)
        x = activate(x, name)
    if not options.include_top:
        return global_pooling(x, options)
    check_activation(options)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Dropout(options.dropout, name="dropout")(x)
    x = layers.Conv2D(options.classes, 1, padding="same", name="conv_preds")(x)
    x = layers.Reshape((options.classes,), name="reshape_2")(x)
    return layers.Activation(options.classifier_activation, name="predictions")(x)
