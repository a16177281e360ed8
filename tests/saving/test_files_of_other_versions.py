"""Model files that other versions of Keras wrote, and the outputs that Keras 3 gives with them."""

import os
import pathlib
import warnings

import numpy as np
import pytest

import oxhorn

_BESIDE = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
FOLDER = pathlib.Path(os.environ.get("OXHORN_TEST_DATA", _BESIDE)) / "saved_models"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the saved models are not here")


def load(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return oxhorn.models.load_model(FOLDER / name)


@pytest.mark.parametrize(
    "name",
    [
        "k2_0_tiny_xception.h5",
        "k2_1_lstm.h5",
        "k2_11_dense_hdf5_inside.keras",
        "k2_13_prelu.h5",
        "k3_9_lstm.keras",
        "k3_9_attention_functional.keras",
        "k3_10_lstm_prices.h5",
        "k3_10_lstm_prices.keras",
    ],
)
def test_outputs_are_those_of_keras(name):
    model = load(name)
    with np.load(FOLDER / "expected_outputs.npz") as arrays:
        inputs = [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}__in")]
        expected = [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}__out")]
    (output,), (x,) = expected, inputs
    y = model.predict(x, verbose=0)
    np.testing.assert_allclose(y, output, atol=5e-6)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("k2_1_gru.h5", 2145),  # a GRU from before `reset_after`
        ("k2_2_4_tf_gru_stateful.h5", 6),
        ("k2_2_5_lstm_bidirectional_states.h5", 5392),  # initial states in the list of inputs
        ("k2_11_conv1d_gru_hdf5_inside.keras", 1792),
        ("k2_15_dense.keras", 76545),
    ],
)
def test_files_that_keras_3_does_not_read(name, parameters):
    model = load(name)
    assert model.count_params() == parameters
    rng = np.random.default_rng(0)
    shapes = [(x.shape[0] or 2, *(d or 4 for d in x.shape[1:])) for x in model.inputs]
    outputs = model([rng.normal(size=shape).astype("float32") for shape in shapes])
    for y in outputs if isinstance(outputs, (list, tuple)) else [outputs]:
        assert np.isfinite(np.asarray(y)).all()


def test_architecture_and_weights_apart():
    for stem in ("k2_0_3layer", "k2_0_conv1d_small"):
        model = oxhorn.models.model_from_json((FOLDER / f"{stem}.json").read_text())
        before = model.get_weights()
        model.load_weights(FOLDER / f"{stem}_weights.h5")
        assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True) if a.size > 8)


def test_weights_without_an_architecture():
    with pytest.raises(ValueError, match="load_weights"):
        load("k2_4_weights_only.h5")
