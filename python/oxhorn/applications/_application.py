"""What the applications have in common: their arguments, inputs, classifiers and files of weights."""

import inspect
import os
import types
import warnings

from oxhorn import activations, layers
from oxhorn._base.keras_tensor import is_keras_tensor
from oxhorn._base.settings import image_data_format
from oxhorn.models.function import node_of
from oxhorn.models.functional import Functional
from oxhorn.utils.file_utils import get_file

# Arguments of most applications, in order, and their defaults.
PARAMETERS = {
    "include_top": True,
    "weights": "imagenet",
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 1000,
    "classifier_activation": "softmax",
}

ORIGIN = "https://storage.googleapis.com/tensorflow/keras-applications/"

_ARGUMENTS = """

    Args:
        include_top: whether to end in the classifier.
        weights: None for random ones, `"imagenet"` for those trained on ImageNet, or the path of a file.
            Those of ImageNet come from the cache, `~/.keras/models`, or else are downloaded.
        input_tensor: symbolic tensor to take as the input.
        input_shape: shape of one image; by default that of the images that the network was made for, and with
            any height and width without the classifier.
        pooling: without the classifier, what becomes of the feature maps: None for nothing, `"avg"` or
            `"max"` for their mean or maximum over all positions.
        classes: number of classes of the classifier.
        classifier_activation: activation of the classifier's last layer; None for the logits.
        name: name of the model.{more}

    Returns: a `Model`.

    Raises:
        ValueError: arguments that contradict each other or the weights; images that are too small.
        OSError: weights of ImageNet that are not in the cache and cannot be downloaded.
    """


def application(name, shape=None, files=None, parameters=PARAMETERS, more=""):
    """Makes the public function of a network from one that calls its layers.

    The decorated function gets the input and an object with the arguments as attributes, besides
    `image_shape`, and returns the output.

    Args:
        name: default name of the model, or a function of the arguments that makes one from None.
        shape: function of the arguments that gives the shape of one image; `sized(224)` unless it is given.
        files: function of the arguments that says which file has the weights of ImageNet: its name, its
            address and its hash; it raises ValueError if there is none.
        parameters: names and defaults of the arguments in order, without `name`.
        more: descriptions of arguments that other networks don't have.
    """
    default_name = None if callable(name) else name
    signature = inspect.Signature(
        inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for key, default in {**parameters, "name": default_name}.items()
    )

    def decorate(network):
        def make(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            options = types.SimpleNamespace(**bound.arguments)
            _check(options)
            options.image_shape = (shape or sized(224))(options)
            inputs = _image_input(options)
            outputs = network(inputs, options)
            if callable(name) and options.name is None:
                options.name = name(options)
            if options.input_tensor is not None:
                inputs = _sources(inputs)
            model = Functional(inputs, outputs, name=options.name)
            if options.weights == "imagenet" and files is not None:
                file, origin, file_hash = files(options)
                model.load_weights(get_file(file, origin, cache_subdir="models", file_hash=file_hash))
            elif options.weights is not None:
                model.load_weights(options.weights)
            return model

        for attribute in ("__module__", "__name__", "__qualname__"):
            setattr(make, attribute, getattr(network, attribute))
        make.__doc__ = network.__doc__.rstrip() + _ARGUMENTS.format(more=more)
        make.__signature__ = signature
        return make

    return decorate


def standard_files(folder, hashes):
    """`files` of the networks whose weights lie in a folder of the common origin under their default names.

    Args:
        folder: of the origin.
        hashes: name of the model in files -> hashes of its files with and without the classifier.
    """

    def files(model):
        def choose(options):
            suffix = "" if options.include_top else "_notop"
            file = f"{model}_weights_tf_dim_ordering_tf_kernels{suffix}.h5"
            return file, f"{ORIGIN}{folder}/{file}", hashes[model][not options.include_top]

        return choose

    return files


def channel_axis():
    """Axis of the channels of a batch of images: 3 or 1."""
    return 3 if image_data_format() == "channels_last" else 1


def last_channel_axis():
    """The same counted from the end: -1 or 1. Configurations differ in this from network to network."""
    return -1 if image_data_format() == "channels_last" else 1


def correct_padding(x, size):
    """Padding with which a window of `size` that moves by two positions covers an image as TensorFlow's
    `same` does: one less before an axis of even size."""
    first = 1 if image_data_format() == "channels_last" else 2
    height, width = x.shape[first : first + 2]
    half = size // 2
    if height is None:
        return ((half - 1, half), (half - 1, half))
    return ((half - 1 + height % 2, half), (half - 1 + width % 2, half))


# Names of the layers that pool where there is no classifier, in the networks that name them.
POOLS = {"avg": "avg_pool", "max": "max_pool"}


def dense_classifier(x, options, pool="avg_pool", feature_pools=None):
    """The end of most networks: the mean over all positions and one dense layer, or what `pooling` says.

    Args:
        pool: name of the layer that takes the mean.
        feature_pools: names of the layers that pool without the classifier.
    """
    if not options.include_top:
        return global_pooling(x, options, feature_pools)
    return predictions(layers.GlobalAveragePooling2D(name=pool)(x), options)


def predictions(x, options, name="predictions"):
    """The last dense layer."""
    check_activation(options)
    return layers.Dense(options.classes, activation=options.classifier_activation, name=name)(x)


def global_pooling(x, options, names=None):
    """What `pooling` says, by layers of these names."""
    pools = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}
    if options.pooling not in pools:
        return x
    return pools[options.pooling](name=names and names[options.pooling])(x)


