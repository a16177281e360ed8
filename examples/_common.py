"""What the examples share: a command line, the data, and a folder for pictures."""

import argparse
import inspect
import pathlib
import sys

import numpy as np

OUTPUT = pathlib.Path(__file__).resolve().parent / "output"

_HELP = {
    "epochs": "passes over the training data",
    "samples": "number of samples to train on",
    "steps": "number of training steps",
    "data": "folder that holds the data files; without it Keras's cache is used (KERAS_HOME, or ~/.keras)",
    "maxlen": "words kept of each text",
    "characters": "characters of the text to train on",
    "sample_length": "characters to write",
}


def run(main):
    """Calls `main` with its parameters taken from the command line: `--epochs 3` for `epochs=3`."""
    parser = argparse.ArgumentParser(
        description=inspect.getdoc(inspect.getmodule(main)),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for name, parameter in inspect.signature(main).parameters.items():
        option = f"--{name.replace('_', '-')}"
        default = parameter.default
        parser.add_argument(option, type=type(default), default=default, help=_HELP[name])
    arguments = vars(parser.parse_args())
    try:
        main(**arguments)
    except OSError as error:
        if "data" not in arguments:
            raise
        sys.exit(f"{error}\nName the folder that holds the file with --data DIR.")


def data_file(name, folder, origin=None):
    """What a loader takes as its `path`: a file of `folder` or, if that is empty, of Keras's cache.

    A file that no loader of Keras knows is fetched from `origin` into the cache.
    """
    if folder:
        path = pathlib.Path(folder).expanduser().resolve() / name
        if not path.is_file():
            raise FileNotFoundError(f"There is no {name} in {path.parent}.")
        return str(path)
    if origin is None:
        return name
    from oxhorn.utils import get_file

    return get_file(name, origin=origin)


def digits():
    """scikit-learn's handwritten digits as `(x_train, y_train), (x_test, y_test)`: images (n, 8, 8, 1) of
    values from 0 to 1, a quarter of them for testing."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        sys.exit("This example needs scikit-learn for its data: pip install 'oxhorn[examples]'")
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=0.25, stratify=labels, random_state=0
    )
    return (x_train, y_train), (x_test, y_test)


def mnist_images(folder, samples):
    """MNIST as `(x_train, y_train), (x_test, y_test)`: images (n, 28, 28, 1) of values from 0 to 1."""
    from oxhorn.datasets import mnist

    (x_train, y_train), (x_test, y_test) = mnist.load_data(path=data_file("mnist.npz", folder))
    x_train, x_test = (x[..., np.newaxis].astype("float32") / 255 for x in (x_train[:samples], x_test))
    return (x_train, y_train[:samples]), (x_test, y_test)


def imdb_sequences(folder, samples, maxlen, words):
    """IMDB reviews as `(x_train, y_train), (x_test, y_test)`: the last `maxlen` word ranks of each, padded
    with zeros in front. Of the test reviews as many are taken as for training."""
    from oxhorn.datasets import imdb
    from oxhorn.utils import pad_sequences

    parts = imdb.load_data(path=data_file("imdb.npz", folder), num_words=words)
    return tuple((pad_sequences(x[:samples], maxlen), y[:samples]) for x, y in parts)


def choose(probabilities, temperature, rng):
    """Draws an index after sharpening (temperature < 1) or flattening (> 1) the distribution."""
    logits = np.log(np.maximum(np.asarray(probabilities, "float64"), 1e-12)) / temperature
    weights = np.exp(logits - logits.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def save_grid(images, path, columns):
    """Writes images (n, height, width) as one picture, if matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print("No picture written: matplotlib is not installed.")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [np.concatenate(images[i : i + columns], axis=1) for i in range(0, len(images), columns)]
    path.parent.mkdir(exist_ok=True)
    pyplot.imsave(path, np.concatenate(rows), cmap="gray", vmin=0, vmax=1)
    print(f"Wrote {path}")
