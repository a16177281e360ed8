"""Writing models and their parts to files, and reading them."""

from oxhorn.saving.object_registration import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from oxhorn.saving.serialization_lib import deserialize_keras_object, serialize_keras_object

_LAZY = {
    "KerasFileEditor": "file_editor",
    "load_model": "saving_api",
    "load_weights": "saving_api",
    "save_model": "saving_api",
    "save_weights": "saving_api",
}


def __getattr__(name):
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(f"oxhorn.saving.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
