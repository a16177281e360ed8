"""`KerasFileEditor`: looks into files of weights and changes them."""

import json
import os
import zipfile

import numpy as np

from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.messages import print_msg
from oxhorn.saving import saving_lib
from oxhorn.saving.files import replacing
from oxhorn.saving.h5_store import H5Store


class KerasFileEditor:
    """Shows, changes and writes again the weights of a file.

    Args:
        filepath: path of a `.keras` or `.weights.h5` file.

    Attributes:
        weights_dict: the weights as arrays, in nested dicts by the names of objects.
        object_metadata: `{path: attributes}` of objects that have some.
        config: the model's configuration, of a `.keras` file.
        metadata: who wrote a `.keras` file, and when.

    Raises:
        ValueError: another extension, or a damaged file.
    """

    def __init__(self, filepath):
        self.filepath = filepath = os.fspath(filepath)
        self.metadata = self.config = self.model = None
        if filepath.endswith(".keras"):
            with zipfile.ZipFile(filepath) as archive:
                reader = saving_lib.ZipReader(archive)
                self.config = json.loads(reader.read(saving_lib.CONFIG))
                self.metadata = json.loads(reader.read(saving_lib.METADATA))
                data = reader.read(saving_lib.WEIGHTS)
        elif filepath.endswith(".weights.h5"):
            with open(filepath, "rb") as file:
                data = file.read()
        else:
            raise ValueError(
                "Invalid filename: expected a `.keras` or `.weights.h5` extension. "
                f"Received: filepath={filepath}"
            )
        self.object_metadata = {}
        self.weights_dict = self._collect(H5Store(data).root, "")
        print_msg(f"Keras model file '{filepath}'")
        if self.metadata is not None:
            print_msg(
                f"Saved with Keras {self.metadata.get('keras_version')} - "
                f"date: {self.metadata.get('date_saved')}"
            )

    def _collect(self, group, path):
        own = group["groups"].get("vars")
        weights = dict(H5Store.values(own)) if own is not None else {}
        if own is not None and own["attrs"]:
            self.object_metadata[path] = own["attrs"]
        for name, child in group["groups"].items():
            if name != "vars":
                inner = self._collect(child, f"{path}/{name}" if path else name)
                if inner:
                    weights[name] = inner
        return weights

    # -- looking

    def summary(self):
        """Prints the tree of objects with the shapes of their weights."""
        print_msg("Weights structure")
        self._print(self.weights_dict, "", "")

    def _print(self, weights, path, prefix):
        for i, (key, value) in enumerate(weights.items()):
            last = i == len(weights) - 1
            label = f"{prefix}{'└─' if last else '├─'} {key}"
            if not isinstance(value, dict):
                print_msg(f"{label}: shape={np.shape(value)}, dtype={np.asarray(value).dtype}")
                continue
            inner = f"{path}/{key}" if path else key
            name = self.object_metadata.get(inner, {}).get("name")
            print_msg(label if name is None else f"{label} ('{name}')")
            self._print(value, inner, prefix + ("    " if last else "│   "))

    def compare(self, reference_model):
        """Prints how the weights of the file differ from those of a model.

        Returns:
            Dict of `"status"` ("success" or "error"), `"error_count"` and `"match_count"`.
        """
        expected = _specify(reference_model)
        errors, matches = _compare(self.weights_dict, expected, "")
        if errors:
            print_msg(f"Found {errors} error(s): the saved file is not compatible with the reference model")
        else:
            print_msg(
                "Comparison successful: the saved file is compatible with the reference model. "
                f"Found {matches} matching weight(s)"
            )
        status = "error" if errors else "success"
        return {"status": status, "error_count": errors, "match_count": matches}

    # -- changing

    def _find(self, name):
        """The dict that has an object, and the object's key, from its path or, if unique, its name."""
        if "/" in name:
            *parents, key = name.split("/")
            level = self.weights_dict
            for parent in parents:
                level = level.get(parent)
                if not isinstance(level, dict):
                    raise ValueError(f"Path '{name}' not found in model.")
            if key not in level:
                raise ValueError(f"Path '{name}' not found in model.")
            return level, key
        levels = [level for level in _levels(self.weights_dict) if name in level]
        if len(levels) > 1:
            raise ValueError(f"Name '{name}' occurs more than once in the model; try passing a complete path")
        if not levels:
            raise ValueError(
                f"Source name '{name}' does not appear in the model. Use `editor.summary()` to list all "
                "objects."
            )
        return levels[0], name

    def rename_object(self, object_name, new_name):
        """Gives the object with this name or path another name (no path)."""
        if "/" in new_name:
            raise ValueError(
                f"Argument `new_name` should be a leaf name, not a full path name. Received: '{new_name}'"
            )
        level, key = self._find(object_name)
        level[new_name] = level.pop(key)

    def delete_object(self, object_name):
        """Takes out the object with this name or path."""
        level, key = self._find(object_name)
        del level[key]

    def add_object(self, object_path, weights):
        """Adds an object at a path, with a dict of arrays by the names of weights ("0", "1", ...)."""
        _check_weights(weights)
        *parents, key = object_path.split("/")
        level = self.weights_dict
        for parent in parents:
            level = level.get(parent)
            if not isinstance(level, dict):
                raise ValueError(f"Path '{'/'.join(parents)}' not found in model.")
        level[key] = dict(weights)

    def delete_weight(self, object_name, weight_name):
        """Takes a weight from the object with this name or path."""
        level, key = self._find(object_name)
        if weight_name not in level[key]:
            raise ValueError(
                f"Weight {weight_name} not found in object {object_name}. Weights found: {list(level[key])}"
            )
        del level[key][weight_name]

    def add_weights(self, object_name, weights):
        """Adds or replaces weights of the object with this name or path."""
        _check_weights(weights)
        level, key = self._find(object_name)
        level[key].update(weights)

    def save(self, filepath):
        """Writes the weights to a `.weights.h5` file."""
        filepath = os.fspath(filepath)
        if not filepath.endswith(".weights.h5"):
            raise ValueError(
                "Invalid `filepath` argument: expected a `.weights.h5` extension. "
                f"Received: filepath={filepath}"
            )
        store = H5Store()
        self._store(self.weights_dict, "", store)
        with replacing(filepath) as file:
            file.write(store.to_bytes())

    def resave_weights(self, filepath):
        """The same as `save`."""
        self.save(filepath)

    def _store(self, weights, path, store):
        own = {name: value for name, value in weights.items() if not isinstance(value, dict)}
        if own:
            variables = store.make(path, self.object_metadata.get(path))
            for name, value in own.items():
                variables[name] = value
        for name, value in weights.items():
            if isinstance(value, dict):
                self._store(value, f"{path}/{name}" if path else name, store)


