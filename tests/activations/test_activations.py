"""Activations: values against Keras, and finding them by name."""

import keras
import numpy as np
import pytest

import oxhorn
from oxhorn import activations

X = np.linspace(-8, 8, 33, dtype="float32").reshape(3, 11)
OPTIONS = [{}, {"negative_slope": 0.1}, {"max_value": 3.0}, {"threshold": 1.0}]
OPTIONS += [{"negative_slope": 0.1, "max_value": 6.0, "threshold": -1.0}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_relu(options):
    expected = keras.activations.relu(X, **options)
    np.testing.assert_allclose(activations.relu(X, **options), np.asarray(expected), rtol=1e-6)


@pytest.mark.parametrize("name", ["gelu", "mish", "exponential", "linear", "swish", "hard_swish", "tanh"])
def test_values(name):
    expected = keras.activations.get(name)(X)
    np.testing.assert_allclose(activations.get(name)(X), np.asarray(expected), rtol=1e-5, atol=1e-6)


def test_names():
    for function in activations.ALL_OBJECTS:
        assert activations.serialize(function) == function.__name__
        assert activations.get(function.__name__) is function
        assert activations.deserialize(function.__name__) is function
    assert {f.__name__ for f in activations.ALL_OBJECTS} == {
        f.__name__ for f in keras.src.activations.ALL_OBJECTS
    }
    assert activations.get(None) is activations.linear
    assert activations.get(abs) is abs
    for bad in ("none_such", 3):
        with pytest.raises(ValueError):
            activations.get(bad)


def test_symbolic():
    x = oxhorn.KerasTensor((None, 3))
    for name in ("relu", "gelu", "mish", "softmax", "tanh"):
        assert activations.get(name)(x).shape == (None, 3)
