"""Which built-in objects a file may name, and what it calls them.

A file can reach the classes and functions that these namespaces export, and nothing else: no other module is
imported, and no other attribute looked up, because a file says so.
"""

import functools
import importlib
import inspect

from oxhorn._base.saveable import KerasSaveable

# Namespaces whose exported classes a file may hold.
_CLASS_NAMESPACES = (
    "layers",
    "models",
    "losses",
    "metrics",
    "optimizers",
    "optimizers.schedules",
    "initializers",
    "regularizers",
    "constraints",
    "dtype_policies",
    "quantizers",
    "random",
    "distillation",
)
# Namespaces whose functions a file may name: pure functions of tensors.
_FUNCTION_NAMESPACES = (
    "activations",
    "constraints",
    "initializers",
    "losses",
    "metrics",
    "optimizers",
    "regularizers",
)
# Layers of applications, which Keras does not export but files of these models hold: where they are.
_APPLICATION_LAYERS = {
    "LayerScale": "convnext",
    "StochasticDepth": "convnext",
    "CustomScaleLayer": "inception_resnet_v2",
}
_NOT_PURE = frozenset(("get", "serialize", "deserialize"))
# Classes whose module in files is not the namespace of their folder.
_INTERNAL = "keras.src."


def keras_path(cls):
    """`(module, name)` of a built-in class in Keras's files, or None for a class of the user."""
    module = cls.__module__
    if not module.startswith("oxhorn."):
        return None
    own = vars(cls)
    keras_module = own.get("_keras_module")
    if keras_module is None:
        if module.startswith("oxhorn.optimizers.schedules"):
            keras_module = "keras.optimizers.schedules"
        else:
            keras_module = f"keras.{module.split('.')[1]}"
    return keras_module, own.get("_keras_name", cls.__name__)


def is_internal(keras_module):
    """Whether a class of this module is one that Keras does not export."""
    return keras_module.startswith(_INTERNAL)


def _namespace(name):
    """An Oxhorn namespace of our own list, or None if it does not exist."""
    try:
        return importlib.import_module(f"oxhorn.{name}")
    except ModuleNotFoundError as error:
        if not f"oxhorn.{name}".startswith(str(error.name)):
            raise
        return None


def _is_savable_class(obj):
    return (
        inspect.isclass(obj)
        and obj.__module__.startswith("oxhorn.")
        and (issubclass(obj, KerasSaveable) or (hasattr(obj, "get_config") and hasattr(obj, "from_config")))
    )


@functools.cache
def _exports(namespace):
    """The names that a namespace exports."""
    module = _namespace(namespace)
    return frozenset() if module is None else frozenset(n for n in dir(module) if not n.startswith("_"))


def _export(namespace, name):
    return getattr(_namespace(namespace), name) if name in _exports(namespace) else None


def _class(namespace, name):
    """A class that a namespace exports and a file may hold, or None."""
    found = _export(namespace, name)
    return found if _is_savable_class(found) else None


def _function(namespace, name):
    """A function that a namespace exports and a file may name, or None."""
    found = _export(namespace, name)
    own = inspect.isfunction(found) and not found.__module__.startswith("oxhorn._")
    return found if own and name not in _NOT_PURE else None


@functools.cache
def _top_level_classes():
    from oxhorn.dtype_policies import DTypePolicy, FloatDTypePolicy
    from oxhorn.layers import InputSpec, Layer
    from oxhorn.models import Functional, Model, Sequential

    classes = (DTypePolicy, FloatDTypePolicy, InputSpec, Layer, Model, Sequential, Functional)
    return {cls.__name__: cls for cls in classes}


def _operation_class(module, name):
    import oxhorn.ops  # noqa: F401  fills the table
    from oxhorn._base.op import operation_class

    return operation_class(module, name)


def find_class(module, name):
    """The built-in class that a file calls `module`.`name`, or None."""
    if not isinstance(name, str):
        return None
    if module == "keras":
        return _top_level_classes().get(name)
    if module.startswith("keras.src.ops."):
        return _operation_class(module, name)
    application = _APPLICATION_LAYERS.get(name)
    if application is not None and module == f"keras.src.applications.{application}":
        return getattr(importlib.import_module(f"oxhorn.applications.{application}"), name)
    area = module.removeprefix("keras.").removeprefix("src.")
    if area in _CLASS_NAMESPACES:
        found = _class(area, name)
        if found is not None:
            return found
    area = area.split(".")[0]
    if name == "Functional" and area in ("models", "engine"):
        return _top_level_classes()["Functional"]
    return _class(area, name) if is_internal(module) and area in _CLASS_NAMESPACES else None


def find_class_by_name(name):
    """The built-in class of this name in any namespace: for files that hold no module."""
    for cls in (_top_level_classes().get(name), *(_class(n, name) for n in _CLASS_NAMESPACES)):
        if cls is not None:
            return cls
    return None


def find_function(module, name):
    """The built-in function that a file calls `module`.`name` (`builtins`: of any namespace), or None."""
    namespaces = _FUNCTION_NAMESPACES if module == "builtins" else (module.removeprefix("keras."),)
    for namespace in namespaces:
        if namespace in _FUNCTION_NAMESPACES:
            # Some public "functions" are classes under an older name.
            found = _function(namespace, name) or _class(namespace, name)
            if found is not None:
                return found
    return None
