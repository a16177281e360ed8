"""Whole models and weights as Keras 2 stored them: one HDF5 file, weights under the names of their layers.

A model file has the attributes `model_config` and `training_config` (JSON), a group `model_weights` and, for
a compiled model, a group `optimizer_weights`. A file of weights has at its root what `model_weights` holds: a
group for each layer, with an attribute `weight_names` that says where in it the layer's arrays are.
"""

import inspect
import json
import os
import warnings

import numpy as np

import oxhorn
from oxhorn import _core, losses, metrics, models, optimizers
from oxhorn._base.convert import convert_to_numpy
from oxhorn._base.settings import backend
from oxhorn.saving import legacy_config, object_registration, serialization_lib
from oxhorn.saving.files import replacing

# HDF5 1.8 keeps an attribute inside an object header of 64 KiB; a name in an array takes 16 bytes of it.
_NAMES_PER_ATTRIBUTE = 4000
# Metrics that depend on the loss and the shape of the output.
_CHOSEN_BY_COMPILE = ("accuracy", "acc", "crossentropy", "ce")


# -- groups -----------------------------------------------------------------------------------


def _group():
    return {"attrs": {}, "groups": {}, "datasets": {}}


def _set_names(group, key, names):
    if len(names) <= _NAMES_PER_ATTRIBUTE:
        group["attrs"][key] = names
        return
    for i in range(0, len(names), _NAMES_PER_ATTRIBUTE):
        group["attrs"][f"{key}{i // _NAMES_PER_ATTRIBUTE}"] = names[i : i + _NAMES_PER_ATTRIBUTE]


def _names(group, key):
    """The strings of an attribute that may be split into numbered parts."""
    attrs = group["attrs"]
    parts = [attrs[key]] if key in attrs else []
    while key not in attrs and f"{key}{len(parts)}" in attrs:
        parts.append(attrs[f"{key}{len(parts)}"])
    names = []
    for part in parts:
        # One name alone reads like a plain string; an empty array has no strings that would show its type.
        part = [part] if isinstance(part, str) else part
        if not isinstance(part, list) or not all(isinstance(name, str) for name in part):
            raise ValueError(f"Expected the attribute '{key}' of the file to hold names. Received: {part}")
        names.extend(part)
    return names


def _find(group, path, kind):
    """The group or dataset at a path."""
    *parents, name = [part for part in path.split("/") if part] or [""]
    for parent in parents:
        group = group["groups"].get(parent, _group())
    found = group[kind].get(name)
    if found is None:
        raise ValueError(f"The file has no {kind[:-1]} '{path}', which it names itself.")
    return found


def _put(group, path, array):
    """Stores an array under a path, with a number added if it is taken; returns the path."""
    *parents, name = [part for part in path.split("/") if part] or ["variable"]
    for i, parent in enumerate(parents):
        while parent in group["datasets"]:
            parent += "_"
        parents[i] = parent
        group = group["groups"].setdefault(parent, _group())
    unique, count = name, 0
    while unique in group["datasets"] or unique in group["groups"]:
        count += 1
        unique = f"{name}_{count}"
    attrs = {"dtype": "bfloat16"} if array.dtype.name == "bfloat16" else {}
    group["datasets"][unique] = {"data": array, "attrs": attrs}
    return "/".join([*parents, unique])


def _put_all(group, variables):
    names = []
    for variable in variables:
        array = np.asarray(convert_to_numpy(variable))
        names.append(_put(group, variable.path, np.ascontiguousarray(array).reshape(array.shape)))
    _set_names(group, "weight_names", names)


def _arrays(group):
    return [_find(group, name, "datasets")["data"] for name in _names(group, "weight_names")]


# -- writing ----------------------------------------------------------------------------------


