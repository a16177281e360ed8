"""MobileNetV3 (Howard et al., "Searching for MobileNetV3", 2019)."""

from oxhorn import layers
from oxhorn._base.keras_tensor import is_keras_tensor
from oxhorn._base.settings import image_data_format
from oxhorn.applications._application import (
    ORIGIN,
    POOLS,
    application,
    check_activation,
    global_pooling,
    last_channel_axis,
)
from oxhorn.applications._mobile import depthwise, divisible

# How much wider the blocks are inside, their channels, windows and strides, whether they squeeze and excite,
# and whether the activation is `hard_silu` (else `relu`).
_SMALL = (
    (1, 16, 3, 2, True, False),
    (72 / 16, 24, 3, 2, False, False),
    (88 / 24, 24, 3, 1, False, False),
    (4, 40, 5, 2, True, True),
    (6, 40, 5, 1, True, True),
    (6, 40, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (6, 96, 5, 2, True, True),
    (6, 96, 5, 1, True, True),
    (6, 96, 5, 1, True, True),
)
_LARGE = (
    (1, 16, 3, 1, False, False),
    (4, 24, 3, 2, False, False),
    (3, 24, 3, 1, False, False),
    (3, 40, 5, 2, True, False),
    (3, 40, 5, 1, True, False),
    (3, 40, 5, 1, True, False),
    (6, 80, 3, 2, False, True),
    (2.5, 80, 3, 1, False, True),
    (2.3, 80, 3, 1, False, True),
    (2.3, 80, 3, 1, False, True),
    (6, 112, 3, 1, True, True),
    (6, 112, 3, 1, True, True),
    (6, 160, 5, 2, True, True),
    (6, 160, 5, 1, True, True),
    (6, 160, 5, 1, True, True),
)
_HASHES = {
    "large_224_0.75": ("765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    "large_224_1.0": ("59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    "large_minimalistic_224_1.0": ("675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    "small_224_0.75": ("cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    "small_224_1.0": ("8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    "small_minimalistic_224_1.0": ("99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
}

_PARAMETERS = {
    "input_shape": None,
    "alpha": 1.0,
    "minimalistic": False,
    "include_top": True,
    "weights": "imagenet",
    "input_tensor": None,
    "classes": 1000,
    "pooling": None,
    "dropout_rate": 0.2,
    "classifier_activation": "softmax",
    "include_preprocessing": True,
}
_MORE = """
        alpha: what all numbers of channels are multiplied by.
        minimalistic: whether to do without windows of 5x5, squeeze-and-excite and `hard_silu`, which some
            devices cannot do fast.
        dropout_rate: rate of dropout before the classifier.
        include_preprocessing: whether the images have values from 0 to 255, which a first layer scales; else
            from -1 to 1."""


def _shape(options):
    shape = options.input_shape
    last = image_data_format() == "channels_last"
    if shape is None:
        if is_keras_tensor(options.input_tensor):
            return options.input_tensor.shape[1:]
        return (None, None, 3) if last else (3, None, None)
    height, width = shape[:2] if last else shape[1:]
    if height and width and min(height, width) < 32:
        raise ValueError(f"Input size must be at least 32x32. Received: input_shape={shape}")
    return shape


def _files(size):
    def files(options):
        variant = f"{size}{'_minimalistic' * options.minimalistic}_224_{options.alpha}"
        if variant not in _HASHES:
            raise ValueError(
                "With `weights='imagenet'`, alpha must be 0.75 or 1.0, or 1.0 if `minimalistic=True`. "
                f"Received: alpha={options.alpha}, minimalistic={options.minimalistic}"
            )
        suffix = "" if options.include_top else "_no_top_v2"
        file = f"weights_mobilenet_v3_{variant}_float{suffix}.h5"
        return file, f"{ORIGIN}mobilenet_v3/{file}", _HASHES[variant][not options.include_top]

    return files


@application("MobileNetV3Small", _shape, _files("small"), _PARAMETERS, _MORE)
def MobileNetV3Small(x, options):
    """MobileNetV3, the small one, for small devices."""
    return _network(x, options, _SMALL, 1024)


@application("MobileNetV3Large", _shape, _files("large"), _PARAMETERS, _MORE)
def MobileNetV3Large(x, options):
    """MobileNetV3, the large one, for small devices."""
    return _network(x, options, _LARGE, 1280)


def _network(x, options, blocks, features):
    if options.include_preprocessing:
        x = layers.Rescaling(scale=1.0 / 127.5, offset=-1.0)(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
    x = _normalize(x, "conv_bn")
    x = _activate(x, not options.minimalistic)
    for i, (widening, channels, size, strides, excites, hard) in enumerate(blocks):
        if options.minimalistic:
            size, excites, hard = 3, False, False
        name = f"expanded_conv_{i}_" if i else "expanded_conv_"
        channels = divisible(channels * options.alpha)
        x = _block(x, widening if i else None, channels, size, strides, excites, hard, name)
    x = layers.Conv2D(
        divisible(6 * x.shape[last_channel_axis()]), 1, padding="same", use_bias=False, name="conv_1"
    )(x)
    x = _normalize(x, "conv_1_bn")
    x = _activate(x, not options.minimalistic)
    if not options.include_top:
        return global_pooling(x, options, POOLS)
    if options.alpha > 1.0:
        features = divisible(features * options.alpha)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(features, 1, padding="same", name="conv_2")(x)
    x = _activate(x, not options.minimalistic)
    if options.dropout_rate > 0:
        x = layers.Dropout(options.dropout_rate)(x)
    x = layers.Conv2D(options.classes, 1, padding="same", name="logits")(x)
    x = layers.Flatten()(x)
    check_activation(options)
    return layers.Activation(options.classifier_activation, name="predictions")(x)


def _block(x, widening, channels, size, strides, excites, hard, name):
    """As in MobileNetV2, with squeeze-and-excite after the depthwise convolution."""
    inputs, narrow = x, x.shape[last_channel_axis()]
    wide = narrow
    if widening is not None:
        wide = divisible(narrow * widening)
        x = layers.Conv2D(wide, 1, padding="same", use_bias=False, name=f"{name}expand")(x)
        x = _normalize(x, f"{name}expand_bn")
        x = _activate(x, hard)
    x = depthwise(x, size, strides, f"{name}depthwise_pad", name=f"{name}depthwise")
    x = _normalize(x, f"{name}depthwise_bn")
    x = _activate(x, hard)
    if excites:
        x = _squeeze_and_excite(x, wide, f"{name}squeeze_excite")
    x = layers.Conv2D(channels, 1, padding="same", use_bias=False, name=f"{name}project")(x)
    x = _normalize(x, f"{name}project_bn")
    if strides == 1 and narrow == channels:
        x = layers.Add(name=f"{name}add")([inputs, x])
    return x


def _squeeze_and_excite(x, channels, name):
    """Scales each channel by what a small network makes of the means of all."""
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    y = layers.Conv2D(divisible(channels * 0.25), 1, padding="same", name=f"{name}_conv")(y)
    y = layers.ReLU(name=f"{name}_relu")(y)
    y = layers.Conv2D(channels, 1, padding="same", name=f"{name}_conv_1")(y)
    y = layers.ReLU(6.0)(y + 3.0) * (1.0 / 6.0)
    return layers.Multiply(name=f"{name}_mul")([x, y])


def _activate(x, hard):
    return layers.Activation("hard_silu")(x) if hard else layers.ReLU()(x)


def _normalize(x, name):
    return layers.BatchNormalization(axis=last_channel_axis(), epsilon=1e-3, momentum=0.999, name=name)(x)
