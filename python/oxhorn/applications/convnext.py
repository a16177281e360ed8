"""ConvNeXt (Liu et al., "A ConvNet for the 2020s", 2022)."""

from oxhorn import initializers, layers, ops, random
from oxhorn.applications._application import (
    ORIGIN,
    application,
    channel_axis,
    global_pooling,
    predictions,
)
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing
from oxhorn.models.sequential import Sequential

preprocess_input = preprocessing(None)
__all__ = [
    *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    "decode_predictions",
    "preprocess_input",
]

_PARAMETERS = {
    "include_top": True,
    "include_preprocessing": True,
    "weights": "imagenet",
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 1000,
    "classifier_activation": "softmax",
}
_MORE = """
        include_preprocessing: whether images have values from 0 to 255, which a first layer normalises."""
_EPSILON = 1e-6


class StochasticDepth(layers.Layer):
    """Leaves samples out (makes them zero) at random in training, and scales up those that stay.

    Args:
        drop_path_rate: probability of leaving one out.
    """

    _keras_module = "keras.src.applications.convnext"

    def __init__(self, drop_path_rate, **kwargs):
        super().__init__(**kwargs)
        self.drop_path_rate = drop_path_rate

    def call(self, x, training=None):
        if not training:
            return x
        kept = 1 - self.drop_path_rate
        shape = (x.shape[0],) + (1,) * (len(x.shape) - 1)
        return (x / kept) * ops.floor(kept + random.uniform(shape, 0, 1))

    def get_config(self):
        return {**super().get_config(), "drop_path_rate": self.drop_path_rate}


class LayerScale(layers.Layer):
    """Multiplies each channel by a weight.

    Args:
        init_values: what the weights are at first.
        projection_dim: number of channels.
    """

    _keras_module = "keras.src.applications.convnext"

    def __init__(self, init_values, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.init_values = init_values
        self.projection_dim = projection_dim

    def build(self, input_shape):
        initializer = initializers.Constant(self.init_values)
        self.gamma = self.add_weight(shape=(self.projection_dim,), initializer=initializer)

    def call(self, x):
        return x * self.gamma

    def get_config(self):
        config = {"init_values": self.init_values, "projection_dim": self.projection_dim}
        return {**super().get_config(), **config}


def _network(size, depths, channels, hashes):
    """The public function of one size: how many blocks its stages have, and of how many channels."""
    default_name = f"convnext_{size.lower()}"

    def files(options):
        file = f"{default_name}{'' if options.include_top else '_notop'}.h5"
        return file, f"{ORIGIN}convnext/{file}", hashes[not options.include_top]

    def network(x, options):
        name = options.name
        if options.include_preprocessing and x.shape[channel_axis()] == 3:
            x = layers.Normalization(
                mean=[0.485 * 255, 0.456 * 255, 0.406 * 255],
                variance=[(0.229 * 255) ** 2, (0.224 * 255) ** 2, (0.225 * 255) ** 2],
                name=f"{name}_prestem_normalization",
            )(x)
        narrowing = [_stem(channels[0], name)]
        narrowing += [_narrowing(count, name, i) for i, count in enumerate(channels[1:])]
        for stage, (count, depth) in enumerate(zip(channels, depths)):
            x = narrowing[stage](x)
            for i in range(depth):
                x = _block(x, count, f"{name}_stage_{stage}_block_{i}")
        if not options.include_top:
            x = global_pooling(x, options)
            return layers.LayerNormalization(epsilon=_EPSILON)(x)
        x = layers.GlobalAveragePooling2D(name=f"{name}_head_gap")(x)
        x = layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}_head_layernorm")(x)
        return predictions(x, options, f"{name}_head_dense")

    network.__name__ = network.__qualname__ = f"ConvNeXt{size}"
    network.__doc__ = f"ConvNeXt, {size.lower()}."
    return application(default_name, files=files, parameters=_PARAMETERS, more=_MORE)(network)


def _stem(channels, name):
    parts = [
        layers.Conv2D(channels, 4, strides=4, name=f"{name}_stem_conv"),
        layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}_stem_layernorm"),
    ]
    return Sequential(parts, name=f"{name}_stem")


def _narrowing(channels, name, number):
    parts = [
        layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}_downsampling_layernorm_{number}"),
        layers.Conv2D(channels, 2, strides=2, name=f"{name}_downsampling_conv_{number}"),
    ]
    return Sequential(parts, name=f"{name}_downsampling_block_{number}")


def _block(x, channels, name):
    """A depthwise convolution 7x7, wide and narrow by dense layers, around a shortcut."""
    inputs = x
    x = layers.Conv2D(channels, 7, padding="same", groups=channels, name=f"{name}_depthwise_conv")(x)
    x = layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}_layernorm")(x)
    x = layers.Dense(4 * channels, name=f"{name}_pointwise_conv_1")(x)
    x = layers.Activation("gelu", name=f"{name}_gelu")(x)
    x = layers.Dense(channels, name=f"{name}_pointwise_conv_2")(x)
    x = LayerScale(1e-6, channels, name=f"{name}_layer_scale")(x)
    # In its place stands a `StochasticDepth` of files that were trained with one.
    x = layers.Activation("linear", name=f"{name}_identity")(x)
    return inputs + x


ConvNeXtTiny = _network(
    "Tiny",
    (3, 3, 9, 3),
    (96, 192, 384, 768),
    (
        "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
)
ConvNeXtSmall = _network(
    "Small",
    (3, 3, 27, 3),
    (96, 192, 384, 768),
    (
        "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c",
        "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    ),
)
ConvNeXtBase = _network(
    "Base",
    (3, 3, 27, 3),
    (128, 256, 512, 1024),
    (
        "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
        "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    ),
)
ConvNeXtLarge = _network(
    "Large",
    (3, 3, 27, 3),
    (192, 384, 768, 1536),
    (
        "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6",
        "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    ),
)
ConvNeXtXLarge = _network(
    "XLarge",
    (3, 3, 27, 3),
    (256, 512, 1024, 2048),
    (
        "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee",
        "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
    ),
)
