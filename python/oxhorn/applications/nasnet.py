"""NASNet-A (Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", 2017)."""

from oxhorn import layers, name_scope
from oxhorn._base.settings import image_data_format
from oxhorn.applications._application import (
    ORIGIN,
    PARAMETERS,
    application,
    correct_padding,
    dense_classifier,
    sized,
)
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("tf")
__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]

_PARAMETERS = {"input_shape": None, **PARAMETERS}


def _shape(size):
    check = sized(size)

    def shape(options):
        if image_data_format() == "channels_first":
            raise ValueError(
                "NASNet does not support the `channels_first` image data format. Set `image_data_format` to "
                "`channels_last`."
            )
        given = options.input_shape
        if given is not None and None in given and options.weights == "imagenet":
            raise ValueError(
                "NASNet with `weights='imagenet'` needs a static `input_shape`. "
                f"Received: input_shape={given}"
            )
        return check(options)

    return shape


def _files(size, hashes):
    def files(options):
        suffix = "" if options.include_top else "-no-top"
        file = f"nasnet_{size}{suffix.replace('-', '_')}.h5"
        return file, f"{ORIGIN}nasnet/NASNet-{size}{suffix}.h5", hashes[not options.include_top]

    return files


@application(
    "nasnet_mobile",
    _shape(224),
    _files("mobile", ("020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63")),
    _PARAMETERS,
)
def NASNetMobile(x, options):
    """NASNet-A for small devices: cells whose connections were found by a search."""
    return _network(x, options, features=1056, blocks=4, stem=32, skips_reduction=False)


@application(
    "nasnet_large",
    _shape(331),
    _files("large", ("11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5")),
    _PARAMETERS,
)
def NASNetLarge(x, options):
    """NASNet-A, the large one: cells whose connections were found by a search."""
    return _network(x, options, features=4032, blocks=6, stem=96, skips_reduction=True)


