"""Writing models and their parts to files, and reading them."""

from oxhorn._base import lazy as _lazy

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "saving.file_editor": "KerasFileEditor",
        "saving.object_registration": (
            "CustomObjectScope custom_object_scope get_custom_objects get_registered_name "
            "get_registered_object register_keras_serializable"
        ),
        "saving.saving_api": "load_model load_weights save_model save_weights",
        "saving.serialization_lib": "deserialize_keras_object serialize_keras_object",
    },
)
