"""MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018)."""

from oxhorn import layers
from oxhorn.applications._application import (
    ORIGIN,
    PARAMETERS,
    application,
    dense_classifier,
    last_channel_axis,
    sized,
)
from oxhorn.applications._mobile import asked_size, depthwise, divisible, square_size
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("tf")
__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

# Channels, blocks, first stride and widening inside of each stage.
_STAGES = (
    (16, 1, 1, 1),
    (24, 2, 2, 6),
    (32, 3, 2, 6),
    (64, 4, 2, 6),
    (96, 3, 1, 6),
    (160, 3, 2, 6),
    (320, 1, 1, 6),
)
_SIZES = (96, 128, 160, 192, 224)
_ALPHAS = (0.35, 0.50, 0.75, 1.0, 1.3, 1.4)


def _rows(options):
    if options.weights == "imagenet":
        return square_size(options.image_shape, _SIZES)
    return options.image_shape[last_channel_axis() == 1]


def _files(options):
    if options.alpha not in _ALPHAS:
        raise ValueError(
            f"With `weights='imagenet'`, alpha must be one of {_ALPHAS}. Received: {options.alpha}"
        )
    suffix = "" if options.include_top else "_no_top"
    variant = f"{float(options.alpha)}_{_rows(options)}{suffix}"
    file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{variant}.h5"
    return file, f"{ORIGIN}mobilenet_v2/{file}", None


@application(
    lambda options: f"mobilenetv2_{options.alpha:0.2f}_{_rows(options)}",
    shape=sized(lambda options: asked_size(options, _SIZES)),
    files=_files,
    parameters={"input_shape": None, "alpha": 1.0, **PARAMETERS},
    more="""
        alpha: what all numbers of channels are multiplied by.""",
)
def MobileNetV2(x, options):
    """MobileNetV2, for small devices: depthwise convolutions between wide activations, narrow shortcuts."""
    alpha = options.alpha
    x = layers.Conv2D(divisible(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="Conv1")(x)
    x = _normalize(x, "bn_Conv1")
    x = layers.ReLU(6.0, name="Conv1_relu")(x)
    number = 0
    for channels, count, strides, widening in _STAGES:
        for i in range(count):
            name = f"block_{number}_" if number else "expanded_conv_"
            x = _block(x, divisible(channels * alpha), strides if i == 0 else 1, widening, name)
            number += 1
    x = layers.Conv2D(divisible(1280 * max(alpha, 1.0)), 1, use_bias=False, name="Conv_1")(x)
    x = _normalize(x, "Conv_1_bn")
    x = layers.ReLU(6.0, name="out_relu")(x)
    return dense_classifier(x, options, pool=None)


def _block(x, channels, strides, widening, name):
    """Wide by a 1x1 convolution, a depthwise 3x3, narrow by another 1x1; a shortcut if it fits."""
    inputs, narrow = x, x.shape[last_channel_axis()]
    if widening > 1:
        x = layers.Conv2D(widening * narrow, 1, padding="same", use_bias=False, name=f"{name}expand")(x)
        x = _normalize(x, f"{name}expand_BN")
        x = layers.ReLU(6.0, name=f"{name}expand_relu")(x)
    x = depthwise(x, 3, strides, f"{name}pad", name=f"{name}depthwise")
    x = _normalize(x, f"{name}depthwise_BN")
    x = layers.ReLU(6.0, name=f"{name}depthwise_relu")(x)
    x = layers.Conv2D(channels, 1, padding="same", use_bias=False, name=f"{name}project")(x)
    x = _normalize(x, f"{name}project_BN")
    if narrow == channels and strides == 1:
        x = layers.Add(name=f"{name}add")([inputs, x])
    return x


def _normalize(x, name):
    return layers.BatchNormalization(axis=last_channel_axis(), epsilon=1e-3, momentum=0.999, name=name)(x)
