"""The values behind `oxhorn.config`. `~/.keras/keras.json` and `KERAS_HOME` are honoured, as in Keras."""

import os

from oxhorn._base.global_state import get_global_attribute, set_global_attribute

_FLOATX = ("bfloat16", "float16", "float32", "float64")
_DATA_FORMATS = ("channels_last", "channels_first")
_values = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


def backend():
    """The name of the engine: always "oxhorn"."""
    return "oxhorn"


def set_backend(backend):
    """Does nothing for "oxhorn"; there is no other engine, so any other name is a ValueError."""
    if backend != "oxhorn":
        raise ValueError(
            f"Oxhorn is its own backend; available backends: 'oxhorn'. Received: backend={backend}"
        )


def floatx():
    """The default float dtype, e.g. "float32"."""
    return _values["floatx"]


def set_floatx(value):
    """Sets the default float dtype: bfloat16, float16, float32 or float64."""
    if value not in _FLOATX:
        raise ValueError(f"Unknown `floatx` value: {value}. Expected one of {_FLOATX}")
    _values["floatx"] = str(value)


def epsilon():
    """The small number that keeps divisions and logarithms finite."""
    return _values["epsilon"]


def set_epsilon(value):
    """Sets `epsilon()`."""
    _values["epsilon"] = value


def image_data_format():
    """ "channels_last" or "channels_first"."""
    return _values["image_data_format"]


def standardize_data_format(data_format):
    """`data_format` in lower case, the default for None; ValueError if it is neither of the two."""
    if data_format is None:
        return image_data_format()
    data_format = str(data_format).lower()
    if data_format not in _DATA_FORMATS:
        raise ValueError(
            f"The `data_format` argument must be one of {_DATA_FORMATS}. Received: data_format={data_format}"
        )
    return data_format


def set_image_data_format(data_format):
    """Sets the default image data format."""
    _values["image_data_format"] = standardize_data_format(str(data_format))


def max_epochs():
    """The cap on epochs of `fit`, or None (environment: KERAS_MAX_EPOCHS)."""
    return _values["max_epochs"]


def set_max_epochs(max_epochs):
    """Caps the epochs of every `fit`, for debugging; None lifts the cap."""
    _values["max_epochs"] = max_epochs


def max_steps_per_epoch():
    """The cap on steps per epoch, or None (environment: KERAS_MAX_STEPS_PER_EPOCH)."""
    return _values["max_steps_per_epoch"]


def set_max_steps_per_epoch(max_steps_per_epoch):
    """Caps the steps of every epoch, evaluation and prediction, for debugging; None lifts the cap."""
    _values["max_steps_per_epoch"] = max_steps_per_epoch


def enable_flash_attention():
    """Lets attention use a fused kernel where there is one (the default)."""
    set_global_attribute("flash_attention", None)


def disable_flash_attention():
    """Keeps attention from using a fused kernel."""
    set_global_attribute("flash_attention", False)


def is_flash_attention_enabled():
    """False if disabled, else None: used where possible."""
    return get_global_attribute("flash_attention")


def is_nnx_enabled():
    """Always False: NNX belongs to JAX."""
    return False


def enable_traceback_filtering():
    """Turns on the extra lines that errors raised inside layers carry (the default)."""
    set_global_attribute("traceback_filtering", True)


def disable_traceback_filtering():
    """Turns them off."""
    set_global_attribute("traceback_filtering", False)


def is_traceback_filtering_enabled():
    """Whether errors raised inside layers say which layer was called with what."""
    return get_global_attribute("traceback_filtering", True)


def enable_interactive_logging():
    """Progress bars and messages go to stdout (the default)."""
    set_global_attribute("interactive_logging", True)


def disable_interactive_logging():
    """Progress bars and messages go to `logging`."""
    set_global_attribute("interactive_logging", False)


def is_interactive_logging_enabled():
    """Whether progress bars and messages go to stdout."""
    return get_global_attribute("interactive_logging", True)


def enable_unsafe_deserialization():
    """Raises: Oxhorn has no switch that lets a model file run code.

    Load such a model with `custom_objects={"<name of the Lambda layer>": function}`.
    """
    raise NotImplementedError(
        "Oxhorn never runs code stored in a model file, so there is no unsafe mode to enable. For a Lambda "
        "layer, pass its function by the layer's name: "
        '`load_model(path, custom_objects={"name": function})`.'
    )


def keras_home():
    """The folder of the configuration file and of downloads."""
    home = os.environ.get("KERAS_HOME")
    if home is None:
        base = os.path.expanduser("~")
        home = os.path.join(base if os.access(base, os.W_OK) else "/tmp", ".keras")
    return home


def _load():
    path = os.path.join(keras_home(), "keras.json")
    config = {}
    if os.path.exists(path):
        import json

        try:
            with open(path, encoding="utf-8") as file:
                config = json.load(file)
        except (OSError, ValueError):
            pass
    for setter in (set_floatx, set_epsilon, set_image_data_format):
        key = setter.__name__.removeprefix("set_")
        if key in config:
            setter(config[key])
    for key in ("max_epochs", "max_steps_per_epoch"):
        value = os.environ.get(f"KERAS_{key.upper()}")
        if value:
            _values[key] = int(value)


_load()
