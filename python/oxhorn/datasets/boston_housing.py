"""House prices in suburbs of Boston, 1970s. Its columns contain a racist one: prefer `california_housing`."""

from oxhorn.datasets._files import load_arrays, locate
from oxhorn.datasets._tabular import check_test_split, shuffle_and_split

_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path="boston_housing.npz", test_split=0.2, seed=113):
    """13 attributes of 506 places and their median prices in thousands of dollars.

    Args:
        path: name of the file in the cache; or absolute path to a file of one's own, of any hash.
        test_split: share of the samples for testing, in [0, 1).
        seed: seed of the shuffle before the split.

    Returns: `(x_train, y_train), (x_test, y_test)`: float64 arrays `(n, 13)` and `(n,)`.
    """
    check_test_split(test_split)
    arrays = load_arrays(locate(path, "boston_housing.npz", _HASH))
    return shuffle_and_split(arrays["x"], arrays["y"], test_split, seed)
