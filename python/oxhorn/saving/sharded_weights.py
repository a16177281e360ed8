"""Weights in several files: `x.weights.json` says which of the `x_NNNNN.weights.h5` beside it have what."""

import json
import pathlib
import warnings

import numpy as np

from oxhorn._base.convert import convert_to_numpy
from oxhorn.saving.files import replacing
from oxhorn.saving.h5_store import H5Store


def _location(filepath):
    path = pathlib.Path(filepath)
    if path.suffix == ".json":
        return path
    warnings.warn(
        f"Sharded weights need `.json` as the extension of their index. The path {path} becomes "
        f"{path.with_suffix('.json')}.",
        stacklevel=4,
    )
    return path.with_suffix(".json")


def _entry(path):
    return f"/{path}/vars" if path else "/vars"


class ShardedWriter:
    """Collects variables in shards of at most so many bytes.

    Args:
        max_shard_size: in units of 2**30 bytes.
    """

    def __init__(self, max_shard_size):
        self._max_bytes = float(max_shard_size) * 2**30
        self._shards = [H5Store()]
        self._used = 0
        self._total = 0
        self._map = {}

    def make(self, path, metadata=None):
        """The variables of the object at `path`, to be written."""
        return _ShardedVariables(self, path, metadata)

    def put(self, path, name, value, metadata):
        array = np.ascontiguousarray(convert_to_numpy(value))
        if array.nbytes > self._max_bytes:
            raise ValueError(
                f"The size of {path}/{name} is {array.nbytes} bytes, which exceeds the maximum shard size of "
                f"{self._max_bytes:.0f} bytes. You can increase the `max_shard_size` parameter to "
                "accommodate the size."
            )
        if self._used + array.nbytes > self._max_bytes:
            self._shards.append(H5Store())
            self._used = 0
        self._used += array.nbytes
        self._total += array.nbytes
        self._shards[-1].make(path, metadata)[name] = value
        shards = self._map.setdefault(_entry(path), [])
        if len(self._shards) - 1 not in shards:
            shards.append(len(self._shards) - 1)

    def save(self, filepath):
        """Writes the shards and then the index."""
        index = _location(filepath)
        base = index.stem.removesuffix(".weights")
        names = [f"{base}_{i:05}.weights.h5" for i in range(len(self._shards))]
        for name, shard in zip(names, self._shards):
            with replacing(index.with_name(name)) as file:
                file.write(shard.to_bytes())
        places = {path: [names[i] for i in shards] for path, shards in self._map.items()}
        config = {"metadata": {"total_size": self._total}, "weight_map": places}
        with replacing(index) as file:
            file.write(json.dumps(config, indent=4).encode())


class _ShardedVariables:
    """The dict that `save_own_variables` fills."""

    def __init__(self, writer, path, metadata):
        self._writer, self._path, self._metadata = writer, path, metadata

    def __setitem__(self, name, value):
        self._writer.put(self._path, name, value, self._metadata)


class ShardedReader:
    """The variables in the files that an index names.

    Args:
        filepath: path of the index.

    Raises:
        ValueError: the index is damaged, or names a file that does not lie beside it.
    """

    def __init__(self, filepath):
        self._index = _location(filepath)
        try:
            config = json.loads(self._index.read_bytes())
            self._map = {path: [f] if isinstance(f, str) else f for path, f in config["weight_map"].items()}
            names = {name for files in self._map.values() for name in files}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{self._index} is no index of sharded weights: {error}") from None
        for name in names:
            plain = isinstance(name, str) and pathlib.PurePath(name).name == name and "\\" not in name
            if not plain or not name.endswith(".weights.h5") or self._index.with_name(name).is_symlink():
                raise ValueError(f"{self._index} names {name!r}, which is no file of weights beside it.")
        self._open = None, None

    def get(self, path):
        """The variables of the object at `path`, empty if the files have none."""
        values = {}
        for name in self._map.get(_entry(path), ()):
            values.update(self._shard(name).get(path))
        return values

    def has(self, path):
        """Whether a file has a group at `path`."""
        return any(entry.startswith(f"/{path}/") for entry in self._map)

    def _shard(self, name):
        # Objects are read in the order in which they were written: one shard in memory is enough.
        if self._open[0] != name:
            self._open = name, H5Store(self._index.with_name(name).read_bytes())
        return self._open[1]
