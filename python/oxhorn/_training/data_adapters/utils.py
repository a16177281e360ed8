"""Sample weights, validation splits and conversions that the adapters share."""

import numpy as np

from oxhorn import _core, tree
from oxhorn._base import settings


def unpack_x_y_sample_weight(data):
    """Splits what a batch source yields into x, y and sample_weight.

    Raises:
        ValueError: for a tuple of more than three.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if 1 <= len(data) <= 3:
        return (*data, None, None)[:3]
    raise ValueError(
        f"Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`, found: {data}"
    )


def pack_x_y_sample_weight(x, y=None, sample_weight=None):
    """The inverse: x alone if it is a single tensor without the others, else a tuple."""
    if y is None and sample_weight is None:
        return (x,) if tree.is_nested(x) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def as_batch(x, y=None, sample_weight=None):
    """A batch as the training loop passes it on: a tuple without the parts that are missing at its end."""
    if sample_weight is not None:
        return x, y, sample_weight
    return (x,) if y is None else (x, y)


def list_to_tuple(maybe_list):
    return tuple(maybe_list) if isinstance(maybe_list, list) else maybe_list


def is_array_like(leaf):
    """Whether a leaf holds one number or more per sample along its first axis."""
    if isinstance(leaf, (np.ndarray, _core.Tensor)):
        return True
    if isinstance(leaf, (str, bytes)) or leaf is None:
        return False
    return hasattr(leaf, "__array__") or hasattr(leaf, "__oxhorn_tensor__") or _is_sparse(leaf)


def _is_sparse(leaf):
    return hasattr(leaf, "todense")  # SciPy's and JAX's


def to_array(leaf):
    """A NumPy array or tensor for a leaf; float64 becomes floatx, as everywhere in Keras."""
    if isinstance(leaf, _core.Tensor):
        return leaf
    array = np.asarray(leaf if isinstance(leaf, np.ndarray) else _from_other_library(leaf))
    dtype = array.dtype
    if dtype.kind in "OUSMmV":
        if dtype.name == "bfloat16":
            return array
        raise ValueError(
            f"Invalid dtype: {dtype}. Expected an array of numbers, got one of shape {array.shape} whose "
            "elements are not; convert text, dates or ragged lists to numbers first."
        )
    if dtype.kind == "f" and dtype.itemsize >= 8:
        return array.astype(settings.floatx(), copy=False)
    return array


def _from_other_library(leaf):
    """What NumPy can make an array of: sparse matrices become dense, columns of pandas have two axes."""
    if _is_sparse(leaf):
        return leaf.toarray() if hasattr(leaf, "toarray") else leaf.todense()
    if type(leaf).__module__.partition(".")[0] == "pandas":
        leaf = leaf.to_numpy()
        return leaf[:, None] if leaf.ndim == 1 else leaf
    return leaf


def class_weight_to_sample_weights(y, class_weight):
    """One weight per sample from one per class.

    Args:
        y: integer labels of shape (n,) or (n, 1), or one-hot labels of shape (n, classes).
        class_weight: dict from class to weight; classes that are missing weigh 1.
    """
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.squeeze(-1) if labels.shape[-1] == 1 else labels.argmax(-1)
    labels = np.round(labels).astype("int64")
    weights = np.ones(labels.shape, dtype=settings.floatx())
    for label, weight in class_weight.items():
        weights[labels == label] = weight
    return weights


def apply_class_weight(y, sample_weight, class_weight):
    """Sample weights for a batch or a whole data set, or an error where classes make no sense."""
    if sample_weight is not None:
        raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
    if tree.is_nested(y):
        raise ValueError("`class_weight` is only supported for Models with a single output.")
    return class_weight_to_sample_weights(y, class_weight)


def train_validation_split(arrays, validation_split):
    """Cuts the last share of the samples off for validation.

    Args:
        arrays: structure of arrays (or None).
        validation_split: share between 0 and 1.

    Returns:
        Two structures: for training and for validation.

    Raises:
        ValueError: if something is not an array or too few samples are left.
    """
    leaves = [leaf for leaf in tree.flatten(arrays) if leaf is not None]
    bad = [type(leaf) for leaf in leaves if not is_array_like(leaf)]
    if bad:
        raise ValueError(
            "Argument `validation_split` is only supported for tensors or NumPy arrays."
            f"Found incompatible type in the input: {bad}"
        )
    leaves = [to_array(leaf) for leaf in leaves]
    samples = leaves[0].shape[0]
    split = int(np.floor(samples * (1.0 - validation_split)))
    if split in (0, samples):
        raise ValueError(
            f"Training data contains {samples} samples, which is not sufficient to split it into a "
            f"validation and training set as specified by `validation_split={validation_split}`. Either "
            "provide more data, or a different value for the `validation_split` argument."
        )

    def cut(begin, end):
        return tree.map_structure(lambda a: None if a is None else to_array(a)[begin:end], arrays)

    return cut(0, split), cut(split, samples)
