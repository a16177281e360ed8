"""Objects to configs and back; and what a config may not do."""

import json

import keras
import numpy as np
import pytest

import oxhorn
from oxhorn import layers, saving

VALUES = [
    None,
    True,
    1.5,
    "text",
    [1, (2, "a")],
    {"a": {"b": [None]}},
    np.float32(2.5),
    np.arange(3, dtype="int16"),
    b"bytes",
    slice(1, None, 2),
    Ellipsis,
]


def normal(value):
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_like_keras(value):
    ours, theirs = saving.serialize_keras_object(value), keras.saving.serialize_keras_object(value)
    assert normal(ours) == normal(theirs)
    results = [k.saving.deserialize_keras_object(normal(ours)) for k in (oxhorn, keras)]
    assert repr(results[0]) == repr(results[1])


OBJECTS = [
    lambda k: k.layers.Dense(2, kernel_regularizer=k.regularizers.L2(0.25), activation="relu", name="d"),
    lambda k: k.layers.Conv2D(2, 3, kernel_initializer=k.initializers.HeNormal(seed=3), name="c"),
    lambda k: k.layers.Bidirectional(k.layers.LSTM(2, name="lstm"), name="b"),
    lambda k: k.initializers.Constant(0.5),
    lambda k: k.constraints.MaxNorm(1.5),
    lambda k: k.DTypePolicy("mixed_float16"),
    lambda k: k.losses.MeanSquaredError(name="loss"),
    lambda k: k.metrics.BinaryAccuracy(threshold=0.25),
    lambda k: k.losses.mean_squared_error,
]


@pytest.mark.parametrize("make", OBJECTS)
def test_objects_like_keras(make):
    ours, theirs = (normal(k.saving.serialize_keras_object(make(k))) for k in (oxhorn, keras))
    assert ours == theirs
    again = saving.deserialize_keras_object(theirs)
    assert normal(saving.serialize_keras_object(again)) == theirs


def test_an_object_met_twice_is_read_once():
    from oxhorn.saving.serialization_lib import ObjectSharingScope

    layer = layers.Dense(2)
    with ObjectSharingScope():
        config = normal(saving.serialize_keras_object([layer, layer]))
    assert config[0]["shared_object_id"] == config[1]["shared_object_id"]
    with ObjectSharingScope():
        a, b = saving.deserialize_keras_object(config)
    assert a is b


