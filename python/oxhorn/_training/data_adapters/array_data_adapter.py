"""Batches from arrays in memory."""

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
        x, y, sample_weight = (self._convert(part) for part in (x, y, sample_weight))
        if class_weight is not None and y is not None:
            sample_weight = utils.apply_class_weight(y, sample_weight, class_weight)
        if sample_weight is not None and y is not None:
            sample_weight = self._spread(sample_weight, y)
        self.data = utils.pack_x_y_sample_weight(x, y, sample_weight)
        self.targets = y
        self.leaves = [leaf for leaf in tree.flatten(self.data) if leaf is not None]
        sizes = {leaf.shape[0] if len(leaf.shape) else 0 for leaf in self.leaves}
        if not self.leaves:
            raise ValueError("Expected input data to be non-empty.")
        if len(sizes) > 1:
            message = (
                "Data cardinality is ambiguous. Make sure all arrays contain the same number of samples."
            )
            for label, part in (("x", x), ("y", y), ("sample_weight", sample_weight)):
                counts = ", ".join(
                    str(a.shape[0]) for a in tree.flatten(part) if a is not None and len(a.shape)
                )
                if counts:
                    message += f"'{label}' sizes: {counts}\n"
            raise ValueError(message)
        self.samples = sizes.pop()
        if self.samples == 0:
            raise ValueError("Expected input data to be non-empty.")
        if not batch_size:
            batch_size = -(-self.samples // steps) if steps else 32
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"Expected `batch_size` to be a positive integer, received: {batch_size}")
        self._batch_size = int(batch_size)
        self._shuffle = shuffle

    @staticmethod
    def can_handle(x, y=None):
        """Whether every leaf is array-like."""
        leaves = tree.flatten(x) + (tree.flatten(y) if y is not None else [])
        leaves = [leaf for leaf in leaves if leaf is not None]
        if leaves and all(isinstance(leaf, (int, float)) for leaf in leaves) and isinstance(x, (list, tuple)):
            return True
        return bool(leaves) and all(utils.is_array_like(leaf) for leaf in leaves)

    @staticmethod
    def _convert(part):
        leaves = tree.flatten(part)
        if isinstance(part, (list, tuple)) and leaves and all(isinstance(v, (int, float)) for v in leaves):
            return utils.to_array(part)  # a plain list of numbers is one array
        if not all(
            leaf is None or isinstance(leaf, (int, float)) or utils.is_array_like(leaf) for leaf in leaves
        ):
            raise ValueError(
                f"Expected all elements of `x` to be array-like. Received invalid types: x={part}"
            )
        return tree.map_structure(lambda leaf: None if leaf is None else utils.to_array(leaf), part)

    @staticmethod
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
        return _core.EpochLoop(self.leaves, self._batch_size, self.epoch_order())

    def pack(self, leaves):
        """Arrays or tensors for the leaves, in the structure of the data."""
        leaves = iter(leaves)
        return tree.map_structure(lambda leaf: None if leaf is None else next(leaves), self.data)

    def get_numpy_iterator(self):
        loop = self.epoch_loop()
        while loop.remaining:
            batch = loop.gather(min(self._batch_size, loop.remaining))
            yield self.pack([tensor.numpy() for tensor in batch])