def check_activation(options):
    """Raises ValueError if weights for a classifier with another activation are asked for."""
    if options.weights is None:
        return
    if activations.get(options.classifier_activation) not in (activations.softmax, activations.linear):
        raise ValueError(
            "With trained weights and `include_top=True`, `classifier_activation` can only be `None` or "
            f"'softmax'. Received: classifier_activation={options.classifier_activation}"
        )


def _check(options):
    weights = options.weights
    if weights not in (None, "imagenet") and not os.path.exists(weights):
        raise ValueError(
            "The `weights` argument should be `None` (random weights), 'imagenet' (trained on ImageNet), or "
            f"the path of a weights file that exists. Received: weights={weights}"
        )
    if weights == "imagenet" and options.include_top and options.classes != 1000:
        raise ValueError(
            "With `weights='imagenet'` and `include_top=True`, `classes` should be 1000. "
            f"Received: classes={options.classes}"
        )


def _image_input(options):
    if is_keras_tensor(options.input_tensor):
        return options.input_tensor
    return layers.Input(tensor=options.input_tensor, shape=options.image_shape)


def sized(size, min_size=32, always_static=False):
    """`shape` of most networks: what is asked for, once checked, or the default.

    Args:
        size: height and width of the images that the network was made for, or a function of the arguments.
        min_size: smallest height and width that are accepted.
        always_static: whether height and width must be known without the classifier too.

    Returns: a function of the arguments that raises ValueError for a shape that is not of three axes, too
        small, without a size that is needed, or not the one that the weights of ImageNet were trained on.
    """

    def shape(options):
        static = options.include_top or always_static
        return _image_shape(options, size(options) if callable(size) else size, min_size, static)

    return shape


def _image_shape(options, size, min_size, static):
    shape, imagenet = options.input_shape, options.weights == "imagenet"
    last = image_data_format() == "channels_last"

    def of_image(height, width, channels):
        return (height, width, channels) if last else (channels, height, width)

    channels = 3
    if shape and len(shape) == 3 and not imagenet:
        channels = shape[-1] if last else shape[0]
        if channels not in (1, 3):
            warnings.warn(
                "This model usually expects 1 or 3 input channels. However, it was passed an input_shape "
                f"with {channels} input channels.",
                stacklevel=5,
            )
    default = of_image(size, size, channels)
    if imagenet and static:
        if shape is not None and tuple(shape) != default:
            raise ValueError(
                "With `include_top=True` and `weights='imagenet'`, `input_shape` should be "
                f"{default}. Received: input_shape={shape}"
            )
        return default
    if not shape:
        return default if static else of_image(None, None, channels)
    if len(shape) != 3:
        raise ValueError(f"`input_shape` must be a tuple of three integers. Received: input_shape={shape}")
    height, width, channels = shape if last else (*shape[1:], shape[0])
    if imagenet and channels != 3:
        raise ValueError(f"The input must have 3 channels. Received: input_shape={shape}")
    if any(n is not None and n < min_size for n in (height, width)):
        raise ValueError(f"Input size must be at least {min_size}x{min_size}. Received: input_shape={shape}")
    if static and None in shape:
        raise ValueError(
            "If `include_top` is True, you should specify a static `input_shape`. "
            f"Received: input_shape={shape}"
        )
    return shape


def _sources(tensor):
    """The inputs that a symbolic tensor is computed from."""
    pending, seen, sources = [tensor], set(), []
    while pending:
        tensor = pending.pop()
        if id(tensor) not in seen:
            seen.add(id(tensor))
            node = node_of(tensor)
            if node.is_input:
                sources.append(tensor)
            pending.extend(reversed(node.input_tensors))
    return sources
