"""Batches from Python generators and other iterables."""

import itertools

import numpy as np

from oxhorn import tree
from oxhorn._training.data_adapters import utils
from oxhorn._training.data_adapters.data_adapter import DataAdapter


def standardize_batch(batch, class_weight=None):
    """A batch as a tuple of structures of arrays.

    Raises:
        ValueError: if it is not `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
    """
    if isinstance(batch, (list, tuple)):
        if not 1 <= len(batch) <= 3:
            raise ValueError(
                "Data source must yield batches of the form `(input,)`, `(input, target)` or "
                f"`(input, target, sample_weight)`, found a {type(batch).__name__} of {len(batch)} elements."
            )
        batch = tuple(batch)
    else:
        batch = (batch,)
    x, y, sample_weight = utils.unpack_x_y_sample_weight(batch)
    if class_weight is not None and y is not None:
        sample_weight = utils.apply_class_weight(y, sample_weight, class_weight)
    batch = utils.as_batch(*(utils.list_to_tuple(part) for part in (x, y, sample_weight)))
    return tree.map_structure(lambda leaf: None if leaf is None else utils.to_array(leaf), batch)


class _Streamed(DataAdapter):
    """What is not known of a stream before it has ended."""

    @property
    def num_batches(self):
        return None

    @property
    def batch_size(self):
        return None

    @property
    def has_partial_batch(self):
        return None

    @property
    def partial_batch_size(self):
        return None


class GeneratorDataAdapter(_Streamed):
    """Batches from a generator, each once: a second pass goes on where the first stopped."""

    def __init__(self, generator, class_weight=None):
        try:
            first = next(generator)
        except StopIteration:
            raise ValueError(
                "Expected input data to be non-empty: the generator must yield at least one batch."
            ) from None
        self._generator = itertools.chain([first], generator)
        self._class_weight = class_weight

    def get_numpy_iterator(self):
        for batch in self._generator:
            yield standardize_batch(batch, self._class_weight)


class IterableDataAdapter(_Streamed):
    """Batches from an object that can be iterated over and over (`tf.data.Dataset`, torch `DataLoader`)."""

    def __init__(self, iterable, class_weight=None):
        self._iterable = iterable
        self._class_weight = class_weight

    def get_numpy_iterator(self):
        for batch in self._iterable:
            yield standardize_batch(batch, self._class_weight)

    @property
    def num_batches(self):
        for name in ("cardinality", "__len__"):
            method = getattr(self._iterable, name, None)
            if method is not None:
                try:
                    count = int(np.asarray(method()))
                except TypeError:
                    continue
                return count if count >= 0 else None
        return None
