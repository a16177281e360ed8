"""Every example runs, in a short form, and does what it promises at that size.

The data sets are those of a folder that OXHORN_TEST_DATA names; without it only the examples that make their
own data run.
"""

import functools
import importlib
import os
import pathlib

import numpy as np
import pytest

import oxhorn

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
_BESIDE = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
DATA = pathlib.Path(os.environ.get("OXHORN_TEST_DATA", _BESIDE)) / "datasets"

# Example -> arguments of its quick form, and the least accuracy that it then has.
ACCURACIES = {
    "mnist_mlp": ({"epochs": 5}, 0.975),
    "mnist_convnet": ({"epochs": 3, "samples": 6000}, 0.9),
    "imdb_dense": ({"epochs": 4, "samples": 3000}, 0.78),
    "reuters": ({"epochs": 6}, 0.7),
    "imdb_lstm": ({"epochs": 4, "samples": 5000, "maxlen": 60}, 0.65),
    "imdb_bidirectional_gru": ({"epochs": 3, "samples": 5000, "maxlen": 60}, 0.7),
    "inception_module": ({"epochs": 6}, 0.85),
    "residual": ({"epochs": 4}, 0.9),
    "siamese_lstm": ({"epochs": 6}, 0.85),
    "question_answering": ({"epochs": 8}, 0.9),
    "transformer_encoder": ({"epochs": 3, "samples": 2000, "maxlen": 60}, 0.65),
}


@pytest.fixture(autouse=True, scope="module")
def reviews_are_read_once():
    """Reading them takes longer than what most of these programs do with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oxhorn.datasets.imdb, "load_data", functools.cache(oxhorn.datasets.imdb.load_data))
        yield


@pytest.fixture(autouse=True)
def paths(monkeypatch, tmp_path):
    """Examples import `_common` from beside them; their pictures go to a folder of the test."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(importlib.import_module("_common"), "OUTPUT", tmp_path / "output")


def call(name, **arguments):
    """Runs an example's `main`, with the data sets if it takes any."""
    example = importlib.reload(importlib.import_module(name))
    parameters = example.main.__code__.co_varnames[: example.main.__code__.co_argcount]
    if "data" in parameters:
        if not DATA.is_dir():
            pytest.skip(f"no data sets in {DATA}")
        arguments["data"] = str(DATA)
    if "digits" in vars(importlib.import_module(name)):
        pytest.importorskip("sklearn")
    return example.main(**arguments)


@pytest.mark.parametrize("name", ACCURACIES)
def test_accuracy(name):
    arguments, least = ACCURACIES[name]
    result = call(name, **arguments)
    assert result["losses"][-1] < result["losses"][0]
    assert result["accuracy"] > least


def test_every_example_is_tested():
    text = pathlib.Path(__file__).read_text(encoding="utf-8")
    names = {path.stem for path in EXAMPLES.glob("*.py")} - {"_common"}
    assert [name for name in sorted(names) if f'"{name}"' not in text] == []


def test_seed():
    lines = """
        model = models.Sequential()
        model.add(layers.Dense(32, activation='relu', input_shape=(784,)))
        model.add(layers.Dense(10, activation='softmax'))
        input_tensor = layers.Input(shape=(784,))
        model = models.Model(inputs=input_tensor, outputs=output_tensor)
        model.compile(optimizer=optimizers.RMSprop(lr=0.001), loss='mse', metrics=['accuracy'])
    """
    source = (EXAMPLES / "seed.py").read_text(encoding="utf-8")
    assert all(line.strip() in source for line in lines.splitlines())
    assert "model.fit(input_tensor, target_tensor, batch_size=128, epochs=epochs)" in source
    result = call("seed", epochs=2, samples=30000)
    assert result["sequential"] > 0.88
    assert result["functional"] > 0.88


def test_digits():
    result = call("digits")
    assert result["accuracy"] >= 0.97
    assert result["confusion"].sum() == 450
    assert result["picture"].read_bytes().startswith(b"\x89PNG")