def save_model_to_hdf5(model, filepath, include_optimizer=True):
    """Writes architecture, weights and, if `include_optimizer`, the training state of a model."""
    root = _group()
    config = serialization_lib.serialize_keras_object(model)
    entry = {"class_name": type(model).__name__, "config": _to_legacy(config["config"])}
    root["attrs"] = {
        "keras_version": oxhorn._keras_version,
        "backend": backend(),
        "model_config": json.dumps(entry),
    }
    root["groups"]["model_weights"] = _weights_to_group(model)
    optimizer = getattr(model, "optimizer", None)
    if include_optimizer and optimizer is not None and model.compiled:
        training = model.get_compile_config()
        compiled_optimizer = training.pop("optimizer")
        training["loss"] = _full_names(losses.get, training["loss"])
        training["metrics"] = _full_names(metrics.get, training["metrics"])
        training["weighted_metrics"] = _full_names(metrics.get, training["weighted_metrics"])
        training["optimizer_config"] = {
            "class_name": compiled_optimizer["registered_name"] or compiled_optimizer["class_name"],
            "config": compiled_optimizer["config"],
        }
        root["attrs"]["training_config"] = json.dumps(training)
        if optimizer.variables:
            _put_all(root["groups"].setdefault("optimizer_weights", _group()), optimizer.variables)
    folder = os.path.dirname(os.path.abspath(filepath))
    os.makedirs(folder, exist_ok=True)
    with replacing(filepath) as file:
        file.write(_core.h5_write(root))


