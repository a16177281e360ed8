"""`PyDataset`: batches made by user code, in order, optionally by several workers."""

import collections
import itertools
import math
import warnings

from oxhorn._training.data_adapters.data_adapter import DataAdapter
from oxhorn._training.data_adapters.generator_data_adapter import standardize_batch


class PyDataset:
    """Base class of data sets that make batch `i` on demand.

    Subclasses implement `__getitem__(index)`, which returns `(x,)`, `(x, y)` or `(x, y, sample_weight)`,
    and `num_batches` (None: without end), and may implement `on_epoch_begin` and `on_epoch_end`.

    Args:
        workers: number of workers that make batches ahead of time.
        use_multiprocessing: whether the workers are processes; then data set and batches must be picklable.
        max_queue_size: batches made ahead of time at most.
    """

    def __init__(self, workers=1, use_multiprocessing=False, max_queue_size=10):
        self._workers = workers
        self._use_multiprocessing = use_multiprocessing
        self._max_queue_size = max_queue_size

    def _option(self, name, default):
        if not hasattr(self, name):
            warnings.warn(
                "Your `PyDataset` class should call `super().__init__(**kwargs)` in its "
                "constructor. `**kwargs` "
                "can include `workers`, `use_multiprocessing`, `max_queue_size`. Do not pass "
                "these arguments to "
                "`fit()`, as they will be ignored.",
                stacklevel=3,
            )
            setattr(self, name, default)
        return getattr(self, name)

    @property
    def workers(self):
        return self._option("_workers", 1)

    @workers.setter
    def workers(self, value):
        self._workers = value

    @property
    def use_multiprocessing(self):
        return self._option("_use_multiprocessing", False)

    @use_multiprocessing.setter
    def use_multiprocessing(self, value):
        self._use_multiprocessing = value

    @property
    def max_queue_size(self):
        return self._option("_max_queue_size", 10)

    @max_queue_size.setter
    def max_queue_size(self, value):
        self._max_queue_size = value

    def __getitem__(self, index):
        raise NotImplementedError

    @property
    def num_batches(self):
        """Number of batches, or None. Without this property, the length if there is one."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(f"{type(self).__name__} must implement the `num_batches` property.")

    def __iter__(self):
        try:
            count = self.num_batches
        except NotImplementedError:
            count = None
        for index in itertools.count() if count is None else range(count):
            yield self[index]

    def on_epoch_begin(self):
        """Called before each epoch."""

    def on_epoch_end(self):
        """Called after each epoch."""


_worker_dataset = None


def _start_worker(dataset):
    global _worker_dataset
    _worker_dataset = dataset


def _make_batch(index):
    return _worker_dataset[index]


class PyDatasetAdapter(DataAdapter):
    """Batches of a `PyDataset`, made ahead of time by its workers and delivered in order."""

    def __init__(self, x, class_weight=None, shuffle=False):
        self.py_dataset = x
        self.class_weight = class_weight
        self.shuffle = shuffle

    def _indices(self):
        count = self.num_batches
        if count is None:
            return itertools.count()
        indices = list(range(count))
        if self.shuffle:
            import random

            random.shuffle(indices)
        return iter(indices)

    def get_numpy_iterator(self):
        for batch in self._batches():
            yield standardize_batch(batch, self.class_weight)

    def _batches(self):
        dataset = self.py_dataset
        workers = dataset.workers
        if not dataset.use_multiprocessing and workers <= 1:
            for index in self._indices():
                yield dataset[index]
            return
        import concurrent.futures
        import multiprocessing

        if dataset.use_multiprocessing:
            executor = concurrent.futures.ProcessPoolExecutor(
                max(1, workers), multiprocessing.get_context("spawn"), _start_worker, (dataset,)
            )
            make = _make_batch
        else:
            executor = concurrent.futures.ThreadPoolExecutor(workers)
            make = dataset.__getitem__
        pending = collections.deque()
        indices = self._indices()
        try:
            while True:
                while len(pending) < max(1, dataset.max_queue_size):
                    index = next(indices, None)
                    if index is None:
                        break
                    pending.append(executor.submit(make, index))
                if not pending:
                    return
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    @property
    def num_batches(self):
        count = self.py_dataset.num_batches
        return None if count is None or (isinstance(count, float) and math.isinf(count)) else int(count)

    @property
    def batch_size(self):
        return None

    @property
    def has_partial_batch(self):
        return None

    @property
    def partial_batch_size(self):
        return None

    def on_epoch_begin(self):
        self.py_dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.py_dataset.on_epoch_end()


# The name of Keras 2.
Sequence = PyDataset
