"""11,228 newswires on 46 topics, as word ranks."""

import numpy as np

from oxhorn.datasets import _texts
from oxhorn.datasets._files import load_arrays, locate

_HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
_LABELS = """
    cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship
    cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin
    strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr
    gas silver wpi hog lead
"""
_INDEX_HASH = "4d44cc38712099c9e383dc6e5f11a921"


def load_data(
    path="reuters.npz",
    num_words=None,
    skip_top=0,
    maxlen=None,
    test_split=0.2,
    seed=113,
    start_char=1,
    oov_char=2,
    index_from=3,
):
    """The newswires and their topics.

    Args:
        path: name of the file in the cache; or absolute path to a file of one's own, of any hash.
        num_words: only words of rank below `num_words` are kept; None for all but the rarest.
        skip_top: nor are words of rank below `skip_top`.
        maxlen: newswires of this length or more are left out.
        test_split: share of the newswires for testing.
        seed: seed of the shuffle before the split.
        start_char: what each newswire starts with; None for nothing.
        oov_char: what stands for words that are not kept; None: they are left out.
        index_from: added to the ranks, which start at 1.

    Returns: `(x_train, y_train), (x_test, y_test)`: arrays of lists of ints, and of ints from 0 to 45.
    """
    arrays = load_arrays(locate(path, "reuters.npz", _HASH))
    x, y = _texts.shuffled(np.random.RandomState(seed), arrays["x"], arrays["y"])
    words, lengths = _texts.join(x, start_char, index_from)
    if maxlen:
        words, lengths, y = _texts.remove_long(maxlen, words, lengths, y)
    x = _texts.as_lists(*_texts.limit_words(words, lengths, num_words, skip_top, oov_char))
    train = int(len(x) * (1 - test_split))
    return (x[:train], y[:train]), (x[train:], y[train:])


def get_word_index(path="reuters_word_index.json"):
    """The ranks of words as a dict: 1 for the most frequent one; `load_data` adds 3 by default."""
    return _texts.load_word_index(path, "reuters_word_index.json", _INDEX_HASH)


def get_label_names():
    """The names of the topics, in the order of their numbers."""
    return tuple(_LABELS.split())
