"""House prices in blocks of California, 1990 census."""

from oxhorn.datasets._files import load_arrays, locate
from oxhorn.datasets._tabular import check_test_split, shuffle_and_split

_HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
_SMALL = 600


def load_data(version="large", path="california_housing.npz", test_split=0.2, seed=113):
    """Attributes of blocks and their median prices in dollars.

    The columns are longitude, latitude, median age of houses, rooms, bedrooms, population, households and
    median income.

    Args:
        version: `"large"`, 20,640 blocks, or `"small"`, 600 of them, around San Francisco.
        path: name of the file in the cache; or absolute path to a file of one's own, of any hash.
        test_split: share of the samples for testing, in [0, 1).
        seed: seed of the shuffle before the split.

    Returns: `(x_train, y_train), (x_test, y_test)`: float32 arrays `(n, 8)` and `(n,)`.
    """
    check_test_split(test_split)
    if version not in ("small", "large"):
        raise ValueError(f"Argument `version` must be one of 'small', 'large'. Received: version={version}")
    arrays = load_arrays(locate(path, "california_housing.npz", _HASH))
    count = _SMALL if version == "small" else None
    return shuffle_and_split(arrays["x"][:count], arrays["y"][:count], test_split, seed)
