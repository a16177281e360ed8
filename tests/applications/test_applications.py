"""Applications beside Keras's: the same layers, weights and outputs."""

import inspect
import json

import keras
import numpy as np
import pytest

import oxhorn
from oxhorn.applications import _application

# One network of each family, with images about as small as it takes.
NETWORKS = {
    "ResNet50": {"input_shape": (33, 40, 3)},
    "ResNet50V2": {"input_shape": (33, 40, 3)},
    "MobileNet": {"input_shape": (33, 40, 3), "alpha": 0.25},
    "MobileNetV2": {"input_shape": (33, 40, 3), "alpha": 0.35},
    "MobileNetV3Small": {"input_shape": (33, 40, 3), "alpha": 0.75},
    "EfficientNetB0": {"input_shape": (33, 40, 3)},
    "EfficientNetV2B0": {"input_shape": (33, 40, 3)},
    "NASNetMobile": {"input_shape": (33, 40, 3)},
    "ConvNeXtTiny": {"input_shape": (33, 40, 3)},
    "DenseNet121": {"input_shape": (33, 40, 3)},
    "InceptionV3": {"input_shape": (75, 80, 3)},
    "InceptionResNetV2": {"input_shape": (75, 80, 3)},
    "Xception": {"input_shape": (71, 75, 3)},
}
# Of the others the layers are compared, which is what they are made of.
COMPUTED = ("ResNet50", "ResNet50V2", "MobileNetV2", "MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny")


def make_pair(name, **arguments):
    models = []
    for library in (oxhorn, keras):
        library.utils.clear_session()
        models.append(getattr(library.applications, name)(weights=None, **arguments))
    return models


def plain(config):
    """A configuration without what differs from call to call, tuples as lists."""

    def clean(value):
        if isinstance(value, dict):
            # A model inside that is not compiled may say so with an empty entry.
            silent = ("seed", "module", *(() if value.get("compile_config") else ("compile_config",)))
            return {k: clean(v) for k, v in value.items() if k not in silent}
        return [clean(v) for v in value] if isinstance(value, (list, tuple)) else value

    return json.loads(json.dumps(clean(config)))


def share_weights(ours, theirs):
    """Gives both models the same random weights that keep the size of the activations."""
    rng = np.random.default_rng(0)
    values = []
    for weight in theirs.weights:
        shape = tuple(weight.shape)
        if len(shape) > 1:
            fan_in = np.prod(shape[:-1] if shape[-1] > 1 else shape[:2])
            values.append(rng.standard_normal(shape) * (1.5 / fan_in) ** 0.5)
        else:
            values.append(rng.uniform(0.5, 1.5, shape))
    ours.set_weights(values)
    theirs.set_weights(values)


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name):
    arguments = NETWORKS[name]
    ours, theirs = make_pair(name, classes=7, classifier_activation=None, **arguments)
    assert ours.name == theirs.name
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert plain(ours.get_config()) == plain(theirs.get_config())
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    assert [tuple(w.shape) for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    if name not in COMPUTED:
        return
    share_weights(ours, theirs)
    x = np.random.default_rng(1).uniform(0, 255, (2, *arguments["input_shape"])).astype("float32")
    got, expected = ours.predict(x, verbose=0), theirs.predict(x, verbose=0)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def functions(module):
    return {n: f for n, f in vars(module).items() if inspect.isfunction(f) and not n.startswith("_")}


def test_signatures():
    for name, function in functions(keras.applications).items():
        assert inspect.signature(getattr(oxhorn.applications, name)) == inspect.signature(function)
    modules = {n: m for n, m in vars(keras.applications).items() if inspect.ismodule(m) and n[0] != "_"}
    for name, module in modules.items():
        for inner, function in functions(module).items():
            ours = getattr(getattr(oxhorn.applications, name), inner)
            assert inspect.signature(ours) == inspect.signature(function)


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_features(pooling):
    ours, theirs = make_pair("MobileNetV2", include_top=False, pooling=pooling, alpha=0.35)
    assert ours.output_shape == theirs.output_shape
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]


def test_input_tensor():
    for library in (oxhorn, keras):
        inputs = library.Input((40, 40, 3))
        model = library.applications.MobileNet(
            weights=None, alpha=0.25, input_tensor=library.layers.ReLU()(inputs), input_shape=(40, 40, 3)
        )
        assert len(model.inputs) == 1
        assert model.inputs[0] is inputs


@pytest.mark.parametrize(
    "arguments",
    [
        {"weights": "nowhere"},
        {"weights": "imagenet", "classes": 10},
        {"weights": "imagenet", "input_shape": (40, 40, 3)},
        {"weights": None, "input_shape": (20, 40, 3)},
        {"weights": None, "input_shape": (40, 40)},
        {"weights": None, "input_shape": (None, None, 3)},
        {"weights": "imagenet", "include_top": False, "input_shape": (40, 40, 1)},
    ],
)
def test_bad_arguments(arguments):
    for library in (oxhorn, keras):
        with pytest.raises(ValueError):
            library.applications.ResNet50(**arguments)


def test_weights_of_keras(tmp_path, monkeypatch):
    path = str(tmp_path / "model.weights.h5")
    arguments = {"input_shape": (32, 32, 3), "alpha": 0.35, "include_top": False, "pooling": "avg"}
    theirs = keras.applications.MobileNetV2(weights=None, **arguments)
    theirs.save_weights(path)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    asked = []

    def get_file(name, origin, **kwargs):
        asked.append((name, kwargs["cache_subdir"]))
        return path

    monkeypatch.setattr(_application, "get_file", get_file)
    for weights in (path, "imagenet"):
        ours = oxhorn.applications.MobileNetV2(weights=weights, **arguments)
        np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5)
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    assert asked == [(name, "models")]


@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_preprocess_input(mode, data_format, dtype):
    shape = (2, 4, 5, 3) if data_format == "channels_last" else (2, 3, 4, 5)
    x = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    expected = keras.applications.imagenet_utils.preprocess_input(x.copy(), data_format, mode)
    preprocess = oxhorn.applications.imagenet_utils.preprocess_input
    got = preprocess(x.copy(), data_format, mode)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(preprocess(x.copy()[0], data_format, mode), expected[0], rtol=1e-5, atol=1e-5)
    tensor = preprocess(oxhorn.ops.convert_to_tensor(x.astype("float32")), data_format, mode)
    np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-5)


def test_bad_predictions():
    for library in (oxhorn, keras):
        with pytest.raises(ValueError, match="1000"):
            library.applications.resnet.decode_predictions(np.ones((2, 10)))
        with pytest.raises(ValueError, match="mode"):
            library.applications.imagenet_utils.preprocess_input(np.ones((4, 4, 3)), mode="other")
