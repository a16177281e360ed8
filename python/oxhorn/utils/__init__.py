"""Helpers around models. Each is imported when it is first used."""

from oxhorn._base import lazy as _lazy

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "_base.dtypes": "standardize_dtype",
        "_base.global_state": "clear_session",
        "_base.keras_tensor": "is_keras_tensor",
        "_base.settings": (
            "disable_interactive_logging enable_interactive_logging is_interactive_logging_enabled"
        ),
        "_training.data_adapters.py_dataset_adapter": "PyDataset Sequence",
        "_training.data_adapters.utils": "pack_x_y_sample_weight unpack_x_y_sample_weight",
        "saving.object_registration": (
            "CustomObjectScope custom_object_scope get_custom_objects get_registered_name "
            "get_registered_object register_keras_serializable"
        ),
        "saving.serialization_lib": "deserialize_keras_object serialize_keras_object",
        "utils.audio_dataset_utils": "audio_dataset_from_directory",
        "utils.dataset_utils": "split_dataset",
        "utils.file_utils": "get_file",
        "utils.image_dataset_utils": "image_dataset_from_directory",
        "utils.image_utils": "array_to_img img_to_array load_img save_img",
        "utils.numerical_utils": "normalize to_categorical",
        "utils.progbar": "Progbar",
        "utils.rng_utils": "set_random_seed",
        "utils.sequence_utils": "pad_sequences",
        "utils.text_dataset_utils": "text_dataset_from_directory",
        "utils.timeseries_dataset_utils": "timeseries_dataset_from_array",
    },
)