class Custom(layers.Layer):
    def __init__(self, units=1, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def own_activation(x):
    return x


def test_custom_objects():
    config = normal(saving.serialize_keras_object(Custom(3)))
    assert config["registered_name"] == "Custom"
    with pytest.raises(TypeError, match="Could not locate class 'Custom'"):
        saving.deserialize_keras_object(config)
    assert saving.deserialize_keras_object(config, custom_objects={"Custom": Custom}).units == 3
    with saving.CustomObjectScope({"Custom": Custom}):
        assert saving.deserialize_keras_object(config).units == 3

    dense = normal(saving.serialize_keras_object(layers.Dense(1, activation=own_activation)))
    custom = {"own_activation": own_activation}
    assert saving.deserialize_keras_object(dense, custom_objects=custom).activation is own_activation
    with pytest.raises((TypeError, ValueError)):
        saving.deserialize_keras_object(dense)


def test_registration():
    decorated = saving.register_keras_serializable("pkg", "Named")(Custom)
    try:
        assert decorated is Custom and saving.get_registered_name(Custom) == "pkg>Named"
        assert saving.get_registered_object("pkg>Named") is Custom
        config = normal(saving.serialize_keras_object(Custom(3)))
        assert config["registered_name"] == "pkg>Named"
        assert saving.deserialize_keras_object(config).units == 3
    finally:
        saving.get_custom_objects().pop("pkg>Named")
        saving.object_registration.GLOBAL_CUSTOM_NAMES.pop(Custom)
    with pytest.raises(ValueError):
        saving.register_keras_serializable()(type("NoConfig", (), {}))


def obj(module, name, config=None, **more):
    return {"module": module, "class_name": name, "config": {} if config is None else config, **more}


def node(config):
    """A functional model whose dead node calls an operation with the object as argument."""
    x = oxhorn.Input((2,), name="x")
    model = normal(saving.serialize_keras_object(oxhorn.Model(x, x + 1.0)))
    model["config"]["layers"].append(
        {
            **obj("keras.src.ops.core", "Switch", {"name": "switch"}),
            "name": "switch",
            "inbound_nodes": [{"args": [0, [config]], "kwargs": {}}],
        }
    )
    return model


DENSE = {"units": 1}
FUNCTION = {"class_name": "function", "registered_name": "function"}
REFUSED = [
    obj("os", "system"),
    obj("builtins", "eval"),
    obj("keras.utils", "get_file"),
    obj("keras.saving", "load_model"),
    obj("keras.src.utils.file_utils", "get_file"),
    obj("keras.src.saving.serialization_lib", "SafeModeScope"),
    obj("keras.layers", "TFSMLayer", {"filepath": "/tmp/x"}),
    obj("keras.layers", "TorchModuleWrapper", {"module": "x"}),
    obj("keras.layers", "__init__"),
    obj("keras.layers", "Layer.__subclasses__"),
    obj("keras.layers", ["Dense"], DENSE),
    obj("keras.layers", "Dense", "units"),
    obj(["keras.layers"], "Dense", DENSE),
    obj("keras.layers", "Dense", DENSE, registered_name="builtins.eval"),
    obj("keras_hub.models", "Backbone"),
    {**FUNCTION, "module": "builtins", "config": "eval"},
    {**FUNCTION, "module": "os", "config": "system"},
    {**FUNCTION, "module": "keras.utils", "config": "get_file"},
    {**FUNCTION, "module": "builtins", "config": "get_file"},
    {**FUNCTION, "module": "builtins", "config": "deserialize"},
    {**FUNCTION, "module": "builtins", "config": "set_dtype_policy"},
    {**FUNCTION, "module": "keras.config", "config": "set_floatx"},
    {**FUNCTION, "module": "builtins", "config": ["relu"]},
    {**FUNCTION, "module": "builtins", "config": "relu", "registered_name": "os.system"},
    {"class_name": "__lambda__", "config": {"value": ["code", None, None]}},
    {"class_name": "__typespec__", "config": [], "spec_name": "x", "module": "os", "registered_name": None},
    {"class_name": "__numpy__", "config": {"value": [1], "dtype": "object"}},
    {"class_name": "__tensor__", "config": {"value": [1], "dtype": "O"}},
    {"class_name": "__reduce__", "config": {}},
    {"class_name": "Backbone", "config": {}},
]


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"a": [x]}, node], ids=["bare", "nested", "node"])
@pytest.mark.parametrize("config", REFUSED, ids=lambda x: f"{x.get('module')}.{x['class_name']}")
def test_refused(config, wrap):
    """None of these is imported, called or built, with or without safe mode."""
    for safe_mode in (True, False):
        with pytest.raises((TypeError, ValueError)):
            saving.deserialize_keras_object(wrap(config), safe_mode=safe_mode)


def test_custom_objects_do_not_replace_builtin_classes():
    config = saving.serialize_keras_object(layers.Dense(1))
    for name in ("Dense", "keras.layers>Dense"):
        loaded = saving.deserialize_keras_object(config, custom_objects={name: Custom})
        assert type(loaded) is layers.Dense


def test_no_switch_for_unsafe_loading():
    with pytest.raises(NotImplementedError):
        oxhorn.config.enable_unsafe_deserialization()


def test_loading_leaves_global_state_alone():
    model = oxhorn.Sequential([layers.Dense(2, dtype="mixed_bfloat16")])
    text = model.to_json()
    before = (oxhorn.config.dtype_policy().name, oxhorn.config.floatx(), dict(saving.get_custom_objects()))
    oxhorn.models.model_from_json(text, custom_objects={"Custom": Custom})
    assert before == (
        oxhorn.config.dtype_policy().name,
        oxhorn.config.floatx(),
        dict(saving.get_custom_objects()),
    )
    assert saving.get_registered_object("Custom") is None