def _network(x, options, features, blocks, stem, skips_reduction):
    """
    Args:
        features: channels of the last cell.
        blocks: number of normal cells in each of the three parts.
        stem: channels of the first convolution.
        skips_reduction: whether the cell after a reduction reads, besides its result, what the reduction read
            second instead of what it read first.
    """
    filters = features // 24
    x = layers.Conv2D(stem, 3, strides=2, use_bias=False, kernel_initializer="he_normal", name="stem_conv1")(
        x
    )
    x = _normalize(x, "stem_bn1")
    x, previous = _reduction_cell(x, None, filters // 4, "stem_1")
    x, previous = _reduction_cell(x, previous, filters // 2, "stem_2")
    for part in range(3):
        if part > 0:
            x, before = _reduction_cell(x, previous, filters << part, f"reduce_{part * blocks}")
            previous = previous if skips_reduction else before
        for i in range(blocks):
            number = part * blocks + i + (part > 0)
            x, previous = _normal_cell(x, previous, filters << part, str(number))
    x = layers.Activation("relu")(x)
    return dense_classifier(x, options, pool=None)


def _normal_cell(x, previous, filters, name):
    """The result, of the same size, and `x`, which the next cell reads too."""
    with name_scope(f"normal_A_block_{name}"):
        p = _adjust(previous, x, filters, name)
        h = _project(x, filters, "normal", name)
        with name_scope("block_1"):
            left = _separable(h, filters, 5, f"normal_left1_{name}")
            right = _separable(p, filters, 3, f"normal_right1_{name}")
            x1 = layers.add([left, right], name=f"normal_add_1_{name}")
        with name_scope("block_2"):
            left = _separable(p, filters, 5, f"normal_left2_{name}")
            right = _separable(p, filters, 3, f"normal_right2_{name}")
            x2 = layers.add([left, right], name=f"normal_add_2_{name}")
        with name_scope("block_3"):
            x3 = layers.add([_mean(h, f"normal_left3_{name}"), p], name=f"normal_add_3_{name}")
        with name_scope("block_4"):
            pools = [_mean(p, f"normal_left4_{name}"), _mean(p, f"normal_right4_{name}")]
            x4 = layers.add(pools, name=f"normal_add_4_{name}")
        with name_scope("block_5"):
            x5 = _separable(h, filters, 3, f"normal_left5_{name}")
            x5 = layers.add([x5, h], name=f"normal_add_5_{name}")
        y = layers.concatenate([p, x1, x2, x3, x4, x5], axis=-1, name=f"normal_concat_{name}")
    return y, x


def _reduction_cell(x, previous, filters, name):
    """The result, of half the size, and `x`, which the next cell reads too."""
    with name_scope(f"reduction_A_block_{name}"):
        p = _adjust(previous, x, filters, name)
        h = _project(x, filters, "reduction", name)
        padded = layers.ZeroPadding2D(correct_padding(h, 3), name=f"reduction_pad_1_{name}")(h)
        with name_scope("block_1"):
            left = _separable(h, filters, 5, f"reduction_left1_{name}", strides=2)
            right = _separable(p, filters, 7, f"reduction_right1_{name}", strides=2)
            x1 = layers.add([left, right], name=f"reduction_add_1_{name}")
        with name_scope("block_2"):
            left = layers.MaxPooling2D(3, strides=2, name=f"reduction_left2_{name}")(padded)
            right = _separable(p, filters, 7, f"reduction_right2_{name}", strides=2)
            x2 = layers.add([left, right], name=f"reduction_add_2_{name}")
        with name_scope("block_3"):
            left = layers.AveragePooling2D(3, strides=2, name=f"reduction_left3_{name}")(padded)
            right = _separable(p, filters, 5, f"reduction_right3_{name}", strides=2)
            x3 = layers.add([left, right], name=f"reduction_add3_{name}")
        with name_scope("block_4"):
            x4 = layers.add([x2, _mean(x1, f"reduction_left4_{name}")])
        with name_scope("block_5"):
            left = _separable(x1, filters, 3, f"reduction_left4_{name}")
            right = layers.MaxPooling2D(3, strides=2, name=f"reduction_right5_{name}")(padded)
            x5 = layers.add([left, right], name=f"reduction_add4_{name}")
        y = layers.concatenate([x2, x3, x4, x5], axis=-1, name=f"reduction_concat_{name}")
    return y, x


def _adjust(previous, x, filters, name):
    """What the cell before read, in the size of `x` and with `filters` channels."""
    with name_scope("adjust_block"):
        if previous is None:
            return x
        if previous.shape[-2] != x.shape[-2]:
            with name_scope(f"adjust_reduction_block_{name}"):
                return _halve(previous, filters, name)
        if previous.shape[-1] != filters:
            with name_scope(f"adjust_projection_block_{name}"):
                previous = layers.Activation("relu")(previous)
                previous = _pointwise(previous, filters, f"adjust_conv_projection_{name}")
                return _normalize(previous, f"adjust_bn_{name}")
        return previous


def _halve(x, filters, name):
    """Every second pixel: in half the channels those of even position, in the others those of odd."""
    x = layers.Activation("relu", name=f"adjust_relu_1_{name}")(x)
    even = layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_1_{name}")(x)
    even = _pointwise(even, filters // 2, f"adjust_conv_1_{name}")
    odd = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    odd = layers.Cropping2D(((1, 0), (1, 0)))(odd)
    odd = layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_2_{name}")(odd)
    odd = _pointwise(odd, filters // 2, f"adjust_conv_2_{name}")
    return _normalize(layers.concatenate([even, odd], axis=-1), f"adjust_bn_{name}")


def _separable(x, filters, window, name, strides=1):
    """Two separable convolutions, each of what is positive."""
    with name_scope(f"separable_conv_block_{name}"):
        x = layers.Activation("relu")(x)
        padding = "same"
        if strides == 2:
            pad_name = f"separable_conv_1_pad_{name}"
            x = layers.ZeroPadding2D(correct_padding(x, window), name=pad_name)(x)
            padding = "valid"
        for i in (1, 2):
            if i == 2:
                x = layers.Activation("relu")(x)
                strides, padding = 1, "same"
            x = layers.SeparableConv2D(
                filters,
                window,
                strides=strides,
                padding=padding,
                use_bias=False,
                name=f"separable_conv_{i}_{name}",
            )(x)
            x = _normalize(x, f"separable_conv_{i}_bn_{name}")
    return x


def _project(x, filters, kind, name):
    x = layers.Activation("relu")(x)
    x = _pointwise(x, filters, f"{kind}_conv_1_{name}")
    return _normalize(x, f"{kind}_bn_1_{name}")


def _pointwise(x, filters, name):
    return layers.Conv2D(
        filters, 1, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)


def _mean(x, name):
    return layers.AveragePooling2D(3, strides=1, padding="same", name=name)(x)


def _normalize(x, name):
    return layers.BatchNormalization(axis=-1, momentum=0.9997, epsilon=1e-3, name=name)(x)