def _check_weights(weights):
    if not isinstance(weights, dict):
        raise ValueError(
            "Argument `weights` should be a dict where keys are weight names (usually '0', '1', etc.) and "
            f"values are NumPy arrays. Received: type(weights)={type(weights)}"
        )


def _levels(weights):
    yield weights
    for value in weights.values():
        if isinstance(value, dict):
            yield from _levels(value)


def _specify(model):
    """The shapes of a model's weights, in nested dicts as a file has them."""
    spec = {}

    def visit(obj, path):
        store = {}
        if hasattr(obj, "save_own_variables"):
            obj.save_own_variables(store)
        level = spec
        for part in path.split("/") if path and store else ():
            level = level.setdefault(part, {})
        level.update({name: KerasTensor(np.shape(v), dtype=str(v.dtype)) for name, v in store.items()})

    saving_lib.Walk(visit).visit(model, "")
    return spec


def _compare(found, expected, path):
    """Numbers of differences and of agreements."""
    errors = matches = 0
    for key in {**expected, **found}:
        inner = f"{path}/{key}"
        ours, theirs = found.get(key), expected.get(key)
        if ours is None or theirs is None:
            errors += 1
            where = ("saved file", "reference model") if ours is None else ("reference model", "saved file")
            print_msg(f"...{inner} is missing from the {where[0]}, but present in the {where[1]}")
        elif isinstance(ours, dict) and isinstance(theirs, dict):
            more_errors, more_matches = _compare(ours, theirs, inner)
            errors, matches = errors + more_errors, matches + more_matches
        elif isinstance(ours, dict) or isinstance(theirs, dict) or np.shape(ours) != tuple(theirs.shape):
            errors += 1
            print_msg(f"...Weight shape mismatch for {inner}")
        else:
            matches += 1
    return errors, matches
