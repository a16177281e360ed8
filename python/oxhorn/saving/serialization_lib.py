"""Objects to dicts that can be written as JSON, and back.

The format is Keras's: `{"module", "class_name", "config", "registered_name"}` for an object, beside a few
special forms for tensors, arrays, slices and the like. Reading is from data to data: see `registry`.
"""

import types

import numpy as np

from oxhorn._base.convert import convert_to_numpy, convert_to_tensor, is_tensor
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.global_state import get_global_attribute, set_global_attribute
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn.saving import lambdas, legacy_config, object_registration, registry

PLAIN_TYPES = (str, int, float, bool)


class SafeModeScope:
    """Records the `safe_mode` of the loading call. Code in files is not run in either mode."""

    def __init__(self, safe_mode=True):
        self.safe_mode = safe_mode
        self._outer = []

    def __enter__(self):
        self._outer.append(in_safe_mode())
        set_global_attribute("safe_mode_saving", self.safe_mode)

    def __exit__(self, *args):
        set_global_attribute("safe_mode_saving", self._outer.pop())


def in_safe_mode():
    return get_global_attribute("safe_mode_saving")


class ObjectSharingScope:
    """Inside, an object that is met twice is written with an id, and one with a known id is read once."""

    def __enter__(self):
        set_global_attribute("shared_objects/id_to_obj_map", {})
        set_global_attribute("shared_objects/id_to_config_map", {})

    def __exit__(self, *args):
        set_global_attribute("shared_objects/id_to_obj_map", None)
        set_global_attribute("shared_objects/id_to_config_map", None)


def _record_written(obj, config):
    seen = get_global_attribute("shared_objects/id_to_config_map")
    if seen is None:
        return
    # The object is kept beside its config, so that its id is not given to another one.
    _, first = seen.setdefault(id(obj), (obj, config))
    if first is not config:
        config["shared_object_id"] = first["shared_object_id"] = id(obj)


# -- writing


def serialize_keras_object(obj):
    """`obj` as plain values, lists and dicts.

    Raises:
        TypeError: it has no `get_config()`, or that returns no dict.
    """
    if obj is None or isinstance(obj, PLAIN_TYPES):
        return obj.item() if isinstance(obj, np.generic) else obj
    if isinstance(obj, (list, tuple)):
        items = [serialize_keras_object(x) for x in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, lambdas.LambdaConfig):
        return obj
    if isinstance(obj, dict):
        return serialize_dict(obj)
    special = _serialize_special(obj)
    if special is not None:
        return special

    is_function = isinstance(obj, types.FunctionType)
    inner = object_registration.get_registered_name(obj) if is_function else _get_config(obj)
    config = {**_names(obj, is_function), "config": inner}
    config = {k: config[k] for k in ("module", "class_name", "config", "registered_name")}
    for key, method in (("build_config", "get_build_config"), ("compile_config", "get_compile_config")):
        if hasattr(obj, method):
            value = getattr(obj, method)()
            if value is not None:
                config[key] = serialize_dict(value)
    if config["module"] == "__main__":
        config["module"] = None
    _record_written(obj, config)
    return config


def serialize_dict(obj):
    return {key: serialize_keras_object(value) for key, value in obj.items()}


