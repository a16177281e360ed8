"""EfficientNetV2 (Tan and Le, "EfficientNetV2: Smaller Models and Faster Training", 2021)."""

import math

from oxhorn import initializers, layers
from oxhorn.applications._application import ORIGIN, PARAMETERS, application, channel_axis, sized
from oxhorn.applications._efficient import (
    add_shortcut,
    classifier,
    convolution,
    kernel_initializer,
    normalize,
    squeeze_and_excite,
)
from oxhorn.applications._mobile import divisible
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing(None)
__all__ = [
    *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "decode_predictions",
    "preprocess_input",
]

# Number, channels, widening inside and first stride of the blocks of each stage, and whether they excite:
# those that don't have one convolution 3x3 where the others have one 1x1 and a depthwise one.
_B = (
    (1, 16, 1, 1, False),
    (2, 32, 4, 2, False),
    (2, 48, 4, 2, False),
    (3, 96, 4, 2, True),
    (5, 112, 6, 1, True),
    (8, 192, 6, 2, True),
)
_S = (
    (2, 24, 1, 1, False),
    (4, 48, 4, 2, False),
    (4, 64, 4, 2, False),
    (6, 128, 4, 2, True),
    (9, 160, 6, 1, True),
    (15, 256, 6, 2, True),
)
_M = (
    (3, 24, 1, 1, False),
    (5, 48, 4, 2, False),
    (5, 80, 4, 2, False),
    (7, 160, 4, 2, True),
    (14, 176, 6, 1, True),
    (18, 304, 6, 2, True),
    (5, 512, 6, 1, True),
)
_L = (
    (4, 32, 1, 1, False),
    (7, 64, 4, 2, False),
    (7, 96, 4, 2, False),
    (10, 192, 4, 2, True),
    (19, 224, 6, 1, True),
    (25, 384, 6, 2, True),
    (7, 640, 6, 1, True),
)
_MOMENTUM = 0.9
_DROPPED_BLOCKS = 0.2
_DROPOUT = 0.2
_MORE = """
        include_preprocessing: whether the images have values from 0 to 255, which first layers scale; else
            from -1 to 1."""


def _network(name, size, stem, stages, hashes, width=1.0, depth=1.0):
    """The public function of one size.

    Args:
        stem: channels of the first convolution.
        width: what numbers of channels are multiplied by.
        depth: what numbers of blocks are multiplied by.
    """

    def files(options):
        file = f"{name}{'' if options.include_top else '_notop'}.h5"
        return file, f"{ORIGIN}efficientnet_v2/{file}", hashes[not options.include_top]

    def network(x, options):
        if options.include_preprocessing:
            x = _preprocess(x, like_v1=stages is _B)
        x = convolution(x, divisible(stem * width), 3, "stem_conv", strides=2)
        x = normalize(x, "stem_bn", _MOMENTUM)
        x = layers.Activation("silu", name="stem_activation")(x)
        blocks = float(sum(count for count, *_ in stages))
        number = 0
        for stage, (count, channels, widening, strides, excites) in enumerate(stages, start=1):
            block = _block if excites else _fused_block
            for i in range(math.ceil(depth * count)):
                x = block(
                    x,
                    divisible(channels * width),
                    widening,
                    strides if i == 0 else 1,
                    _DROPPED_BLOCKS * number / blocks,
                    f"block{stage}{chr(ord('a') + i)}_",
                )
                number += 1
        x = convolution(x, divisible(1280 * width), 1, "top_conv")
        x = normalize(x, "top_bn", _MOMENTUM)
        x = layers.Activation("silu", name="top_activation")(x)
        return classifier(x, options, _DROPOUT, initializers.Constant(0.0))

    variant = name.split("-")[1].upper()
    network.__name__ = network.__qualname__ = f"EfficientNetV2{variant}"
    network.__doc__ = f"EfficientNetV2{variant}."
    parameters = {**PARAMETERS, "include_preprocessing": True}
    return application(name, sized(size), files, parameters, _MORE)(network)


