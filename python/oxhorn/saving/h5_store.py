"""The state of savable objects as groups of an HDF5 file in memory."""

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_numpy


def _empty():
    return {"attrs": {}, "groups": {}, "datasets": {}}


class H5Store:
    """A tree of groups, each with a `vars` group for its object's own variables.

    Args:
        data: bytes of a file to read; without them the store is for writing.
    """

    def __init__(self, data=None):
        self._root = _empty() if data is None else _core.h5_read(data)

    def make(self, path, metadata=None):
        """The variables of the object at `path`, to be written."""
        group = self._root
        for name in [*_parts(path), "vars"]:
            group = group["groups"].setdefault(name, _empty())
        group["attrs"].update(metadata or {})
        return _Writer(group["datasets"])

    def get(self, path):
        """The variables of the object at `path`, empty if the file has none."""
        group = self._root
        for name in [*_parts(path), "vars"]:
            group = group["groups"].get(name)
            if group is None:
                return {}
        return self.values(group)

    @staticmethod
    def values(group):
        """The arrays of a group."""
        return {name: _value(entry) for name, entry in group["datasets"].items()}

    @property
    def root(self):
        """The file's outermost group, as nested dicts of "attrs", "groups" and "datasets"."""
        return self._root

    def has(self, path):
        """Whether the file has a group at `path`."""
        group = self._root
        for name in _parts(path):
            group = group["groups"].get(name)
            if group is None:
                return False
        return True

    def to_bytes(self):
        """The file."""
        return _core.h5_write(self._root)


def _parts(path):
    return [part for part in path.split("/") if part]


def _value(entry):
    data = entry["data"]
    if entry["attrs"].get("dtype") == "bfloat16" and data.dtype == np.uint16:
        return data.view(_core.numpy_dtype("bfloat16"))
    return data


class _Writer:
    """The dict that `save_own_variables` fills."""

    def __init__(self, datasets):
        self._datasets = datasets

    def __setitem__(self, name, value):
        array = np.ascontiguousarray(convert_to_numpy(value))
        array = array.reshape(np.shape(value))
        attrs = {"dtype": "bfloat16"} if array.dtype.name == "bfloat16" else {}
        self._datasets[str(name)] = {"data": array, "attrs": attrs}

    def __getitem__(self, name):
        return self._datasets[str(name)]["data"]

    def __contains__(self, name):
        return str(name) in self._datasets

    def __len__(self):
        return len(self._datasets)

    def keys(self):
        return self._datasets.keys()
