"""`.h5` files: ours in real Keras and back, those of Keras 2, and those that are broken or mean harm."""

import json
import warnings

import h5py
import keras
import numpy as np
import pytest

import oxhorn
from oxhorn import _core, layers, saving
from oxhorn.saving import legacy_h5


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def sequential(k):
    return k.Sequential(
        [
            k.layers.Input((5, 3)),
            k.layers.Bidirectional(k.layers.LSTM(2, return_sequences=True), name="both"),
            k.layers.TimeDistributed(k.layers.Dense(4, activation="relu")),
            k.layers.BatchNormalization(moving_mean_initializer="uniform"),
            k.layers.Flatten(),
            k.layers.Dense(2, name="last"),
        ],
        name="stack",
    )


def functional(k, operations=False):
    x = k.Input((5, 3))
    y = k.layers.Conv1D(4, 2, padding="same", kernel_regularizer="l2", name="conv")(x)
    frozen = k.layers.BatchNormalization(gamma_initializer="uniform", trainable=False)
    inner = k.Sequential([k.layers.Input((5, 4)), k.layers.Dense(3), frozen], name="inner")
    z = k.layers.add([inner(y), x])
    if operations:
        z = k.ops.relu(z) + x * 2.0
    return k.Model(x, [k.layers.Flatten()(z), k.layers.GlobalMaxPooling1D()(y)], name="graph")


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


def outputs(model, x):
    y = model(x, training=False)
    return [np.asarray(part) for part in (y if isinstance(y, (list, tuple)) else [y])]