def _serialize_special(obj):
    """Tensors, arrays, slices, bytes, lambdas; None for anything else."""
    if isinstance(obj, KerasTensor):
        history = getattr(obj, "_keras_history", None)
        if history:
            history = [history.operation.name, *history[1:]]
        config = {"shape": obj.shape, "dtype": obj.dtype, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}
    if is_tensor(obj):
        return _array_config("__tensor__", convert_to_numpy(obj))
    if isinstance(obj, (np.ndarray, np.generic)):
        return _array_config("__numpy__", obj) if obj.ndim else obj.item()
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        config = {k: serialize_keras_object(getattr(obj, k)) for k in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": config}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if lambdas.is_lambda(obj):
        return lambdas.lambda_config(obj, {"value": lambdas.dump(obj)})
    return None


def _array_config(class_name, array):
    return {
        "class_name": class_name,
        "config": {"value": array.tolist(), "dtype": standardize_dtype(array.dtype)},
    }


def _get_config(obj):
    if hasattr(obj, "get_config") and not isinstance(obj, type):
        config = obj.get_config()
        if not isinstance(config, dict):
            raise TypeError(f"The `get_config()` method of {obj} should return a dict. It returned: {config}")
        return serialize_dict(config)
    if hasattr(obj, "__name__"):
        return object_registration.get_registered_name(obj)
    raise TypeError(
        f"Cannot serialize object {obj} of type {type(obj)}. To be serializable, a class must implement the "
        "`get_config()` method."
    )


def _names(obj, is_function):
    if is_function:
        return {"module": "builtins", "class_name": "function", "registered_name": "function"}
    cls = type(obj)
    path = registry.keras_path(cls)
    if path is not None:
        module, name = path
        return {
            "module": module,
            "class_name": name,
            "registered_name": name if registry.is_internal(module) else None,
        }
    registered_name = object_registration.get_registered_name(cls)
    return {"module": cls.__module__, "class_name": cls.__name__, "registered_name": registered_name}


class SerializableDict:
    """A dict of objects that are written when asked for."""

    def __init__(self, **config):
        self.config = config

    def serialize(self):
        return serialize_keras_object(self.config)


# -- reading


def deserialize_keras_object(config, custom_objects=None, safe_mode=True, **kwargs):
    """The object that `serialize_keras_object` wrote.

    Args:
        config: dict, list or plain value.
        custom_objects: `{name: class or function}` of the user. They do not replace built-in objects.
        safe_mode: kept for Keras's sake: code in a config is never run.
        module_objects: a namespace's `{name: object}`, in which a string or a class name is looked up.

    Raises:
        TypeError: an object that is neither built in nor known.
        ValueError: an object that a file may not hold.
    """
    module_objects = kwargs.pop("module_objects", None)
    if kwargs:
        raise TypeError(f"Unexpected keyword arguments: {', '.join(kwargs)}")
    scope = in_safe_mode()
    custom_objects = {
        **(custom_objects or {}),
        **object_registration.scoped_custom_objects(),
        **object_registration.GLOBAL_CUSTOM_OBJECTS,
    }
    reader = _Reader(custom_objects, safe_mode if scope is None else scope)
    if module_objects is not None:
        return reader.read_from(config, module_objects)
    return reader.read(config)


def _unknown(kind, name, config):
    return TypeError(
        f"Could not locate {kind} '{name}'. Make sure custom classes and functions are decorated with "
        "`@keras.saving.register_keras_serializable()`. If they are already decorated, make sure they are "
        "all imported so that the decorator is run before trying to load them. "
        f"Full object config: {config}"
    )


class _Reader:
    def __init__(self, custom_objects, safe_mode):
        self.custom_objects = custom_objects
        self.safe_mode = safe_mode

    def read(self, config):
        if config is None:
            return None
        if isinstance(config, str):
            return self.custom_objects.get(config, config)
        if isinstance(config, PLAIN_TYPES):
            return config
        if isinstance(config, (list, tuple)):
            return [self.read(x) for x in config]
        if not isinstance(config, dict):
            raise TypeError(f"Could not parse config: {config}")
        if "class_name" not in config or "config" not in config:
            return {key: self.read(value) for key, value in config.items()}
        name = config["class_name"]
        if not isinstance(name, str):
            raise TypeError(f"Expected 'class_name' to be a str, instead got {type(name)}. Config: {config}")
        if name.startswith("__") and name.endswith("__"):
            return self._special(name, config)
        if name == "function":
            return self._function(config)
        return self._object(config)

    def read_from(self, config, module_objects):
        """`config` as an object of one namespace: a name, or a config with or without module."""
        if config is None:
            return None
        if isinstance(config, str):
            if config in self.custom_objects:
                return self.custom_objects[config]
            found = module_objects.get(config, config)
            return found() if isinstance(found, type) else found
        if isinstance(config, (list, tuple)):
            return [self.read(x) for x in config]
        if not isinstance(config, dict):
            return config
        if "class_name" not in config:
            raise ValueError(f"Unknown `config` as a `dict`, config={config}")
        name, inner = config["class_name"], config.get("config")
        if name == "function" and isinstance(inner, str):
            if inner not in self.custom_objects and inner in module_objects:
                return module_objects[inner]
            return self._function(config)
        if lambdas.is_lambda_config(config):
            return lambdas.load(config, None, self.custom_objects, self.safe_mode)
        custom = config.get("registered_name") in self.custom_objects or name in self.custom_objects
        module = config.get("module", "")
        if module is None and not custom and name not in module_objects:
            raise TypeError(
                f"Cannot deserialize object of type `{name}`. If `{name}` is a custom class, please register "
                "it using the `@keras.saving.register_keras_serializable()` decorator."
            )
        if not module and not custom and name in module_objects:
            return self._revive(module_objects[name], config)
        return self._object(config)

    def _special(self, name, config):
        inner = config["config"]
        if name == "__lambda__":
            return lambdas.load(config, None, self.custom_objects, self.safe_mode)
        if name == "__typespec__" and not isinstance(inner, (list, tuple)):
            raise TypeError(f"Expected 'config' to be a list or a tuple for {name}, got {type(inner)}")
        if name != "__typespec__" and not isinstance(inner, dict):
            raise TypeError(f"Expected 'config' to be a dict for {name}, instead got {type(inner)}: {config}")
        if name == "__keras_tensor__":
            tensor = KerasTensor(inner["shape"], dtype=inner["dtype"])
            tensor._pre_serialization_keras_history = inner["keras_history"]
            return tensor
        if name == "__tensor__":
            return convert_to_tensor(inner["value"], dtype=inner["dtype"])
        if name == "__numpy__":
            return np.array(inner["value"], dtype=_numpy_dtype(inner["dtype"]))
        if name == "__bytes__":
            return inner["value"].encode("utf-8")
        if name == "__ellipsis__":
            return Ellipsis
        if name == "__slice__":
            return slice(*(self.read(inner[k]) for k in ("start", "stop", "step")))
        raise ValueError(f"A config may not hold '{name}': {config}")

    def _function(self, config):
        name = config["config"]
        if not isinstance(name, str):
            raise TypeError(
                "Expected 'config' to be a non-null str for a function, instead got "
                f"{type(name)}. Full config: {config}"
            )
        if name in self.custom_objects:
            return self.custom_objects[name]
        module = config.get("module") or "builtins"
        if module == "builtins" or module.startswith("keras."):
            found = registry.find_function(module, name)
            if found is not None:
                self._check_registered_name(config, name, "function")
                return found
        # Keras before 3.7 wrote a registered function by its bare name.
        for key, value in self.custom_objects.items():
            if key.endswith(f">{name}"):
                return value
        raise _unknown("function", name, config)

    def _check_registered_name(self, config, *allowed):
        name = config.get("registered_name")
        if name and name not in (*allowed, config["class_name"]):
            raise ValueError(
                f"`registered_name={name!r}` was provided in the config, but it resolved to a Keras "
                f"built-in, which uses no registered name. Full object config: {config}"
            )

    def _class(self, config):
        name, module = config["class_name"], config.get("module")
        registered_name = config.get("registered_name") or name
        if not isinstance(registered_name, str) or not isinstance(module, (str, type(None))):
            raise TypeError(f"'module' and 'registered_name' must be strings. Full object config: {config}")
        if module == "keras" or (module or "").startswith("keras."):
            cls = registry.find_class(module, name)
            if cls is not None:
                self._check_registered_name(config)
                return cls
        if registered_name in self.custom_objects:
            return self.custom_objects[registered_name]
        if "module" not in config:  # older files name the class only
            cls = registry.find_class_by_name(name)
            if cls is not None:
                return cls
        raise _unknown("class", name, config)

    def _object(self, config):
        config = legacy_config.rename(config)
        if not isinstance(config.get("config", ""), (dict, type(None))):
            raise TypeError(
                f"Expected 'config' to be a dict for {config['class_name']}, instead got "
                f"{type(config.get('config'))}. Full config: {config}"
            )
        shared = get_global_attribute("shared_objects/id_to_obj_map")
        shared_id = config.get("shared_object_id")
        if shared is not None and shared_id is not None and shared_id in shared:
            return shared[shared_id]
        cls = self._class(config)
        if isinstance(cls, types.FunctionType):
            return cls
        obj = self._revive(cls, config)
        if shared is not None and shared_id is not None:
            shared[shared_id] = obj
        return obj

    def _revive(self, cls, config):
        if not hasattr(cls, "from_config"):
            raise TypeError(
                f"Unable to reconstruct an instance of '{config['class_name']}' because the class is missing "
                f"a `from_config()` method. Full object config: {config}"
            )
        # A copy of the top level: from_config() methods take entries out.
        arguments = dict(config.get("config") or {})
        misfits = TypeError
        if cls.__module__.startswith("oxhorn."):
            arguments = legacy_config.upgrade(cls, arguments)
            misfits = (TypeError, KeyError, IndexError, AttributeError)
        with object_registration.CustomObjectScope(self.custom_objects), SafeModeScope(self.safe_mode):
            try:
                obj = cls.from_config(arguments)
            except misfits as error:
                raise TypeError(
                    f"{cls} could not be deserialized properly. Please ensure that components that are "
                    "Python object instances (layers, models, etc.) returned by `get_config()` are "
                    f"explicitly deserialized in the model's `from_config()` method.\n\nconfig={config}.\n\n"
                    f"Exception encountered: {error}"
                ) from error
            build_config = config.get("build_config")
            if build_config and not obj.built:
                obj.build_from_config(build_config)
                obj.built = True
            compile_config = config.get("compile_config")
            if compile_config:
                obj.compile_from_config(compile_config)
                obj.compiled = True
        return obj


def _numpy_dtype(name):
    name = standardize_dtype(name)
    if name.startswith(("bfloat16", "float8")):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(str if name == "string" else name)
