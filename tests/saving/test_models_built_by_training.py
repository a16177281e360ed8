"""A subclassed model that only `fit` or `predict` has built is saved whole."""

import numpy as np
import pytest

import oxhorn as keras
from oxhorn import layers

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")


class Stack(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = layers.Dense(units)
        self.blocks = [layers.Dense(units) for _ in range(2)]

    def call(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return x

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def by_fit(model):
    model.compile("adam", "mse")
    model.fit(X, np.ones((16, 3)), verbose=0)


BUILDERS = {
    "call": lambda model: model(X),
    "fit": by_fit,
    "predict": lambda model: model.predict(X, verbose=0),
    "train_on_batch": lambda model: (model.compile("sgd", "mse"), model.train_on_batch(X, np.ones((16, 3)))),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_weights_come_back(name, tmp_path):
    model = Stack()
    BUILDERS[name](model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"Stack": Stack})
    assert len(loaded.weights) == 6
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    if model.compiled:
        assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
        assert int(loaded.optimizer.iterations) == 1


def test_a_model_inside_a_model(tmp_path):
    class Outer(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Stack()
            self.head = layers.Dense(1)

        def call(self, x):
            return self.head(self.inner(x))

    model = Outer()
    model.compile("adam", "mse")
    model.fit(X, np.ones((16, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    custom = {"Outer": Outer, "Stack": Stack}
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects=custom)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def test_weights_of_a_model_that_is_not_built(tmp_path):
    path = tmp_path / "model.weights.h5"
    with pytest.raises(ValueError, match="saving a model that has not yet been built"):
        Stack().save_weights(path)
    assert not path.exists()
    model = Stack()
    model(X)
    model.save_weights(path)
    other = Stack()
    with pytest.raises(ValueError, match="loading weights into a model that has not yet been built"):
        other.load_weights(path)
    other(X)
    other.load_weights(path)
    np.testing.assert_array_equal(other(X), model(X))


@pytest.mark.parametrize("name", ["missing.keras", "missing", "missing.h5", "text.keras", "short.keras"])
def test_what_is_no_model(name, tmp_path):
    path = tmp_path / name
    if name == "text.keras":
        path.write_text("hello")
    elif name == "short.keras":
        model = Stack()
        model(X)
        model.save(path)
        path.write_bytes(path.read_bytes()[:3000])
    error = FileNotFoundError if name == "missing.h5" else ValueError
    with pytest.raises(error, match=name):
        keras.saving.load_model(path)
