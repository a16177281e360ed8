"""Text as NumPy arrays of Python strings: strings are no tensors, and layers of text work on values."""

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_numpy, is_tensor


def to_array(x):
    """Anything array-like as a NumPy array; TypeError for traced and symbolic tensors."""
    if isinstance(x, np.ndarray):
        return x
    if is_tensor(x) or hasattr(x, "__oxhorn_tensor__"):
        return convert_to_numpy(x)
    return np.asarray(x)


def to_strings(x, encoding="utf-8"):
    """Strings, bytes, numbers, lists or arrays of these as an array of Python strings (dtype object).

    Raises:
        ValueError: lists of different lengths.
    """
    array = to_array(x)
    result = np.empty(array.shape, dtype=object)
    result.ravel()[:] = [_to_string(value, encoding) for value in array.ravel().tolist()]
    return result


def _to_string(value, encoding):
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(encoding)
    if isinstance(value, list):
        raise ValueError(f"Expected strings in rows of one length. Received a row of {len(value)} values.")
    return str(value)


def bins(strings, count, salt=None):
    """The number of the bin, of `count`, that each string (or integer, in decimal) of an array falls into.

    Args:
        strings: array.
        count: number of bins.
        salt: two integers, the key of SipHash; by default the hash is FarmHash's fingerprint.
    """
    texts = [str(value).encode() for value in strings.ravel().tolist()]
    key = None if salt is None else tuple(int(part) % 2**64 for part in salt)
    return (_core.fingerprint64(texts, key) % np.uint64(count)).astype("int64").reshape(strings.shape)
