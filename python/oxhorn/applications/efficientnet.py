"""EfficientNet (Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
2019)."""

import math

from oxhorn import layers
from oxhorn.applications._application import application, channel_axis, correct_padding, sized
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
    *(f"EfficientNetB{i}" for i in range(8)),
    "decode_predictions",
    "preprocess_input",
]

# Window, number, channels, widening inside and first stride of the blocks of each stage.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
_MOMENTUM = 0.99
_DROPPED_BLOCKS = 0.2


def _network(name, size, width, depth, dropout, hashes):
    """The public function of one size: what numbers of channels and blocks are multiplied by."""

    def files(options):
        file = f"{name}{'' if options.include_top else '_notop'}.h5"
        return (
            file,
            f"https://storage.googleapis.com/keras-applications/{file}",
            hashes[not options.include_top],
        )

    def network(x, options):
        repeats = [math.ceil(depth * count) for _, count, *_ in _STAGES]
        x = layers.Rescaling(1.0 / 255.0)(x)
        x = layers.Normalization(axis=channel_axis())(x)
        if options.weights == "imagenet":
            # The weights were trained on images that were divided by the roots of their deviations as well.
            x = layers.Rescaling([1.0 / math.sqrt(deviation) for deviation in (0.229, 0.224, 0.225)])(x)
        x = layers.ZeroPadding2D(correct_padding(x, 3), name="stem_conv_pad")(x)
        x = convolution(x, divisible(32 * width), 3, "stem_conv", strides=2, padding="valid")
        x = normalize(x, "stem_bn", _MOMENTUM)
        x = layers.Activation("silu", name="stem_activation")(x)
        number = 0
        for stage, (window, _, channels, widening, strides) in enumerate(_STAGES):
            for i in range(repeats[stage]):
                x = _block(
                    x,
                    window,
                    divisible(channels * width),
                    widening,
                    strides if i == 0 else 1,
                    _DROPPED_BLOCKS * number / float(sum(repeats)),
                    f"block{stage + 1}{chr(ord('a') + i)}_",
                )
                number += 1
        x = convolution(x, divisible(1280 * width), 1, "top_conv")
        x = normalize(x, "top_bn", _MOMENTUM)
        x = layers.Activation("silu", name="top_activation")(x)
        return classifier(x, options, dropout)

    network.__name__ = network.__qualname__ = f"EfficientNet{name[-2:].upper()}"
    network.__doc__ = f"EfficientNet{name[-2:].upper()}. Images have values from 0 to 255."
    return application(name, sized(size), files)(network)


def _block(x, window, channels, widening, strides, rate, name):
    """Wide by a 1x1 convolution, a depthwise one, narrow by another 1x1; a shortcut if it fits."""
    inputs, narrow = x, x.shape[channel_axis()]
    if widening != 1:
        x = convolution(x, narrow * widening, 1, f"{name}expand_conv")
        x = normalize(x, f"{name}expand_bn", _MOMENTUM)
        x = layers.Activation("silu", name=f"{name}expand_activation")(x)
    if strides == 2:
        x = layers.ZeroPadding2D(correct_padding(x, window), name=f"{name}dwconv_pad")(x)
    x = layers.DepthwiseConv2D(
        window,
        strides=strides,
        padding="valid" if strides == 2 else "same",
        use_bias=False,
        depthwise_initializer=kernel_initializer(),
        name=f"{name}dwconv",
    )(x)
    x = normalize(x, f"{name}bn", _MOMENTUM)
    x = layers.Activation("silu", name=f"{name}activation")(x)
    x = squeeze_and_excite(x, max(1, narrow // 4), name)
    x = convolution(x, channels, 1, f"{name}project_conv")
    x = normalize(x, f"{name}project_bn", _MOMENTUM)
    if strides == 1 and narrow == channels:
        x = add_shortcut(x, inputs, rate, name)
    return x


EfficientNetB0 = _network(
    "efficientnetb0",
    *(224, 1.0, 1.0, 0.2),
    ("902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d"),
)
EfficientNetB1 = _network(
    "efficientnetb1",
    *(240, 1.0, 1.1, 0.2),
    ("1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432"),
)
EfficientNetB2 = _network(
    "efficientnetb2",
    *(260, 1.1, 1.2, 0.3),
    ("b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39"),
)
EfficientNetB3 = _network(
    "efficientnetb3",
    *(300, 1.2, 1.4, 0.3),
    ("ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226"),
)
EfficientNetB4 = _network(
    "efficientnetb4",
    *(380, 1.4, 1.8, 0.4),
    ("18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba"),
)
EfficientNetB5 = _network(
    "efficientnetb5",
    *(456, 1.6, 2.2, 0.4),
    ("ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f"),
)
EfficientNetB6 = _network(
    "efficientnetb6",
    *(528, 1.8, 2.6, 0.5),
    ("165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743"),
)
EfficientNetB7 = _network(
    "efficientnetb7",
    *(600, 2.0, 3.1, 0.5),
    ("8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a"),
)
