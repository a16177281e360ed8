"""What the two sets of texts, as sequences of word ranks, have in common."""

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


def mark_and_shift(sequences, start_char, index_from):
    """Sequences with `start_char` before them and `index_from` added to their ranks."""
    start = [] if start_char is None else [start_char]
    shift = index_from or 0
    return [start + [rank + shift for rank in sequence] for sequence in sequences]


def remove_long(maxlen, sequences, labels):
    """The sequences shorter than `maxlen`, and their labels."""
    kept = [i for i, sequence in enumerate(sequences) if len(sequence) < maxlen]
    return [sequences[i] for i in kept], np.asarray(labels)[kept]


def limit_words(sequences, num_words, skip_top, oov_char):
    """Replaces ranks outside of `[skip_top, num_words)` by `oov_char`, or drops them if that is None."""
    if not num_words:
        num_words = max(max(sequence) for sequence in sequences)
    if oov_char is None:
        return [[rank for rank in sequence if skip_top <= rank < num_words] for sequence in sequences]
    return [
        [rank if skip_top <= rank < num_words else oov_char for rank in sequence] for sequence in sequences
    ]


def as_array(sequences):
    """An array of lists."""
    return np.fromiter(sequences, dtype=object, count=len(sequences))
