"""`Dataset`: a stream of elements that can be gone through again and again.

What the `*_dataset_from_*` functions return. Its methods have the names, and its elements the meaning, of
those of `tf.data.Dataset`; elements are NumPy arrays in tuples, lists or dicts. `fit()` takes one whose
elements are batches.
"""

import collections
import concurrent.futures
import itertools
import queue
import random
import threading

import numpy as np

from oxhorn import tree

INFINITE = -1
UNKNOWN = -2
AUTOTUNE = -1
_WORKERS = 8


class Dataset:
    """A stream of elements.

    Args:
        start: function without arguments that returns an iterator over the elements.
        cardinality: number of elements, `INFINITE` or `UNKNOWN`.
    """

    def __init__(self, start, cardinality=UNKNOWN):
        self._start = start
        self._cardinality = cardinality

    @staticmethod
    def from_tensor_slices(arrays):
        """The entries along the first axis of arrays, in the dict or tuple that these are in. Lists are
        arrays.

        Raises:
            ValueError: there is no array, or the axes differ in length.
        """
        arrays = _to_arrays(arrays)
        lengths = {leaf.shape[:1] for leaf in tree.flatten(arrays)}
        if len(lengths) != 1 or () in lengths:
            raise ValueError(f"Expected arrays of one length. Received lengths: {sorted(lengths)}")
        ((length,),) = lengths
        return Dataset(
            lambda: (tree.map_structure(lambda leaf, i=i: leaf[i], arrays) for i in range(length)), length
        )

    def __iter__(self):
        return self._start()

    def __len__(self):
        if self._cardinality < 0:
            raise TypeError("The length of the dataset is not known, or infinite.")
        return self._cardinality

    # An empty dataset is still a dataset.
    def __bool__(self):
        return True

    def cardinality(self):
        """Number of elements, `INFINITE` or `UNKNOWN`."""
        return self._cardinality

    def as_numpy_iterator(self):
        """The same as `iter()`."""
        return iter(self)

    def _derived(self, start, cardinality):
        return _derive(self, Dataset(start, cardinality))

    def map(self, map_func, num_parallel_calls=None, deterministic=None):
        """`map_func` of each element; a tuple is handed over as several arguments.

        Args:
            map_func: function of arrays.
            num_parallel_calls: number of threads that call it ahead of time; `AUTOTUNE`: some.
            deterministic: not used, results come in order.
        """

        def apply(element):
            return map_func(*element) if isinstance(element, tuple) else map_func(element)

        if num_parallel_calls is None:
            return self._derived(lambda: map(apply, self), self._cardinality)
        workers = _WORKERS if num_parallel_calls == AUTOTUNE else num_parallel_calls
        return self._derived(lambda: _map_in_threads(apply, iter(self), workers), self._cardinality)

    def filter(self, predicate):
        """The elements for which `predicate` holds."""

        def holds(element):
            return bool(predicate(*element) if isinstance(element, tuple) else predicate(element))

        return self._derived(lambda: filter(holds, self), UNKNOWN)

    def batch(self, batch_size, drop_remainder=False, num_parallel_calls=None, deterministic=None):
        """So many elements at a time, stacked along a new first axis."""
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: {batch_size}")

        def batches():
            elements = iter(self)
            while True:
                group = list(itertools.islice(elements, batch_size))
                if not group or (drop_remainder and len(group) < batch_size):
                    return
                yield tree.map_structure(lambda *leaves: np.stack([np.asarray(x) for x in leaves]), *group)

        n = self._cardinality
        return self._derived(
            batches, n if n < 0 else n // batch_size if drop_remainder else -(-n // batch_size)
        )

    def unbatch(self):
        """The entries of each element along the first axis."""

        def entries():
            for element in self:
                for i in range(len(tree.flatten(element)[0])):
                    yield tree.map_structure(lambda leaf, i=i: leaf[i], element)

        return self._derived(entries, UNKNOWN)

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=True):
        """The elements in random order: each is drawn from the next `buffer_size` ones.

        Args:
            buffer_size: number of elements held in memory.
            seed: makes the order the same in each process.
            reshuffle_each_iteration: whether each pass has an order of its own.
        """
        seeds = random.Random(seed)
        fixed = seeds.random()

        def shuffled():
            rng = random.Random(seeds.random() if reshuffle_each_iteration else fixed)
            elements = iter(self)
            held = list(itertools.islice(elements, buffer_size))
            for element in elements:
                i = rng.randrange(len(held))
                held[i], element = element, held[i]
                yield element
            rng.shuffle(held)
            yield from held

        return self._derived(shuffled, self._cardinality)

    def take(self, count):
        """The first `count` elements; -1: all."""
        if count < 0:
            return self._derived(self.__iter__, self._cardinality)
        n = self._cardinality
        size = n if n == UNKNOWN else count if n == INFINITE else min(n, count)
        return self._derived(lambda: itertools.islice(self, count), size)

    def skip(self, count):
        """All elements but the first `count`."""
        n = self._cardinality
        return self._derived(lambda: itertools.islice(self, count, None), n if n < 0 else max(n - count, 0))

    def repeat(self, count=None):
        """The elements `count` times over; None: without end."""
        rounds = itertools.count if count is None or count < 0 else lambda: range(count)
        n = self._cardinality
        size = INFINITE if rounds is itertools.count else n if n < 0 else n * count
        return self._derived(lambda: itertools.chain.from_iterable(self for _ in rounds()), size)

    def concatenate(self, dataset):
        """The elements of this dataset, then those of another."""
        sizes = (self._cardinality, dataset.cardinality())
        size = INFINITE if INFINITE in sizes else UNKNOWN if UNKNOWN in sizes else sum(sizes)
        return self._derived(lambda: itertools.chain(self, dataset), size)

    def enumerate(self, start=0):
        """Pairs of a number and an element."""
        return self._derived(lambda: enumerate(self, start), self._cardinality)

    def cache(self, filename=""):
        """Keeps the elements in memory after the first whole pass. Files are not supported."""
        if filename:
            raise ValueError(f"A dataset can be cached in memory only. Received: filename={filename}")
        kept = []

        def elements():
            if kept:
                yield from kept[0]
                return
            seen = []
            for element in self:
                seen.append(element)
                yield element
            kept.append(seen)

        return self._derived(elements, self._cardinality)

    def prefetch(self, buffer_size):
        """Has a thread make elements ahead of time, `buffer_size` at most; `AUTOTUNE`: some."""
        size = _WORKERS if buffer_size == AUTOTUNE else buffer_size
        return self._derived(lambda: _prefetch(self, size), self._cardinality)


def _to_arrays(x):
    if isinstance(x, dict):
        return {key: _to_arrays(value) for key, value in x.items()}
    return tuple(map(_to_arrays, x)) if isinstance(x, tuple) else np.asarray(x)


def _derive(dataset, derived):
    """Attributes such as `class_names` belong to what a dataset becomes, too."""
    own = {k: v for k, v in vars(dataset).items() if not k.startswith("_")}
    vars(derived).update(own)
    return derived


def _map_in_threads(function, elements, workers):
    """`map(function, elements)` by a pool of threads, in order, at most 2 * `workers` elements ahead."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        pending = collections.deque(pool.submit(function, x) for x in itertools.islice(elements, 2 * workers))
        try:
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(function, x) for x in itertools.islice(elements, 1))
                yield result
        finally:
            for future in pending:
                future.cancel()


def _prefetch(elements, size):
    """The elements, made by a thread that stays at most `size` ahead and ends with this generator."""
    ready = queue.Queue(max(size, 1))
    stopped = threading.Event()

    def put(entry):
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return
            except queue.Full:
                continue

    def produce():
        try:
            for element in elements:
                put((element, None))
                if stopped.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:
            put((None, error))

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while True:
            element, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield element
    finally:
        stopped.set()
        thread.join()
