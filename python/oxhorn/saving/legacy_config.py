"""Configurations written by Keras 2, read as if Keras 3 had written them.

Data to data: names and arguments that Keras 3 renamed or dropped are replaced one object at a time, just
before the object is made. What an older argument asked for and Keras 3 cannot do stays in the config, so that
the constructor refuses it.
"""

import warnings

from oxhorn._base.naming import auto_name

# Class names of TensorFlow 1.x and of retired layers, and what they are called now.
_RENAMED = {
    "ThresholdedReLU": "ReLU",
    **{f"{name}V{i}": name for name in ("BatchNormalization", "GRU", "LSTM") for i in (1, 2)},
    **{f"{name}CellV{i}": f"{name}Cell" for name in ("GRU", "LSTM") for i in (1, 2)},
}
_RECURRENT = frozenset(("RNN", "SimpleRNN", "SimpleRNNCell", "GRU", "GRUCell", "LSTM", "LSTMCell"))
_WITHOUT_GROUPS = frozenset(
    (
        *("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
        *("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    )
)
# Arguments that are gone: they may have this value. `...`: any, since it never changed a result.
_GONE = {
    "BatchNormalization": {"renorm": False, "fused": ..., "virtual_batch_size": None, "adjustment": None},
    "Attention": {"causal": False},
    "AdditiveAttention": {"causal": False},
    "MultiHeadAttention": {"query_shape": ..., "key_shape": ..., "value_shape": ...},
    "Embedding": {"input_length": ...},
    **{name: {"groups": 1} for name in _WITHOUT_GROUPS},
    **{name: {"time_major": False, "implementation": ...} for name in _RECURRENT},
}
for _name in ("SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D"):
    _GONE[_name].update({f"kernel_{part}": ... for part in ("initializer", "regularizer", "constraint")})
_OPTIMIZERS_GONE = {"jit_compile": ..., "is_legacy_optimizer": ..., "schedule_decay": ...}
_ACTIVATIONS = {"softmax_v2": "softmax", "relu_v2": "relu"}
_ACTIVATION_ARGUMENTS = ("activation", "recurrent_activation")


def loads(text):
    """JSON with Keras 2's spellings of tuples, shapes, arrays and the ellipsis.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    import json

    try:
        return json.loads(text, object_hook=_plain)
    except RecursionError:
        raise ValueError("The configuration is nested too deeply.") from None


def _plain(value):
    kind = value.get("class_name")
    if kind == "__tuple__" and isinstance(value.get("items"), list):
        return tuple(value["items"])
    if kind == "TensorShape" and isinstance(value.get("items"), list):
        return value["items"]
    if kind == "__ellipsis__":
        return Ellipsis
    if value.get("type") == "ndarray" and "value" in value:
        return value["value"]
    return value


def rename(config):
    """An object's dict, with the class's name of today and a dict as its "config"."""
    name, inner = config["class_name"], config.get("config")
    if name == "Sequential" and isinstance(inner, list):  # up to Keras 2.1
        return {**config, "config": {"name": auto_name("sequential"), "layers": inner}}
    if config.get("module") is not None or name not in _RENAMED:
        return config
    if name == "ThresholdedReLU" and isinstance(inner, dict):
        inner = {("threshold" if key == "theta" else key): value for key, value in inner.items()}
    return {**config, "class_name": _RENAMED[name], "config": inner}


def upgrade(cls, config):
    """The arguments of a built-in class, as it takes them today. Returns a new dict."""
    config = dict(config)
    namespace = cls.__module__.split(".")[1]
    if namespace in ("layers", "models"):
        _upgrade_layer(cls.__name__, config)
    elif namespace == "initializers":
        config.pop("dtype", None)
    elif namespace == "optimizers":
        _upgrade_optimizer(config)
    elif namespace == "losses":
        _drop(config, {"reduction": "auto"})
    elif cls.__name__ == "MeanMetricWrapper" and isinstance(config.get("fn"), str):
        config["fn"] = {"module": "builtins", "class_name": "function", "config": config["fn"]}
    return config


def _drop(config, arguments):
    for key, neutral in arguments.items():
        if key in config and (neutral is ... or config[key] == neutral):
            del config[key]


def _upgrade_layer(name, config):
    shape = config.pop("batch_input_shape", None)
    if name == "InputLayer" and shape is not None:
        config["batch_shape"] = shape
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and dtype.get("class_name") in ("Policy", "PolicyV1"):
        config["dtype"] = dtype["config"]["name"]
    for key in _ACTIVATION_ARGUMENTS:
        if isinstance(config.get(key), str):
            config[key] = _ACTIVATIONS.get(config[key], config[key])
    if name in ("GRU", "GRUCell") and "implementation" in config:
        # Before there was a choice the reset gate came first; Keras 3 never writes `implementation`.
        config.setdefault("reset_after", False)
    if "implementation" in config and "hard_sigmoid" in (config.get(key) for key in _ACTIVATION_ARGUMENTS):
        warnings.warn(
            f"The layer '{config.get('name')}' was saved by Keras 2, whose `hard_sigmoid` was "
            "`clip(0.2 * x + 0.5, 0, 1)`. As in Keras 3 it is `clip(x / 6 + 0.5, 0, 1)` now, so the outputs "
            "differ from those of the model that was saved.",
            stacklevel=2,
        )
    _drop(config, _GONE.get(name, {}))
    if name == "BatchNormalization" and isinstance(config.get("axis"), (list, tuple)):
        if len(config["axis"]) == 1:
            config["axis"] = config["axis"][0]
    elif name == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    elif name == "Lambda":
        _upgrade_lambda(config)
    elif name == "Sequential":
        _give_input_layer(config)


def _upgrade_lambda(config):
    for key in ("module", "function_type", "output_shape_type", "output_shape_module"):
        config.pop(key, None)
    for key in ("function", "output_shape", "mask"):
        value = config.get(key)
        # Marshalled code, defaults and closure: recognised, so that it can be refused.
        if isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str):
            config[key] = {"class_name": "__lambda__", "config": {"code": value[0]}}


def _give_input_layer(config):
    """The input shape used to be an argument of a `Sequential`'s first layer."""
    layers = config.get("layers")
    if not isinstance(layers, list) or not layers or not isinstance(layers[0], dict):
        return
    first = layers[0].get("config")
    if layers[0].get("class_name") == "InputLayer" or not isinstance(first, dict):
        return
    shape = first.get("batch_input_shape")
    if shape is not None:
        entry = {"batch_shape": shape, "dtype": first.get("dtype"), "name": f"{first.get('name')}_input"}
        if not isinstance(entry["dtype"], str) or entry["dtype"].startswith("mixed"):
            entry["dtype"] = "float32"
        config["layers"] = [{"class_name": "InputLayer", "config": entry}, *layers]


def _upgrade_optimizer(config):
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    _drop(config, _OPTIMIZERS_GONE)
    decay = config.pop("decay", 0.0)
    if decay and isinstance(config.get("learning_rate"), (int, float)):
        # Keras 2's own decay, in the words of today: rate / (1 + decay * step).
        schedule = {"initial_learning_rate": config["learning_rate"], "decay_steps": 1, "decay_rate": decay}
        config["learning_rate"] = {"class_name": "InverseTimeDecay", "config": schedule}
