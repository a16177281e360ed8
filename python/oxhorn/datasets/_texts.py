"""What the two sets of texts, as sequences of word ranks, have in common.

Texts are held as one array of all their words and one of their lengths: loops over words in Python would
take seconds.
"""

import itertools
import json

import numpy as np

from oxhorn.datasets._files import locate


def load_word_index(path, name, file_hash):
    with open(locate(path, name, file_hash), encoding="utf-8") as file:
        return json.load(file)


def shuffled(rng, x, y):
    indices = np.arange(len(x))
    rng.shuffle(indices)
    return x[indices], y[indices]


def join(texts, start_char, index_from):
    """Words and lengths of lists of ranks, `index_from` being added, `start_char` put before each."""
    lengths = np.fromiter(map(len, texts), dtype="int64", count=len(texts))
    words = np.fromiter(itertools.chain.from_iterable(texts), dtype="int64", count=lengths.sum())
    words += index_from or 0
    if start_char is None:
        return words, lengths
    return np.insert(words, np.cumsum(lengths) - lengths, start_char), lengths + 1


def remove_long(maxlen, words, lengths, labels):
    """The texts shorter than `maxlen`, and their labels."""
    kept = lengths < maxlen
    return words[np.repeat(kept, lengths)], lengths[kept], labels[kept]


def limit_words(words, lengths, num_words, skip_top, oov_char):
    """Replaces words outside of `[skip_top, num_words)` by `oov_char`, or drops them if that is None."""
    kept = (words >= skip_top) & (words < (num_words or words.max()))
    if oov_char is not None:
        return np.where(kept, words, oov_char), lengths
    counts = np.concatenate([[0], np.cumsum(kept)])
    ends = np.cumsum(lengths)
    return words[kept], counts[ends] - counts[ends - lengths]


def as_lists(words, lengths):
    """An array of lists of ints."""
    words = words.tolist()
    spans = zip(np.cumsum(lengths).tolist(), lengths.tolist())
    return np.fromiter((words[end - n : end] for end, n in spans), dtype=object, count=len(lengths))
