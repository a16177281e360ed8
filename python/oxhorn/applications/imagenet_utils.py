"""What goes into networks trained on ImageNet, and what their outputs mean."""

import functools
import json

import numpy as np

from oxhorn import ops
from oxhorn._base.settings import floatx, standardize_data_format
from oxhorn.utils.file_utils import get_file

_CLASS_INDEX = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
_CLASS_INDEX_HASH = "c2c37ea517e94d9795004a39431a14cb"

# Per mode: what the values are divided by, then what is subtracted from each channel, then what each is
# divided by: means and standard deviations of ImageNet's images. The channels of "caffe" are BGR.
_MODES = {
    "tf": (127.5, 1.0, None),
    "torch": (255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": (None, (103.939, 116.779, 123.68), None),
}


def preprocess_input(x, data_format=None, mode="caffe"):
    """Images as a network expects them.

    Args:
        x: array or tensor, symbolic ones included: an image or a batch of them in RGB, values from 0 to 255.
            A NumPy array of floats is overwritten.
        data_format: `"channels_last"` or `"channels_first"`; None for the global setting.
        mode: `"tf"` for values from -1 to 1; `"torch"` for values from 0 to 1 less ImageNet's mean and over
            its standard deviation, channel by channel; `"caffe"` for BGR less ImageNet's mean.

    Returns: the same kind of array or tensor; `floatx` if `x` is a NumPy array of integers.

    Raises:
        ValueError: another mode or data format.
    """
    if mode not in _MODES:
        raise ValueError(f"Expected mode to be one of `caffe`, `tf` or `torch`. Received: mode={mode}")
    first = standardize_data_format(data_format) == "channels_first"
    if isinstance(x, np.ndarray) and not np.issubdtype(x.dtype, np.floating):
        x = x.astype(floatx(), copy=False)
    if mode == "caffe":
        axis = len(x.shape) - 3 if first else -1
        x = np.flip(x, axis) if isinstance(x, np.ndarray) else ops.flip(x, axis)

    def per_channel(values):
        values = np.asarray(values, getattr(x, "dtype", None) if isinstance(x, np.ndarray) else "float32")
        return values.reshape(3, 1, 1) if first and values.ndim else values

    divisor, mean, deviation = _MODES[mode]
    if divisor is not None:
        x /= divisor
    x -= per_channel(mean)
    if deviation is not None:
        x /= per_channel(deviation)
    return x


def decode_predictions(preds, top=5):
    """The classes of ImageNet that a network finds most likely.

    Args:
        preds: array or tensor `(samples, 1000)` of probabilities.
        top: how many classes of each sample.

    Returns: for each sample a list of `(WordNet id, name, probability)`, the most likely first.

    Raises:
        ValueError: another shape.
        OSError: the file with the classes' names, `imagenet_class_index.json`, is not in the cache,
            `~/.keras/models`, and cannot be downloaded.
    """
    if len(preds.shape) != 2 or preds.shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape (samples, 1000)). "
            f"Received array with shape: {tuple(preds.shape)}"
        )
    classes = _classes()
    results = []
    for row in ops.convert_to_numpy(preds):
        best = np.argsort(-row, kind="stable")[:top]
        results.append([(*classes[i], row[i]) for i in best])
    return results


@functools.cache
def _classes():
    """(WordNet id, name) of every class."""
    path = get_file(
        "imagenet_class_index.json", _CLASS_INDEX, cache_subdir="models", file_hash=_CLASS_INDEX_HASH
    )
    with open(path, encoding="utf-8") as file:
        index = json.load(file)
    return [tuple(index[str(i)]) for i in range(1000)]


def preprocessing(mode):
    """`preprocess_input` of a network that expects a mode; None if the network does it itself."""

    def preprocess_input(x, data_format=None):
        return x if mode is None else _preprocess(x, data_format, mode)

    what = {
        None: "Returns `x` as it is: the network has layers for it.",
        "tf": "Images with values from 0 to 255 as ones with values from -1 to 1.",
        "torch": "Images with values from 0 to 255 as ones from 0 to 1, normalised as ImageNet's are.",
        "caffe": "Images in RGB as ones in BGR, less ImageNet's mean.",
    }
    preprocess_input.__doc__ = f"{what[mode]} See `oxhorn.applications.imagenet_utils.preprocess_input`."
    return preprocess_input


_preprocess = preprocess_input