def _full_names(get, config):
    """Functions by their own names: Keras 3 does not find "mse" when it reads such a file."""
    if isinstance(config, str) and config not in _CHOSEN_BY_COMPILE:
        found = get(config)
        return found.__name__ if inspect.isfunction(found) else config
    if isinstance(config, dict) and "class_name" not in config:
        return {key: _full_names(get, value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_full_names(get, value) for value in config]
    return config


def _to_legacy(config):
    """A model's config with its layers in the older form, which has no modules. Operations keep theirs: their
    class names are those of layers."""
    if not isinstance(config, dict) or not isinstance(config.get("layers"), (list, tuple)):
        return config
    layers = []
    for layer in config["layers"]:
        if isinstance(layer, dict) and not str(layer.get("module")).startswith("keras.src.ops"):
            layer = dict(layer)
            layer["class_name"] = layer.pop("registered_name", None) or layer["class_name"]
            for key in ("module", "build_config", "compile_config"):
                layer.pop(key, None)
            layer["config"] = _to_legacy(layer["config"])
        layers.append(layer)
    return {**config, "layers": layers}


def _weights_to_group(model):
    group = _group()
    _set_names(group, "layer_names", [layer.name for layer in model.layers])
    group["attrs"].update(backend=backend(), keras_version=oxhorn._keras_version)
    for layer in model.layers:
        _put_all(group["groups"].setdefault(layer.name, _group()), _weights(layer))
    _put_all(group["groups"].setdefault("top_level_model_weights", _group()), _top_level_weights(model))
    return group


def _weights(layer):
    """A layer's weights in the order of these files."""
    return layer.trainable_weights + layer.non_trainable_weights


def _top_level_weights(model):
    weights = {id(v) for v in model.weights}
    return [v for v in model._trainable_variables + model._non_trainable_variables if id(v) in weights]


# -- reading ----------------------------------------------------------------------------------


def is_hdf5(filepath):
    """Whether a file begins as HDF5 does."""
    try:
        with open(filepath, "rb") as file:
            return file.read(8) == b"\x89HDF\r\n\x1a\n"
    except OSError:
        return False


def _read(filepath):
    with open(filepath, "rb") as file:
        return _core.h5_read(file.read())


def _json_object(root, key):
    text = root["attrs"].get(key)
    if text is None:
        return None
    value = legacy_config.loads(text) if isinstance(text, str) else None
    if not isinstance(value, dict):
        raise ValueError(f"Expected the attribute '{key}' of the file to hold a JSON object.")
    return value


def load_model_from_hdf5(filepath, custom_objects=None, compile=True, safe_mode=True):
    """Reads a model that Keras 2 or 3 wrote.

    Args:
        filepath: path of the file.
        custom_objects: dict from name to class or function.
        compile: whether to compile the model as it was, and to read the optimizer's state.
        safe_mode: as for `load_model`; code in the file is run in neither mode.

    Raises:
        ValueError: the file is damaged or holds no model.
        TypeError: a class is neither built in nor in `custom_objects`.
    """
    root = _read(filepath)
    config = _json_object(root, "model_config")
    if config is None:
        raise ValueError(
            f"No model config found in the file at {filepath}. If it holds weights only, make the model "
            "and call `model.load_weights(path)`."
        )
    # What a config in a file calls "module" was not there in Keras 2 and is not needed for a model.
    config.pop("module", None)
    if "class_name" not in config or "config" not in config:
        raise ValueError("The file's `model_config` has no class name or no configuration.")
    with object_registration.CustomObjectScope(
        {**object_registration.scoped_custom_objects(), **(custom_objects or {})}
    ):
        model = serialization_lib.deserialize_keras_object(config, safe_mode=safe_mode)
        if not isinstance(model, models.Model):
            raise ValueError(f"Expected the file to describe a model. It describes a {type(model).__name__}.")
        load_weights_from_group(_find(root, "model_weights", "groups"), model)
        if compile:
            _compile(model, root)
    return model


def load_weights_from_hdf5(model, filepath, by_name=False, skip_mismatch=False):
    """Sets a model's weights from a file of weights or of a whole model.

    Args:
        model: the model, built.
        filepath: path of the file.
        by_name: take layers of the same names in place of the layers in order.
        skip_mismatch: keep weights of other shapes, with a warning, in place of an error.

    Raises:
        ValueError: the file is damaged, or its layers or weights are not those of the model.
    """
    group = _read(filepath)
    if "layer_names" not in group["attrs"] and "model_weights" in group["groups"]:
        group = group["groups"]["model_weights"]
    (load_weights_from_group_by_name if by_name else load_weights_from_group)(group, model, skip_mismatch)


def load_weights_from_group(group, model, skip_mismatch=False):
    """Sets the weights of the layers that have some, in order."""
    layers = [layer for layer in model.layers if _weights(layer)]
    saved = [(name, _find(group, name, "groups")) for name in _names(group, "layer_names")]
    saved = [(name, entry) for name, entry in saved if _names(entry, "weight_names")]
    if len(saved) != len(layers):
        raise ValueError(
            f"Layer count mismatch when loading weights from file. Model expected {len(layers)} layers, "
            f"found {len(saved)} saved layers."
        )
    for i, (layer, (name, entry)) in enumerate(zip(layers, saved)):
        weights, arrays = _weights(layer), _arrays(entry)
        if len(arrays) != len(weights):
            raise ValueError(
                f"Weight count mismatch for layer #{i} (named {layer.name} in the current model, {name} in "
                f"the save file). Layer expects {len(weights)} weight(s). Received {len(arrays)} saved "
                "weight(s)"
            )
        _assign(weights, arrays, f"layer #{i} (named {layer.name})", skip_mismatch)
    _load_top_level(group, model, skip_mismatch)


def load_weights_from_group_by_name(group, model, skip_mismatch=False):
    """Sets the weights of the layers whose names the file has."""
    layers = {}
    for layer in model.layers:
        layers.setdefault(layer.name, []).append(layer)
    for i, name in enumerate(_names(group, "layer_names")):
        for layer in layers.get(name, ()):
            weights, arrays = _weights(layer), _arrays(_find(group, name, "groups"))
            what = f"layer #{i} (named {layer.name})"
            if _same_count(weights, arrays, what, skip_mismatch):
                _assign(weights, arrays, what, skip_mismatch)
    _load_top_level(group, model, skip_mismatch)


def _load_top_level(group, model, skip_mismatch):
    entry = group["groups"].get("top_level_model_weights")
    if entry is not None:
        weights, arrays = _top_level_weights(model), _arrays(entry)
        if _same_count(weights, arrays, "top-level weights of the model", skip_mismatch):
            _assign(weights, arrays, "top-level model", skip_mismatch)


def _same_count(weights, arrays, what, skip_mismatch):
    if len(weights) == len(arrays):
        return True
    message = (
        f"Weight count mismatch for {what}. It expects {len(weights)} weight(s). Received {len(arrays)} "
        "saved weight(s)"
    )
    if not skip_mismatch:
        raise ValueError(message)
    warnings.warn(f"Skipping: {message}", stacklevel=2)
    return False


def _assign(weights, arrays, what, skip_mismatch):
    for weight, array in zip(weights, arrays):
        if tuple(weight.shape) == tuple(array.shape):
            weight.assign(array)
            continue
        message = (
            f"Shape mismatch in {what} for weight {weight.path}. Weight expects shape {tuple(weight.shape)}. "
            f"Received saved weight with shape {tuple(array.shape)}"
        )
        if not skip_mismatch:
            raise ValueError(message)
        warnings.warn(f"Skipping: {message}", stacklevel=2)


# -- training state -----------------------------------------------------------------------------


def _compile(model, root):
    training = _json_object(root, "training_config")
    if training is None:
        warnings.warn(
            "No training configuration found in the save file, so the model was *not* compiled. Compile it "
            "manually.",
            stacklevel=3,
        )
        return
    model.compile(**_compile_arguments(training))
    saved = root["groups"].get("optimizer_weights")
    if saved is None or model.optimizer is None:
        return
    model.optimizer.build(model.trainable_variables)
    arrays = _in_our_order(model.optimizer, _arrays(saved), len(model.trainable_variables))
    variables = model.optimizer.variables
    if [tuple(v.shape) for v in variables] == [tuple(a.shape) for a in arrays]:
        for variable, array in zip(variables, arrays):
            variable.assign(array)
    else:
        warnings.warn(
            "The saved state of the optimizer is not that of today's optimizer of its name: the model starts "
            "with a freshly initialized optimizer.",
            stacklevel=3,
        )


def _in_our_order(optimizer, arrays, count):
    """Before Keras 2.11 the file held the step, then each slot of all variables, and no learning rate."""
    _, *others = optimizer.variables
    rate = [v for v in others if v is optimizer._learning_rate]
    slots = len(others) - len(rate)
    if not rate or not count or slots % count or len(arrays) != 1 + slots:
        return arrays
    step, *arrays = arrays
    return [step, rate[0].numpy(), *(array for i in range(count) for array in arrays[i::count])]


def _compile_arguments(training):
    """`compile()`'s arguments. Raises ValueError if an entry is of no known form."""
    optimizer = training.get("optimizer_config")
    if not isinstance(optimizer, dict) or not isinstance(optimizer.get("class_name"), str):
        raise ValueError(f"Expected the file to describe an optimizer. Received: {optimizer}")
    name = optimizer["class_name"].removeprefix("Custom>")  # as Keras 2.11 called its own
    known = object_registration.get_registered_object(optimizer["class_name"])
    if known is None:
        optimizer = {**optimizer, "class_name": name}
    return {
        "optimizer": optimizers.deserialize(optimizer),
        "loss": _revive(losses.deserialize, training.get("loss")),
        "metrics": _revive(_metric, training.get("metrics")),
        "weighted_metrics": _revive(_metric, training.get("weighted_metrics")),
        "loss_weights": training.get("loss_weights"),
    }


def _metric(config):
    return config if config in _CHOSEN_BY_COMPILE else metrics.deserialize(config)


def _revive(deserialize, config):
    if config is None:
        return None
    if isinstance(config, str) or (isinstance(config, dict) and "class_name" in config):
        return deserialize(config)
    if isinstance(config, dict):
        return {key: _revive(deserialize, value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_revive(deserialize, value) for value in config]
    raise ValueError(
        "Saved configuration not understood. It should be a dictionary, string, tuple or list. "
        f"Received: {config}"
    )
