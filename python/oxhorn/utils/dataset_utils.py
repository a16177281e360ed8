"""Splitting data sets."""

import random

import numpy as np

from oxhorn import tree
from oxhorn.utils.dataset import Dataset


def split_dataset(dataset, left_size=None, right_size=None, shuffle=False, seed=None, preferred_backend=None):
    """Splits a data set that fits into memory in two.

    Args:
        dataset: array; list or tuple of arrays of one length; `Dataset`, `tf.data.Dataset` or torch
            `Dataset`.
        left_size: share of the samples (float) or number of them (int) for the first part.
        right_size: for the second; default: the rest.
        shuffle: whether to take samples in random order.
        seed: of the order.
        preferred_backend: accepted for compatibility.

    Returns:
        Two `Dataset`s of samples.

    Raises:
        TypeError: `dataset` is of another kind.
        ValueError: no samples, or sizes out of range.
    """
    if left_size is None and right_size is None:
        raise ValueError(
            "At least one of the `left_size` or `right_size` must be specified. Received: left_size=None and "
            "right_size=None"
        )
    samples = _samples(dataset)
    if not samples:
        raise ValueError("Received an empty dataset. Argument `dataset` must have samples.")
    if shuffle:
        random.Random(seed).shuffle(samples)
    left, right = _sizes(left_size, right_size, len(samples))
    return _restore(samples[:left]), _restore(samples[len(samples) - right :])


def _samples(dataset):
    """The samples of a data set, in a list."""
    if isinstance(dataset, np.ndarray):
        return list(dataset)
    if isinstance(dataset, (list, tuple)):
        for i, array in enumerate(dataset):
            if not isinstance(array, np.ndarray):
                raise ValueError(
                    f"Expected a {type(dataset).__name__} of `numpy.ndarray` objects, "
                    f"Received: {type(array)} at index {i}."
                )
            if len(array) != len(dataset[0]):
                raise ValueError(
                    f"Received a {type(dataset).__name__} of NumPy arrays with different lengths. Mismatch "
                    f"found at index {i}, Expected length {len(dataset[0])} Received shape={array.shape}."
                )
        return list(zip(*dataset))
    if hasattr(dataset, "_batch_size") and hasattr(dataset, "unbatch"):  # of tf.data
        dataset = dataset.unbatch()
    if hasattr(dataset, "__iter__"):
        return [_as_tuples(sample) for sample in dataset]
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):  # of torch
        return [_as_tuples(dataset[i]) for i in range(len(dataset))]
    raise TypeError(
        "The `dataset` argument must be a data set, or a list/tuple of arrays. "
        f"Received: dataset={dataset} of type {type(dataset)}"
    )


def _as_tuples(sample):
    sample = tree.map_structure(np.asarray, sample)
    return tuple(sample) if isinstance(sample, list) else sample


def _restore(samples):
    columns = tree.map_structure(lambda *leaves: np.stack(leaves), *samples)
    return Dataset.from_tensor_slices(columns).prefetch(2)


def _sizes(left, right, total):
    """Numbers of samples on both sides."""
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and (isinstance(size, bool) or not isinstance(size, (int, float))):
            raise TypeError(
                f"Invalid `{name}` Type. Expected: int or float or None, Received: type({name})={type(size)}."
            )
    if left == 0 and right == 0:
        raise ValueError(
            "Both `left_size` and `right_size` are zero. At least one of the split sizes must be non-zero."
        )
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and not 0 < size < (total if isinstance(size, int) else 1):
            raise ValueError(
                f"`{name}` should be either a positive integer smaller than {total}, or a float within the "
                f"range `[0, 1]`. Received: {name}={size}"
            )
    if isinstance(left, float) and isinstance(right, float) and left + right > 1:
        raise ValueError(
            "The sum of `left_size` and `right_size` is greater than 1. It must be less than or equal to 1."
        )
    left, right = (round(size * total) if isinstance(size, float) else size for size in (left, right))
    left = total - right if left is None else left
    right = total - left if right is None else right
    if left + right > total:
        raise ValueError(
            f"The sum of `left_size` and `right_size` should be smaller than the {total}. "
            f"Received: left_size + right_size = {left + right} and total_length = {total}"
        )
    for side, size in (("left", left), ("right", right)):
        if size == 0:
            raise ValueError(
                f"With `dataset` of length={total}, `left_size`={left} and `right_size`={right}. Resulting "
                f"{side} side dataset split will be empty. Adjust any of the aforementioned parameters"
            )
    return left, right