def test_boston_kfold():
    result = call("boston_kfold", epochs=60)
    assert len(result["folds"]) == 4
    assert np.mean(result["folds"]) < 3.2
    assert result["test"] < 3.8


def test_text_generation():
    result = call("text_generation", epochs=2, characters=12000, sample_length=20)
    assert result["losses"][1] < result["losses"][0] < np.log(len(result["alphabet"]))
    assert len(result["text"]) == 20
    assert set(result["text"]) <= set(result["alphabet"])


def test_causal_lm():
    result = call("causal_lm", epochs=2, characters=30000, sample_length=20)
    assert result["history"]["val_loss"][-1] < 3.2 < np.log(len(result["alphabet"]))
    assert len(result["text"]) == 20
    # What follows a character has no part in what the model says after it.
    model = result["model"]
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, len(result["alphabet"]), (2, 1, 64)).astype("int32")
    b[:, :40] = a[:, :40]
    first, second = model.predict_on_batch(a), model.predict_on_batch(b)
    np.testing.assert_allclose(first[:, :40], second[:, :40], rtol=1e-4, atol=1e-5)
    assert np.abs(first[:, 40:] - second[:, 40:]).max() > 0.01


def test_vae():
    result = call("vae", epochs=2, samples=3200)
    assert result["losses"][1] < result["losses"][0]
    assert result["test_loss"] < 230  # 544 before training, about 205 for a picture that is grey everywhere
    assert result["images"].shape == (225, 28, 28)


def test_gan():
    result = call("gan", steps=40, samples=1000)
    assert np.isfinite(result["discriminator_losses"] + result["generator_losses"]).all()
    assert np.mean(result["discriminator_losses"][-10:]) < np.mean(result["discriminator_losses"][:10])
    assert result["images"].std() > 0.01
    # While the generator learns, the discriminator must not.
    gan, generator, discriminator = result["models"]
    frozen = [w.copy() for w in discriminator.get_weights()]
    learning = [w.copy() for w in generator.get_weights()]
    gan.train_on_batch(np.ones((64, 32), "float32"), np.zeros((64, 1), "float32"))
    assert all((a == b).all() for a, b in zip(frozen, discriminator.get_weights()))
    assert not all((a == b).all() for a, b in zip(learning, generator.get_weights()))


def test_siamese_lstm_shares_its_weights():
    model = call("siamese_lstm", epochs=1, samples=256)["model"]
    assert sum(isinstance(layer, oxhorn.layers.LSTM) for layer in model.layers) == 1
    left, right = np.ones((1, 12), "int32"), np.full((1, 12), 9, "int32")
    assert model.predict([left, right], verbose=0) != model.predict([right, left], verbose=0)


def test_three_outputs():
    result = call("three_outputs", epochs=8)
    assert result["history"]["loss"][-1] < result["history"]["loss"][0]
    assert result["results"]["age_mae"] < 8  # 9.6 for always saying the mean
    assert result["results"]["income_accuracy"] > 0.3  # 0.19 for always saying the most frequent group
    assert result["results"]["gender_accuracy"] > 0.8


def test_neural_turing_machine():
    result = call("neural_turing_machine", epochs=1)
    assert result["losses"][-1] < 0.2
    assert result["error"] < 0.02  # half of the bits before it has learned


def test_transformer_is_saved_and_loaded(tmp_path):
    model = call("transformer_encoder", epochs=1, samples=128, maxlen=20)["model"]
    x = np.arange(40, dtype="int32").reshape(2, 20)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = oxhorn.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)


def test_missing_data_are_named(tmp_path, monkeypatch, capsys):
    common = importlib.import_module("_common")
    example = importlib.import_module("mnist_mlp")
    monkeypatch.setattr("sys.argv", ["mnist_mlp.py", "--data", str(tmp_path), "--epochs", "1"])
    with pytest.raises(SystemExit) as error:
        common.run(example.main)
    assert f"There is no mnist.npz in {tmp_path}" in str(error.value)
    assert "--data DIR" in str(error.value)