def _preprocess(x, like_v1):
    if not like_v1 or x.shape[channel_axis()] != 3:
        return layers.Rescaling(scale=1.0 / 128.0, offset=-1)(x)
    x = layers.Rescaling(scale=1.0 / 255)(x)
    mean, variance = [0.485, 0.456, 0.406], [0.229**2, 0.224**2, 0.225**2]
    return layers.Normalization(axis=channel_axis(), mean=mean, variance=variance)(x)


def _block(x, channels, widening, strides, rate, name):
    """Wide by a 1x1 convolution, a depthwise one, narrow by another 1x1; a shortcut if it fits."""
    inputs, narrow = x, x.shape[channel_axis()]
    if widening != 1:
        x = _activated(x, narrow * widening, 1, 1, f"{name}expand_")
    x = layers.DepthwiseConv2D(
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        depthwise_initializer=kernel_initializer(),
        name=f"{name}dwconv2",
    )(x)
    x = normalize(x, f"{name}bn", _MOMENTUM)
    x = layers.Activation("silu", name=f"{name}activation")(x)
    x = squeeze_and_excite(x, max(1, narrow // 4), name)
    x = convolution(x, channels, 1, f"{name}project_conv")
    x = normalize(x, f"{name}project_bn", _MOMENTUM)
    if strides == 1 and narrow == channels:
        x = add_shortcut(x, inputs, rate, name)
    return x


def _fused_block(x, channels, widening, strides, rate, name):
    """Wide by a 3x3 convolution, narrow by a 1x1; one 3x3 if it is not wide inside; a shortcut if it fits."""
    inputs, narrow = x, x.shape[channel_axis()]
    if widening == 1:
        x = _activated(x, channels, 3, strides, f"{name}project_")
    else:
        x = _activated(x, narrow * widening, 3, strides, f"{name}expand_")
        x = convolution(x, channels, 1, f"{name}project_conv")
        x = normalize(x, f"{name}project_bn", _MOMENTUM)
    if strides == 1 and narrow == channels:
        x = add_shortcut(x, inputs, rate, name)
    return x


def _activated(x, channels, window, strides, name):
    x = convolution(x, channels, window, f"{name}conv", strides=strides)
    x = normalize(x, f"{name}bn", _MOMENTUM)
    return layers.Activation("silu", name=f"{name}activation")(x)


EfficientNetV2B0 = _network(
    "efficientnetv2-b0",
    *(224, 32, _B),
    ("21ecbf6da12460d5c40bb2f29ceb2188", "893217f2bb855e2983157299931e43ff"),
)
EfficientNetV2B1 = _network(
    "efficientnetv2-b1",
    *(240, 32, _B),
    ("069f0534ff22adf035c89e2d9547a9dc", "0e80663031ca32d657f9caa404b6ec37"),
    depth=1.1,
)
EfficientNetV2B2 = _network(
    "efficientnetv2-b2",
    *(260, 32, _B),
    ("424e49f28180edbde1e94797771950a7", "1dfe2e7a5d45b6632553a8961ea609eb"),
    width=1.1,
    depth=1.2,
)
EfficientNetV2B3 = _network(
    "efficientnetv2-b3",
    *(300, 32, _B),
    ("1f1fc43bd98a6e4fd8fdfd551e02c7a0", "f6abf7b5849ac99a89b50dd3fd532856"),
    width=1.2,
    depth=1.4,
)
EfficientNetV2S = _network(
    "efficientnetv2-s",
    *(384, 24, _S),
    ("e1d88a8495beba45748fedd0cecbe016", "af0682fb74e8c54910f2d4393339c070"),
)
EfficientNetV2M = _network(
    "efficientnetv2-m",
    *(480, 24, _M),
    ("a3bf6aa3276309f4fc6a34aa114c95cd", "1b8dc055df72dde80d614482840fe342"),
)
EfficientNetV2L = _network(
    "efficientnetv2-l",
    *(480, 32, _L),
    ("27e6d408b53c7ebc868fefa357689935", "b0b66b5c863aef5b46e8608fe1711615"),
)