@pytest.mark.parametrize("make", [sequential, functional])
@pytest.mark.parametrize(("writer", "reader"), [(oxhorn, keras), (keras, oxhorn), (oxhorn, oxhorn)])
def test_files_go_both_ways(tmp_path, x, make, writer, reader):
    model = make(writer)
    model.compile(writer.optimizers.Adam(0.25), loss="mse", metrics=[["mae"]] if make is sequential else None)
    targets = [np.ones_like(y) for y in outputs(model, x)]
    model.train_on_batch(x, targets if len(targets) > 1 else targets[0])
    quietly(model.save, tmp_path / "model.h5")
    again = quietly(reader.models.load_model, tmp_path / "model.h5")
    for ours, theirs in zip(outputs(again, x), outputs(model, x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    assert type(again.optimizer).__name__ == "Adam"
    if reader is keras:  # which does not restore the state of an optimizer from such files
        return
    for a, b in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-6)


def test_operations(tmp_path, x):
    # Keras 3 writes them under names that it then takes for layers.
    model = functional(oxhorn, operations=True)
    quietly(model.save, tmp_path / "model.h5")
    for reader in (keras, oxhorn):
        again = reader.models.load_model(tmp_path / "model.h5", compile=False)
        for ours, theirs in zip(outputs(again, x), outputs(model, x), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_weights_alone(tmp_path, x):
    model = functional(keras)
    quietly(model.save, tmp_path / "model.h5", include_optimizer=False)
    with h5py.File(tmp_path / "model.h5") as file, h5py.File(tmp_path / "weights.h5", "w") as weights:
        for name in file["model_weights"]:
            file.copy(file["model_weights"][name], weights)
        weights.attrs.update(file["model_weights"].attrs)
    for path in ("model.h5", "weights.h5"):
        again = functional(oxhorn)
        again.load_weights(tmp_path / path)
        for ours, theirs in zip(outputs(again, x), outputs(model, x), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_weights_by_name(tmp_path):
    model = oxhorn.Sequential([layers.Input((3,)), layers.Dense(2, name="a"), layers.Dense(4, name="b")])
    quietly(model.save, tmp_path / "model.h5")
    other = oxhorn.Sequential([layers.Input((2,)), layers.Dense(4, name="b"), layers.Dense(3, name="c")])
    before = other.get_weights()
    other.load_weights(tmp_path / "model.h5", by_name=True)
    after = other.get_weights()
    np.testing.assert_array_equal(after[0], model.get_weights()[2])
    np.testing.assert_array_equal(after[2], before[2])
    with pytest.raises(ValueError, match="Shape mismatch"):
        other.load_weights(tmp_path / "model.h5")
    wide = oxhorn.Sequential([layers.Input((2,)), layers.Dense(5, name="b")])
    with pytest.warns(UserWarning, match="Shape mismatch"):
        wide.load_weights(tmp_path / "model.h5", by_name=True, skip_mismatch=True)
    with pytest.raises(ValueError, match="by_name"):
        wide.load_weights(tmp_path / "model.keras", by_name=True)


def test_names_of_many_layers_are_split(tmp_path, monkeypatch):
    monkeypatch.setattr(legacy_h5, "_NAMES_PER_ATTRIBUTE", 3)
    model = sequential(oxhorn)
    quietly(model.save, tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        assert set(file["model_weights"].attrs) >= {"layer_names0", "layer_names1"}
    for reader in (keras, oxhorn):
        again = reader.models.load_model(tmp_path / "model.h5", compile=False)
        np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


def test_as_many_names_as_fit_into_an_attribute(tmp_path):
    # HDF5 1.8 keeps an attribute in a header of 64 KiB.
    names = [f"layer_{i}" for i in range(legacy_h5._NAMES_PER_ATTRIBUTE)]
    root = {"attrs": {"layer_names": names}, "groups": {}, "datasets": {}}
    (tmp_path / "names.h5").write_bytes(_core.h5_write(root))
    with h5py.File(tmp_path / "names.h5") as file:
        assert list(file.attrs["layer_names"]) == names


class Doubling(layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


def test_custom_layers(tmp_path):
    model = oxhorn.Sequential([layers.Input((3,)), Doubling(2)])
    quietly(model.save, tmp_path / "model.h5")
    with pytest.raises(TypeError, match="Doubling"):
        oxhorn.models.load_model(tmp_path / "model.h5", compile=False)
    again = oxhorn.models.load_model(tmp_path / "model.h5", {"Doubling": Doubling}, compile=False)
    x = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(outputs(again, x)[0], outputs(model, x)[0])


# -- Keras 2 ----------------------------------------------------------------------------------


def write(path, config, weights=(), training=None):
    """A file as Keras 2 wrote it. `weights`: pairs of a layer's name and its arrays."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["model_config"] = config if isinstance(config, bytes) else json.dumps(config).encode()
        if training is not None:
            file.attrs["training_config"] = json.dumps(training).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name, _ in weights]
        for name, arrays in weights:
            layer = group.create_group(name)
            layer.attrs["weight_names"] = [f"{name}/w{i}:0".encode() for i in range(len(arrays))]
            for i, array in enumerate(arrays):
                layer.create_dataset(f"{name}/w{i}:0", data=array)


def layer(class_name, name, *inputs, **config):
    config = {"name": name, "dtype": "float32", **config}
    entry = {"class_name": class_name, "name": name, "config": config}
    return {**entry, "inbound_nodes": [[[i, 0, 0, {}] for i in inputs]] if inputs else []}


def random_arrays(*shapes):
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


GRU = {
    "units": 2,
    "implementation": 1,
    "recurrent_activation": "sigmoid",
    "activation": "tanh",
    "time_major": False,
}


def test_recurrent_layers_with_initial_states(tmp_path):
    config = {
        "name": "model_1",
        "layers": [
            layer("InputLayer", "x", batch_input_shape=[None, 4, 3], sparse=False),
            layer("InputLayer", "h", batch_input_shape=[None, 2], sparse=False),
            layer("GRU", "gru", "x", "h", **GRU),
        ],
        "input_layers": [["x", 0, 0], ["h", 0, 0]],
        "output_layers": [["gru", 0, 0]],
    }
    arrays = random_arrays((3, 6), (2, 6), (6,))
    write(tmp_path / "model.h5", {"class_name": "Model", "config": config}, [("gru", arrays)])
    model = oxhorn.models.load_model(tmp_path / "model.h5", compile=False)

    reference = keras.layers.GRU(2, reset_after=False)
    x, h = random_arrays((2, 4, 3), (2, 2))
    reference(x, initial_state=h)
    reference.set_weights(arrays)
    result = model([x, h])
    np.testing.assert_allclose(np.asarray(result), np.asarray(reference(x, initial_state=h)), atol=1e-6)


def test_sequential_of_the_first_form(tmp_path):
    # A list of layers, an input shape on the first one, and arguments that have since gone or changed names.
    config = [
        layer("SeparableConv2D", "sep", filters=2, kernel_size=[2, 2], groups=1, kernel_initializer=None)
        | {"inbound_nodes": None},
        layer("DepthwiseConv2D", "depth", kernel_size=[1, 1], groups=1),
        layer("BatchNormalizationV1", "bn", axis=[3], fused=True),
        layer("LeakyReLU", "leaky", alpha={"type": "ndarray", "value": 0.25}),
        layer("ThresholdedReLU", "threshold", theta=0.1),
        layer("Reshape", "reshape", target_shape={"class_name": "__tuple__", "items": [18]}),
        layer("Dense", "dense", units=1, activation="softmax_v2", kernel_initializer={
            "class_name": "VarianceScaling",
            "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "normal", "dtype": "float32"},
        }),
    ]  # fmt: skip
    config[0]["config"]["batch_input_shape"] = [None, 4, 4, 1]
    arrays = random_arrays(
        (2, 2, 1, 1), (1, 1, 1, 2), (2,), (1, 1, 2, 1), (2,), (2,), (2,), (2,), (2,), (18, 1), (1,)
    )
    arrays[8] = np.abs(arrays[8])
    weights = [
        ("sep", arrays[:3]),
        ("depth", arrays[3:5]),
        ("bn", arrays[5:9]),
        ("leaky", []),
        ("dense", arrays[9:]),
    ]
    training = {
        "loss": {"class_name": "MeanSquaredError", "config": {"reduction": "auto", "name": "mse"}},
        "metrics": [
            [{"class_name": "MeanMetricWrapper", "config": {"name": "acc", "fn": "binary_accuracy"}}]
        ],
        "loss_weights": None,
        "optimizer_config": {"class_name": "SGD", "config": {"lr": 0.5, "decay": 0.1, "momentum": 0.0}},
    }
    write(tmp_path / "model.h5", {"class_name": "Sequential", "config": config}, weights, training)
    model = oxhorn.models.load_model(tmp_path / "model.h5")
    assert model.input_shape == (None, 4, 4, 1)
    for ours, theirs in zip(model.get_weights(), arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert model.layers[3].negative_slope == 0.25 and model.layers[4].threshold == 0.1
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.5)
    model.optimizer.iterations.assign(5)
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.5 / 1.5, rtol=1e-6)
    assert np.isfinite(model.evaluate(np.ones((2, 4, 4, 1)), np.ones((2, 1)), verbose=0)).all()


def test_json_of_keras_2():
    config = {
        "class_name": "Sequential",
        "config": [layer("Dense", "d", units=2, batch_input_shape=[None, 3])],
    }
    model = oxhorn.models.model_from_json(json.dumps(config))
    assert model.input_shape == (None, 3) and model.count_params() == 8


def test_an_argument_that_cannot_be_honoured_is_an_error(tmp_path):
    config = {"class_name": "Sequential", "config": [layer("GRU", "gru", **{**GRU, "time_major": True})]}
    config["config"][0]["config"]["batch_input_shape"] = [None, 4, 3]
    write(tmp_path / "model.h5", config)
    with pytest.raises((TypeError, ValueError), match="time_major"):
        oxhorn.models.load_model(tmp_path / "model.h5")


def test_the_slots_of_older_optimizers(tmp_path):
    # Before Keras 2.11: the step, the first moments of all variables, then their second moments.
    config = {
        "class_name": "Sequential",
        "config": [layer("Dense", "d", units=2, batch_input_shape=[None, 3])],
    }
    training = {"loss": "mse", "loss_weights": None, "metrics": ["mae"]}
    training["optimizer_config"] = {
        "class_name": "Adam",
        "config": {"name": "Adam", "learning_rate": 0.125, "decay": 0.0},
    }
    write(tmp_path / "model.h5", config, [("d", random_arrays((3, 2), (2,)))], training)
    step, *slots = [np.int64(7), *random_arrays((3, 2), (2,), (3, 2), (2,))]
    with h5py.File(tmp_path / "model.h5", "a") as file:
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = [f"w{i}".encode() for i in range(5)]
        for i, array in enumerate([step, *slots]):
            group.create_dataset(f"w{i}", data=array)
    model = oxhorn.models.load_model(tmp_path / "model.h5")
    expected = [step, np.float32(0.125), slots[0], slots[2], slots[1], slots[3]]
    for ours, theirs in zip(model.optimizer.variables, expected, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)


# -- broken and hostile -----------------------------------------------------------------------


def dense(**config):
    return {
        "class_name": "Sequential",
        "config": [layer("Dense", "d", units=2, batch_input_shape=[None, 3], **config)],
    }


GOOD = [("d", random_arrays((3, 2), (2,)))]


def load(path, *args):
    write(path, *args)
    return oxhorn.models.load_model(path, compile=False)


def test_the_good_file_loads(tmp_path):
    assert load(tmp_path / "m.h5", dense(), GOOD).count_params() == 8


@pytest.mark.parametrize(
    "text", [b"{", b"[1]", b"3", b"[" * 50_000, b"\xff", b"{}", b'{"class_name": "Sequential"}']
)
def test_config_that_is_no_model(tmp_path, text):
    with pytest.raises((ValueError, TypeError)):
        load(tmp_path / "m.h5", text, GOOD)


def test_code_is_refused(tmp_path):
    code = saving.serialize_keras_object(layers.Lambda(lambda x: x))["config"]["function"]["config"]["code"]
    for function in ([code, None, None], {"class_name": "__lambda__", "config": {"code": code}}):
        config = {
            "class_name": "Sequential",
            "config": [layer("Lambda", "f", function=function, function_type="lambda")],
        }
        write(tmp_path / "m.h5", config)
        for safe_mode in (True, False):
            with pytest.raises(ValueError, match="arbitrary code execution"):
                oxhorn.models.load_model(tmp_path / "m.h5", safe_mode=safe_mode)
    # A reference to a function is looked up among the caller's.
    config["config"][0]["config"]["function"] = "system"
    write(tmp_path / "m.h5", config)
    with pytest.raises((TypeError, ValueError, AttributeError)):
        oxhorn.models.load_model(tmp_path / "m.h5")


@pytest.mark.parametrize("name", ["os.system", "get_file", "load_model", "TFSMLayer"])
def test_class_outside_the_table(tmp_path, name):
    config = dense()
    config["config"][0]["class_name"] = name
    with pytest.raises(TypeError, match="Could not locate"):
        load(tmp_path / "m.h5", config, GOOD)


def test_links_and_external_data_are_refused(tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["w"] = np.ones((3, 2), "float32")
    (tmp_path / "raw").write_bytes(bytes(24))
    space = h5py.h5s.create_simple((3, 2))
    layout = h5py.VirtualLayout((3, 2), "float32")
    layout[:] = h5py.VirtualSource(str(secret), "w", (3, 2))

    def external(group):
        group["w0:0"] = h5py.ExternalLink(str(secret), "w")

    def soft(group):
        group["w0:0"] = h5py.SoftLink("/model_weights/d/d/w1:0")

    def raw(group):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_external(str(tmp_path / "raw").encode(), 0, 24)
        h5py.h5d.create(group.id, b"w0:0", h5py.h5t.IEEE_F32LE, space, plist)

    def virtual(group):
        group.create_virtual_dataset("w0:0", layout)

    for attack in (external, soft, raw, virtual):
        write(tmp_path / "m.h5", dense(), GOOD)
        with h5py.File(tmp_path / "m.h5", "a") as file:
            group = file["model_weights/d/d"]
            del group["w0:0"]
            attack(group)
        with pytest.raises(ValueError, match=r"HDF5|no dataset"):
            oxhorn.models.load_model(tmp_path / "m.h5", compile=False)


def test_names_that_lead_nowhere(tmp_path):
    write(tmp_path / "m.h5", dense(), GOOD)
    for path, key, value in [
        ("model_weights", "layer_names", [b"other"]),
        ("model_weights", "layer_names", 3),
        ("model_weights/d", "weight_names", [b"../../d/w0:0", b"d/w1:0"]),
        ("model_weights/d", "weight_names", [b"d", b"d/w1:0"]),
        ("model_weights/d", "weight_names", [b"d/w1:0", b"d/w0:0"]),
    ]:
        write(tmp_path / "m.h5", dense(), GOOD)
        with h5py.File(tmp_path / "m.h5", "a") as file:
            file[path].attrs[key] = value
        with pytest.raises(ValueError):
            oxhorn.models.load_model(tmp_path / "m.h5", compile=False)


def test_shape_bomb(tmp_path):
    write(tmp_path / "m.h5", dense(), [("d", random_arrays((2,)))])
    with h5py.File(tmp_path / "m.h5", "a") as file:
        group = file["model_weights/d"]
        group.create_dataset("big", (1 << 40,), "float32", chunks=(1 << 10,), fillvalue=1)
        group.attrs["weight_names"] = [b"big", b"d/w0:0"]
    with pytest.raises(ValueError, match="HDF5"):
        oxhorn.models.load_model(tmp_path / "m.h5", compile=False)


def places(value, path=()):
    """All positions in nested dicts and lists."""
    yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


JUNK = [
    None,
    -1,
    1e300,
    True,
    "x",
    [],
    {},
    [None],
    {"class_name": "Dense"},
    {"class_name": 3, "config": []},
    [["d", 0, 0]],
]


@pytest.mark.parametrize("what", ["model", "training"])
def test_damaged_configurations_are_errors(tmp_path, what):
    """Every entry replaced by things of other types: a model or a plain exception, nothing else."""
    config = {
        "name": "m",
        "layers": [layer("InputLayer", "x", batch_input_shape=[None, 3]), layer("Dense", "d", "x", units=2)],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["d", 0, 0]],
    }
    good = {
        "model": {"class_name": "Model", "config": config},
        "training": {
            "loss": "mse",
            "metrics": [["mae"]],
            "loss_weights": None,
            "optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.5}},
        },
    }
    write(tmp_path / "m.h5", good["model"], GOOD, good["training"])
    key = f"{what}_config"
    for path in places(good[what]):
        for junk in JUNK:
            bad = json.loads(json.dumps(good[what]))
            if path:
                target = bad
                for step in path[:-1]:
                    target = target[step]
                target[path[-1]] = junk
            else:
                bad = junk
            with h5py.File(tmp_path / "m.h5", "a") as file:
                file.attrs[key] = json.dumps(bad).encode()
            try:
                quietly(oxhorn.models.load_model, tmp_path / "m.h5")
            except (ValueError, TypeError) as error:
                assert str(error)
