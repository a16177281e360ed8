"""What the two sets of house prices have in common."""

import numpy as np


def shuffle_and_split(x, y, test_split, seed):
    """`(x_train, y_train), (x_test, y_test)`, `test_split` of the shuffled samples being the last."""
    indices = np.arange(len(x))
    np.random.RandomState(seed).shuffle(indices)
    x, y = x[indices], y[indices]
    train = int(len(x) * (1 - test_split))
    return (x[:train], y[:train]), (x[train:], y[train:])


def check_test_split(test_split):
    if not 0 <= test_split < 1:
        raise ValueError(
            f"Invalid `test_split` argument: {test_split}. It must be between 0 and 1 (exclusive of 1)."
        )
