"""Film reviews, 25,000 for training and 25,000 for testing, as word ranks, with their sentiment."""

import warnings

import numpy as np

from oxhorn.datasets import _texts
from oxhorn.datasets._files import load_arrays, locate

_HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_INDEX_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path="imdb.npz",
    num_words=None,
    skip_top=0,
    maxlen=None,
    seed=113,
    start_char=1,
    oov_char=2,
    index_from=3,
    **kwargs,
):
    """The reviews and whether they are positive.

    Args:
        path: name of the file in the cache; or absolute path to a file of one's own, of any hash.
        num_words: only words of rank below `num_words` are kept; None for all but the rarest.
        skip_top: nor are words of rank below `skip_top`.
        maxlen: reviews of this length or more are left out.
        seed: seed of the shuffle.
        start_char: what each review starts with; None for nothing.
        oov_char: what stands for words that are not kept; None: they are left out.
        index_from: added to the ranks, which start at 1.
        kwargs: `nb_words`, the name of `num_words` in Keras 1.

    Returns: `(x_train, y_train), (x_test, y_test)`: arrays of lists of ints, and of 0 and 1.

    Raises ValueError if `maxlen` leaves no review.
    """
    if "nb_words" in kwargs:
        warnings.warn("The `nb_words` argument has been renamed `num_words`.", stacklevel=2)
        num_words = kwargs.pop("nb_words")
    if kwargs:
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}.")
    arrays = load_arrays(locate(path, "imdb.npz", _HASH))
    rng = np.random.RandomState(seed)
    parts = []
    for part in ("train", "test"):
        x, y = _texts.shuffled(rng, arrays[f"x_{part}"], arrays[f"y_{part}"])
        words, lengths = _texts.join(x, start_char, index_from)
        if maxlen:
            words, lengths, y = _texts.remove_long(maxlen, words, lengths, y)
            if not len(y):
                raise ValueError(
                    f"After filtering for sequences shorter than maxlen={maxlen}, no sequence was kept. "
                    "Increase maxlen."
                )
        parts.append((words, lengths, y))
    words, lengths = (np.concatenate(arrays) for arrays in list(zip(*parts))[:2])
    x = _texts.as_lists(*_texts.limit_words(words, lengths, num_words, skip_top, oov_char))
    y_train, y_test = parts[0][2], parts[1][2]
    return (x[: len(y_train)], y_train), (x[len(y_train) :], y_test)


def get_word_index(path="imdb_word_index.json"):
    """The ranks of words as a dict: 1 for the most frequent one.

    `load_data` adds 3 to them by default: 0 is for padding, 1 the start and 2 an unknown word.
    """
    return _texts.load_word_index(path, "imdb_word_index.json", _INDEX_HASH)
