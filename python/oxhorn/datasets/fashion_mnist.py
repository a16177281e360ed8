"""Pictures of clothes in ten classes: 60,000 for training and 10,000 for testing."""

import gzip
import os

import numpy as np

from oxhorn.datasets._files import locate


def load_data():
    """The images and their classes.

    T-shirt or top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.

    Returns: `(x_train, y_train), (x_test, y_test)`: uint8 arrays `(n, 28, 28)` and `(n,)`.
    """
    return tuple(
        (_read(part, "images-idx3", 16, (28, 28)), _read(part, "labels-idx1", 8))
        for part in ("train", "t10k")
    )


def _read(part, kind, header_bytes, item_shape=()):
    name = f"{part}-{kind}-ubyte.gz"
    with gzip.open(locate(name, name, cache_subdir=os.path.join("datasets", "fashion-mnist"))) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header_bytes).reshape(-1, *item_shape)
