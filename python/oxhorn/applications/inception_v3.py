"""InceptionV3 (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015)."""

from oxhorn import layers
from oxhorn.applications._application import application, dense_classifier, sized, standard_files
from oxhorn.applications._inception import chain, convolution, join, mean_branch, stem
from oxhorn.applications.imagenet_utils import decode_predictions, preprocessing

preprocess_input = preprocessing("tf")
__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

_HASHES = ("9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63")


@application(
    "inception_v3",
    sized(299, min_size=75),
    standard_files("inception_v3", {"inception_v3": _HASHES})("inception_v3"),
)
def InceptionV3(x, options):
    """InceptionV3: branches of convolutions of several sizes side by side."""
    x = stem(x)
    for i, channels in enumerate((32, 64, 64)):
        x = _small_windows(x, channels, f"mixed{i}")
    x = join(
        [
            convolution(x, 384, 3, 2, "valid"),
            chain(x, (64, 1), (96, 3), (96, 3, 2, "valid")),
            layers.MaxPooling2D(3, strides=2)(x),
        ],
        "mixed3",
    )
    for i, channels in enumerate((128, 160, 160, 192), start=4):
        x = _long_windows(x, channels, f"mixed{i}")
    x = join(
        [
            chain(x, (192, 1), (320, 3, 2, "valid")),
            chain(x, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2, "valid")),
            layers.MaxPooling2D(3, strides=2)(x),
        ],
        "mixed8",
    )
    for i in range(2):
        x = _split_windows(x, f"mixed9_{i}", f"mixed{9 + i}")
    return dense_classifier(x, options)


def _small_windows(x, channels, name):
    branches = [
        convolution(x, 64, 1),
        chain(x, (48, 1), (64, 5)),
        chain(x, (64, 1), (96, 3), (96, 3)),
        mean_branch(x, channels),
    ]
    return join(branches, name)


def _long_windows(x, channels, name):
    """Windows of 7x7 as ones of 7x1 and 1x7."""
    row, column = (channels, (1, 7)), (channels, (7, 1))
    branches = [
        convolution(x, 192, 1),
        chain(x, (channels, 1), row, (192, (7, 1))),
        chain(x, (channels, 1), column, row, column, (192, (1, 7))),
        mean_branch(x, 192),
    ]
    return join(branches, name)


def _split_windows(x, inner_name, name):
    """Windows of 1x3 and 3x1 side by side."""

    def split(x, name=None):
        return join([convolution(x, 384, (1, 3)), convolution(x, 384, (3, 1))], name)

    branches = [
        convolution(x, 320, 1),
        split(convolution(x, 384, 1), inner_name),
        split(chain(x, (448, 1), (384, 3))),
        mean_branch(x, 192),
    ]
    return join(branches, name)
