"""Where the files of the data sets come from, and how they are read."""

import io
import os
import pickle
import zipfile

import numpy as np

from oxhorn.utils.file_utils import get_file

_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def locate(path, name, file_hash=None, **kwargs):
    """The path of a data set's file.

    Args:
        path: name of the file in the cache, to which it is downloaded if it is not there; or an absolute path
            to a file of one's own, which is taken as it is, without a check of its hash.
        name: name of the file at its origin.
        file_hash: hash of that file.
        kwargs: further arguments of `get_file`.
    """
    if os.path.isabs(path) and os.path.isfile(path):
        return path
    return get_file(path, origin=_ORIGIN + name, file_hash=file_hash, **kwargs)


def load_arrays(path):
    """The arrays of an `.npz` file, as a dict.

    Arrays of lists of ints are read as well, which NumPy stores as pickles; pickles of anything else than
    arrays, lists, tuples, dicts, strings and numbers raise `UnpicklingError`.
    """
    with zipfile.ZipFile(path) as archive:
        return {
            name.removesuffix(".npy"): _read_array(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".npy")
        }


def _read_array(data):
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        _, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        _, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        return RestrictedUnpickler(file).load()
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _new_array(cls, shape, typecode):
    # What pickled arrays begin as; their state comes after, and brings the true shape with its data.
    if cls is not np.ndarray or shape != (0,):
        raise pickle.UnpicklingError("Refusing to make an array in a way that NumPy does not.")
    return np.ndarray(shape, np.dtype(typecode))


class RestrictedUnpickler(pickle.Unpickler):
    """Reads pickles of NumPy arrays, built-in containers, strings and numbers, and nothing else."""

    _allowed = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _new_array,
        ("numpy._core.multiarray", "_reconstruct"): _new_array,
    }

    def find_class(self, module, name):
        if (module, name) in self._allowed:
            return self._allowed[module, name]
        raise pickle.UnpicklingError(
            f"Refusing to deserialize `{module}.{name}` while loading a Keras dataset. "
            "The file may be corrupted or malicious."
        )
