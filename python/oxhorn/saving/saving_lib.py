"""`.keras` archives and `.weights.h5` files.

A `.keras` file is a zip of stored members: `metadata.json`, `config.json` and `model.weights.h5`. Reading one
runs no code from it, opens no other file, extracts nothing to disk and believes no size that the stored
bytes do not justify. Files are written beside their target and then renamed.
"""

import datetime
import functools
import io
import json
import os
import pathlib
import tempfile
import warnings
import zipfile

import numpy as np

import oxhorn
from oxhorn._base.naming import to_snake_case
from oxhorn._base.saveable import KerasSaveable
from oxhorn.saving import serialization_lib
from oxhorn.saving.files import replacing
from oxhorn.saving.h5_store import H5Store
from oxhorn.saving.sharded_weights import ShardedReader, ShardedWriter

METADATA = "metadata.json"
CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
WEIGHTS_NPZ = "model.weights.npz"
_ASSETS = "assets/"
# A member may declare so many times its stored size, and so many bytes more: deflate itself stops at 1032.
_EXPANSION = 100
_FREE_BYTES = 1 << 24


def save_model(model, filepath, weights_format="h5", zipped=True):
    """Writes a model to a `.keras` file, or to a directory if not `zipped`.

    Args:
        model: `Model`, or another savable object.
        filepath: path that ends in ".keras", or of a directory if not `zipped`; or a binary file object.
        weights_format: "h5".
        zipped: whether to write one file.
    """
    if weights_format != "h5":
        raise ValueError(
            f"Unknown `weights_format` argument. Expected 'h5'. Received: weights_format={weights_format}"
        )
    _warn_if_unbuilt(model)
    if isinstance(filepath, io.IOBase):
        _save_model_to_fileobj(model, filepath)
        return
    filepath = os.fspath(filepath)
    if zipped and not filepath.endswith(".keras"):
        raise ValueError(
            f"Invalid `filepath` argument: expected a `.keras` extension. Received: filepath={filepath}"
        )
    if not zipped and filepath.endswith(".keras"):
        raise ValueError(
            "When using `zipped=False`, the `filepath` argument should not end in `.keras`. "
            f"Received: filepath={filepath}"
        )
    members = _members(model)
    if zipped:
        with replacing(filepath) as file:
            _write_zip(file, members)
        return
    os.makedirs(filepath, exist_ok=True)
    for name, data in members:
        target = os.path.join(filepath, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with replacing(target) as file:
            file.write(data)


def _save_model_to_fileobj(model, fileobj):
    _write_zip(fileobj, _members(model))


def _write_zip(file, members):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            archive.writestr(name, data)


def _warn_if_unbuilt(model):
    if hasattr(model, "built") and not model.built:
        warnings.warn(
            "You are saving a model that has not yet been built. It might not contain any weights "
            "yet. Consider "
            "building the model first by calling it on some data.",
            stacklevel=3,
        )


def _members(model):
    """Names and bytes of the archive's members."""
    with serialization_lib.ObjectSharingScope():
        config = serialization_lib.serialize_keras_object(model)
    metadata = {
        "keras_version": oxhorn._keras_version,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
    }
    store = H5Store()
    assets = _AssetWriter()
    Walk(lambda obj, path: _save_own(obj, path, store, assets)).visit(model, "")
    yield METADATA, json.dumps(metadata).encode()
    yield CONFIG, json.dumps(config).encode()
    yield WEIGHTS, store.to_bytes()
    yield from assets.members.items()


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """Reads a model from a `.keras` file (a path or a binary file object) or a directory."""
    if isinstance(filepath, io.IOBase):
        return _load_model_from_fileobj(filepath, custom_objects, compile, safe_mode)
    filepath = os.fspath(filepath)
    if os.path.isdir(filepath):
        return _load(_DirectoryReader(filepath), custom_objects, compile, safe_mode)
    if not filepath.endswith(".keras"):
        raise ValueError(f"Invalid filename: expected a `.keras` extension. Received: filepath={filepath}")
    with open(filepath, "rb") as file:
        return _load_model_from_fileobj(file, custom_objects, compile, safe_mode)


def _load_model_from_fileobj(fileobj, custom_objects, compile, safe_mode):
    with _open_zip(fileobj) as archive:
        return _load(ZipReader(archive), custom_objects, compile, safe_mode)


def _open_zip(file):
    try:
        return zipfile.ZipFile(file, "r")
    except zipfile.BadZipFile as error:
        name = getattr(file, "name", file)
        raise ValueError(
            f"File format not supported: filepath={name}. It is no zip archive, or was cut short: {error}."
        ) from error


def _load(reader, custom_objects, compile, safe_mode):
    config = _parse_config(reader.read(CONFIG))
    if not compile:
        config["compile_config"] = None
    with serialization_lib.ObjectSharingScope():
        model = serialization_lib.deserialize_keras_object(config, custom_objects, safe_mode=safe_mode)
    _load_state(model, _weights(reader), _AssetReader(reader))
    return model


def _parse_config(data):
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The archive's {CONFIG} is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise ValueError(f"Expected the archive's {CONFIG} to hold an object, got {type(config).__name__}.")
    return config


def _weights(reader):
    if reader.has(WEIGHTS):
        return H5Store(reader.read(WEIGHTS))
    if reader.has(WEIGHTS_NPZ):
        return _NpzStore(reader.read(WEIGHTS_NPZ))
    raise ValueError(f"Expected a {WEIGHTS} or {WEIGHTS_NPZ} file.")


class ZipReader:
    """Members of a zip archive."""

    def __init__(self, archive):
        self._archive = archive
        names = archive.namelist()
        if len(set(names)) != len(names):
            raise ValueError("The archive names a member twice.")
        self.names = names

    def has(self, name):
        return name in self.names

    def read(self, name):
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            raise ValueError(f"The archive has no {name}: it is not a Keras model.") from None
        if info.file_size > _EXPANSION * info.compress_size + _FREE_BYTES:
            raise ValueError(
                f"The archive's {name} declares {info.file_size} bytes for {info.compress_size} stored ones."
            )
        with self._archive.open(info) as member:
            data = member.read(info.file_size + 1)
        if len(data) > info.file_size:
            raise ValueError(f"The archive's {name} is larger than it declares.")
        return data


class _DirectoryReader:
    """Files of a directory, none of which may lie elsewhere."""

    def __init__(self, path):
        self._path = pathlib.Path(path).resolve()
        self.names = [
            str(file.relative_to(self._path)).replace(os.sep, "/")
            for file in self._path.rglob("*")
            if file.is_file()
        ]

    def has(self, name):
        return name in self.names

    def read(self, name):
        path = self._path / name
        if not path.resolve().is_relative_to(self._path):
            raise ValueError(f"{name} leads out of the model's directory.")
        if not path.is_file():
            raise ValueError(f"The directory has no {name}: it is not a Keras model.")
        return path.read_bytes()


class _NpzStore:
    """The older form of weights: an npz whose entries are dicts, which need no pickle to be read only if
    they are plain arrays named `<path>/<index>`."""

    def __init__(self, data):
        self._arrays = {}
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            for name in file.files:
                self._arrays[name] = file[name]

    def get(self, path):
        prefix = f"{path}/vars/" if path else "vars/"
        return {n.removeprefix(prefix): a for n, a in self._arrays.items() if n.startswith(prefix)}

    def has(self, path):
        return any(name.startswith(f"{path}/") for name in self._arrays)


class _AssetWriter:
    """Collects what `save_assets` writes."""

    def __init__(self):
        self.members = {}

    def save(self, obj, path):
        with tempfile.TemporaryDirectory() as folder:
            obj.save_assets(folder)
            for file in sorted(pathlib.Path(folder).rglob("*")):
                if file.is_file():
                    name = "/".join(part for part in (path, file.relative_to(folder).as_posix()) if part)
                    self.members[_ASSETS + name] = file.read_bytes()


class _AssetReader:
    """Offers to `load_assets` a directory with its object's own files."""

    def __init__(self, reader):
        self._reader = reader

    def load(self, obj, path):
        prefix = f"{_ASSETS}{path}/" if path else _ASSETS
        names = [
            name for name in self._reader.names if name.startswith(prefix) and "/" not in name[len(prefix) :]
        ]
        names = [name for name in names if name[len(prefix) :] not in ("", ".", "..")]
        if not names:
            return
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                leaf = name[len(prefix) :]
                if "\\" in leaf or os.path.isabs(leaf):
                    raise ValueError(f"The archive's member {name!r} has no plain file name.")
                (pathlib.Path(folder) / leaf).write_bytes(self._reader.read(name))
            obj.load_assets(folder)


# -- weights ----------------------------------------------------------------------------------


def save_weights_only(model, filepath, max_shard_size=None, objects_to_skip=None):
    """Writes the weights of a savable object to a `.weights.h5` file, or to several.

    Args:
        model: what to save.
        filepath: path that ends in ".weights.h5"; of several files, in ".weights.json".
        max_shard_size: size, in units of 2**30 bytes, that none of several files exceeds.
        objects_to_skip: layers and the like to leave out.
    """
    filepath = os.fspath(filepath)
    check_weights_path(filepath, max_shard_size)
    _check_built(model, "saving a model")
    store = H5Store() if max_shard_size is None else ShardedWriter(max_shard_size)
    Walk(lambda obj, path: _save_own(obj, path, store, None), objects_to_skip).visit(model, "")
    if max_shard_size is not None:
        store.save(filepath)
        return
    with replacing(filepath) as file:
        file.write(store.to_bytes())


def check_weights_path(filepath, max_shard_size):
    """Raises ValueError for a path that weights are not written to."""
    if max_shard_size is None and not filepath.endswith(".weights.h5"):
        raise ValueError(f"The filename must end in `.weights.h5`. Received: filepath={filepath}")
    if not filepath.endswith((".weights.h5", ".weights.json")):
        raise ValueError(
            "The filename must end in `.weights.json` when `max_shard_size` is specified. "
            f"Received: filepath={filepath}"
        )


def _check_built(model, action):
    if not getattr(model, "built", True):
        raise ValueError(
            f"You are {action} that has not yet been built. Try building the model first by calling it on "
            "some data or by using `build()`."
        )


def load_weights_only(model, filepath, skip_mismatch=False, objects_to_skip=None):
    """Reads the weights of a savable object from a `.weights.h5`, `.weights.json` or `.keras` file."""
    filepath = os.fspath(filepath)
    _check_built(model, "loading weights into a model")
    if filepath.endswith(".keras"):
        with _open_zip(filepath) as archive:
            store = _weights(ZipReader(archive))
    elif filepath.endswith(".weights.h5"):
        store = H5Store(pathlib.Path(filepath).read_bytes())
    elif filepath.endswith(".weights.json"):
        store = ShardedReader(filepath)
    else:
        raise ValueError(
            "Invalid `filepath` argument: expected a `.weights.h5`, `.weights.json` or `.keras` extension. "
            f"Received: {filepath}"
        )
    _load_state(model, store, None, skip_mismatch, objects_to_skip)


def _save_own(obj, path, store, assets):
    if hasattr(obj, "save_own_variables"):
        name = getattr(obj, "name", None)
        obj.save_own_variables(store.make(path, {"name": name} if isinstance(name, str) else None))
    if assets is not None and hasattr(obj, "save_assets"):
        assets.save(obj, path)


def _load_state(model, store, assets, skip_mismatch=False, objects_to_skip=None):
    failed = {}

    def load(obj, path):
        try:
            if hasattr(obj, "load_own_variables"):
                values = store.get(path)
                if values or not store.has(path) or getattr(obj, "_own_variables", list)():
                    obj.load_own_variables(values)
            if assets is not None and hasattr(obj, "load_assets"):
                assets.load(obj, path)
        except Exception as error:
            failed.setdefault(id(obj), (obj, path, error))
            return False
        failed.pop(id(obj), None)
        return True

    Walk(load, objects_to_skip).visit(model, "")
    if not failed:
        return
    (obj, path, error), *_ = failed.values()
    message = f"{error}" if path in ("", None) else f"{error} (at '{path}' in the file)"
    if skip_mismatch:
        names = ", ".join(
            str(getattr(entry[0], "name", type(entry[0]).__name__)) for entry in failed.values()
        )
        warnings.warn(
            f"A total of {len(failed)} objects could not be loaded and keep their weights: {names}. "
            f"Example error message: {message}",
            stacklevel=4,
        )
        return
    raise ValueError(
        f"A total of {len(failed)} objects could not be loaded. Example error message for object {obj}:\n\n"
        f"{message}\n\nList of objects that could not be loaded:\n{[entry[0] for entry in failed.values()]}"
    )


class Walk:
    """Visits every savable object once, under the path by which files know it.

    `action(obj, path)` may return False: then the object may be tried again under a later path.
    """

    def __init__(self, action, objects_to_skip=None):
        self._action = action
        self._visited = {id(obj) for obj in objects_to_skip or ()}
        self._open = set()

    def visit(self, obj, path):
        if id(obj) in self._visited:
            return
        self._visited.add(id(obj))
        if self._action(obj, path) is False:
            self._visited.discard(id(obj))
        for name, child in _children(obj):
            inner = f"{path}/{name}" if path else name
            if isinstance(child, KerasSaveable):
                self.visit(child, inner)
            elif isinstance(child, (list, tuple, dict, set)):
                self._visit_container(child, inner)

    def _visit_container(self, container, path):
        if id(container) in self._open:  # it contains itself
            return
        self._open.add(id(container))
        counts = {}
        for child in container.values() if isinstance(container, dict) else container:
            if isinstance(child, KerasSaveable):
                name, visit = to_snake_case(type(child).__name__), self.visit
            elif isinstance(child, (list, tuple, dict, set)):
                name, visit = "container", self._visit_container
            else:
                continue
            # Objects that were saved elsewhere count too.
            count = counts.get(name, 0)
            counts[name] = count + 1
            visit(child, f"{path}/{name}_{count}" if count else f"{path}/{name}")
        self._open.discard(id(container))


def _children(obj):
    kind = obj._obj_type()
    if kind in ("Sequential", "Functional"):
        yield "layers", obj.layers
    skipped = _attributes_of_bare(kind)
    # Private attributes come last.
    for name in sorted(dir(obj), key=lambda n: n.replace("_", "~", 1) if n.startswith("_") else n):
        if name.startswith("__") or name in skipped:
            continue
        try:
            child = getattr(obj, name)
        except Exception:
            # A property that cannot be had now holds no state.
            continue
        yield name, child


@functools.cache
def _attributes_of_bare(kind):
    """Attributes that every object of a kind has: none of them leads to state of its own."""
    from oxhorn import layers, losses, metrics, models, optimizers
    from oxhorn._base.operation import Operation

    if kind == "Functional":
        x = layers.Input((1,))
        return frozenset([*dir(models.Model(x, x)), "layers"])
    makers = {
        "Layer": layers.Layer,
        "Sequential": models.Sequential,
        "Metric": metrics.Metric,
        "Optimizer": lambda: optimizers.Optimizer(0.0),
        "Loss": losses.Loss,
        "Operation": Operation,
    }
    return frozenset(dir(makers[kind]())) if kind in makers else frozenset()
