"""Handwritten digits: 60,000 for training and 10,000 for testing."""

from oxhorn.datasets._files import load_arrays, locate

_HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path="mnist.npz"):
    """The images and their digits.

    Args:
        path: name of the file in the cache; or absolute path to a file of one's own, of any hash.

    Returns: `(x_train, y_train), (x_test, y_test)`: uint8 arrays `(n, 28, 28)` and `(n,)`.
    """
    arrays = load_arrays(locate(path, "mnist.npz", _HASH))
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
