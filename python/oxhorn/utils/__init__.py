"""Helpers around models. Each is imported when it is first used."""

import importlib

# Where each public name is defined.
_NAMES = {
    "CustomObjectScope": "saving.object_registration",
    "PyDataset": "_training.data_adapters.py_dataset_adapter",
    "Sequence": "_training.data_adapters.py_dataset_adapter",
    "Progbar": "utils.progbar",
    "array_to_img": "utils.image_utils",
    "audio_dataset_from_directory": "utils.audio_dataset_utils",
    "clear_session": "_base.global_state",
    "custom_object_scope": "saving.object_registration",
    "deserialize_keras_object": "saving.serialization_lib",
    "disable_interactive_logging": "_base.settings",
    "enable_interactive_logging": "_base.settings",
    "get_custom_objects": "saving.object_registration",
    "get_file": "utils.file_utils",
    "get_registered_name": "saving.object_registration",
    "get_registered_object": "saving.object_registration",
    "image_dataset_from_directory": "utils.image_dataset_utils",
    "img_to_array": "utils.image_utils",
    "is_interactive_logging_enabled": "_base.settings",
    "is_keras_tensor": "_base.keras_tensor",
    "load_img": "utils.image_utils",
    "normalize": "utils.numerical_utils",
    "pad_sequences": "utils.sequence_utils",
    "register_keras_serializable": "saving.object_registration",
    "save_img": "utils.image_utils",
    "serialize_keras_object": "saving.serialization_lib",
    "set_random_seed": "utils.rng_utils",
    "split_dataset": "utils.dataset_utils",
    "text_dataset_from_directory": "utils.text_dataset_utils",
    "timeseries_dataset_from_array": "utils.timeseries_dataset_utils",
    "pack_x_y_sample_weight": "_training.data_adapters.utils",
    "standardize_dtype": "_base.dtypes",
    "to_categorical": "utils.numerical_utils",
    "unpack_x_y_sample_weight": "_training.data_adapters.utils",
}


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"oxhorn.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_NAMES})
