"""Batches from arrays in memory."""

import functools

import numpy as np

from oxhorn import _core, tree
from oxhorn._training.data_adapters import utils
from oxhorn._training.data_adapters.data_adapter import DataAdapter


class ArrayDataAdapter(DataAdapter):
    """Batches gathered from arrays, tensors, data frames, or structures of them.

    Args:
        x: structure of inputs.
        y: structure of targets, or None.
        sample_weight: weights, or None.
        batch_size: samples per batch; 32 by default.
        steps: number of batches to cut the data into, in place of `batch_size`.
        shuffle: whether each pass takes the samples in a new random order (NumPy's global generator);
            "batch" shuffles whole batches.
        class_weight: dict from class to weight, for integer or one-hot targets.
    """

    def __init__(
        self, x, y=None, sample_weight=None, batch_size=None, steps=None, shuffle=False, class_weight=None
    ):
        x = _to_arrays(x)
        y = None if y is None else _to_arrays(y)
        sample_weight = None if sample_weight is None else _to_arrays(sample_weight)
        if class_weight is not None and y is not None:
            sample_weight = utils.apply_class_weight(y, sample_weight, class_weight)
        if sample_weight is not None and y is not None:
            sample_weight = _spread(sample_weight, y)
        self.data = utils.pack_x_y_sample_weight(x, y, sample_weight)
        self.targets = y
        self.leaves = [leaf for leaf in tree.flatten(self.data) if leaf is not None]
        self.samples = _count_samples(self.leaves, self.data)
        if not batch_size:
            batch_size = -(-self.samples // steps) if steps else 32
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"Expected `batch_size` to be a positive integer, received: {batch_size}")
        self._batch_size = int(batch_size)
        self._shuffle = shuffle

    @functools.cached_property
    def _tensors(self):
        """The leaves as tensors, which lend the arrays' memory."""
        return [_core.lend(leaf) for leaf in self.leaves]

    @staticmethod
    def can_handle(x, y=None):
        """Whether every leaf is array-like."""
        if utils.is_array_like(x) and (y is None or utils.is_array_like(y)):
            return True
        leaves = [leaf for leaf in tree.flatten((x, y)) if leaf is not None]
        if _are_numbers(leaves) and isinstance(x, (list, tuple)):
            return True
        return bool(leaves) and all(utils.is_array_like(leaf) for leaf in leaves)

    @property
    def num_batches(self):
        return -(-self.samples // self._batch_size)

    @property
    def batch_size(self):
        return self._batch_size

    @property
    def has_partial_batch(self):
        return self.partial_batch_size > 0

    @property
    def partial_batch_size(self):
        return self.samples % self._batch_size

    @property
    def is_one_batch(self):
        """Whether a pass is the data as they lie, in one batch."""
        return self.samples <= self._batch_size and not self._shuffle

    def epoch_order(self):
        """Sample indices of the next pass, or None for the order in which they lie."""
        if not self._shuffle:
            return None
        if self._shuffle != "batch":
            return np.random.permutation(self.samples)
        full = self.samples - self.partial_batch_size
        blocks = np.arange(full).reshape(-1, self._batch_size)
        np.random.shuffle(blocks)
        return np.concatenate([blocks.ravel(), np.arange(full, self.samples)])

    def epoch_loop(self):
        """The next pass as a loop that runs compiled steps without returning to Python."""
        return _core.EpochLoop(self._tensors, self._batch_size, self.epoch_order())

    def pack(self, leaves):
        """Arrays or tensors for the leaves, in the structure of the data."""
        leaves = iter(leaves)
        return tree.map_structure(lambda leaf: None if leaf is None else next(leaves), self.data)

    def batch_like(self, size):
        """What stands for a batch of `size` samples where only shapes and dtypes matter."""
        return self.pack([_ArrayLike((size, *t.shape[1:]), t.dtype) for t in self._tensors])

    def get_numpy_iterator(self):
        loop = self.epoch_loop()
        while loop.remaining:
            batch = loop.gather(min(self._batch_size, loop.remaining))
            yield self.pack([tensor.numpy() for tensor in batch])


class _ArrayLike:
    """Shape and dtype (a name) of an array."""

    def __init__(self, shape, dtype):
        self.shape = shape
        self.dtype = dtype


def _are_numbers(leaves):
    return bool(leaves) and all(isinstance(leaf, (int, float)) for leaf in leaves)


def _to_arrays(part):
    """x, y or sample_weight with arrays or tensors as leaves."""
    if isinstance(part, np.ndarray):
        return utils.to_array(part)
    if isinstance(part, (list, tuple)) and _are_numbers(tree.flatten(part)):
        return utils.to_array(part)  # a plain list of numbers is one array

    def convert(leaf):
        if leaf is None:
            return None
        if not utils.is_array_like(leaf) and not isinstance(leaf, (int, float)):
            raise ValueError(
                f"Expected all elements of `x` to be array-like. Received invalid types: x={part}"
            )
        return utils.to_array(leaf)

    return tree.map_structure(convert, part)


def _spread(sample_weight, y):
    """One weight array serves all outputs."""
    flat = tree.flatten(sample_weight)
    if tree.is_nested(y) and len(flat) == 1 and len(tree.flatten(y)) > 1:
        return tree.map_structure(lambda _: flat[0], y)
    if tree.is_nested(y) and len(flat) != len(tree.flatten(y)):
        raise ValueError(
            "You should provide one `sample_weight` array per output in `y`. "
            f"Received {len(flat)} arrays for {len(tree.flatten(y))} outputs."
        )
    return sample_weight


def _count_samples(leaves, data):
    """The size of the first axis, which all leaves share and which is not 0."""
    sizes = {leaf.shape[0] if leaf.shape else 0 for leaf in leaves}
    if len(sizes) > 1:
        message = "Data cardinality is ambiguous. Make sure all arrays contain the same number of samples."
        for label, part in zip(("x", "y", "sample_weight"), data):
            counts = [str(a.shape[0]) for a in tree.flatten(part) if a is not None and a.shape]
            if counts:
                message += f"'{label}' sizes: {', '.join(counts)}\n"
        raise ValueError(message)
    if not sizes or sizes == {0}:
        raise ValueError("Expected input data to be non-empty.")
    return sizes.pop()
