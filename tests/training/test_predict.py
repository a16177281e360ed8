"""What `predict` and the per-batch methods promise, whatever path the data take."""

import numpy as np
import pytest

import oxhorn as keras
from oxhorn import _core, layers, ops


def data(n=64, features=6):
    return np.random.default_rng(5).normal(size=(n, features)).astype("float32")


def mlp(**options):
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"], **options)
    return model


def by_hand(model, x):
    w1, b1, w2, b2 = model.get_weights()
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


@pytest.mark.parametrize("rows, batch_size", [(1, None), (32, None), (33, None), (64, 64), (64, 7), (5, 100)])
def test_any_number_of_rows(rows, batch_size):
    model, x = mlp(), data(rows)
    y = model.predict(x, batch_size=batch_size, verbose=0)
    np.testing.assert_allclose(y, by_hand(model, x), rtol=1e-5, atol=1e-6)
    assert isinstance(y, np.ndarray) and y.dtype == "float32" and y.flags.writeable


def test_weights_changed_between_calls_count():
    model, x = mlp(), data(3)
    before = model.predict(x, verbose=0)
    model.set_weights([w + 1 for w in model.get_weights()])
    np.testing.assert_allclose(model.predict(x, verbose=0), by_hand(model, x), rtol=1e-5)
    model.layers[1].kernel.assign(model.layers[1].kernel * 0)
    np.testing.assert_allclose(model.predict(x, verbose=0), by_hand(model, x), rtol=1e-5)
    trained = model.predict_on_batch(x)
    model.train_on_batch(x, np.full((3, 2), 7.0))
    assert not np.allclose(model.predict_on_batch(x), trained)
    np.testing.assert_allclose(model.predict(x, verbose=0), by_hand(model, x), rtol=1e-5)
    assert not np.allclose(before, trained)


def test_results_and_inputs_are_left_alone():
    inputs = layers.Input((4,))
    identity = keras.Model(inputs, layers.Identity()(inputs))
    x = data(3, 4)
    first = identity.predict(x, verbose=0)
    assert not np.shares_memory(first, x)
    kept = first.copy()
    x *= 2
    second = identity.predict(x, verbose=0)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(second, 2 * kept)
    second[:] = 0
    np.testing.assert_array_equal(x, 2 * kept)
    np.testing.assert_array_equal(identity.predict_on_batch(x), 2 * kept)


def test_a_step_that_keeps_its_batch_does_not_keep_the_array():
    class Keeper(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = self.add_weight(shape=(2, 3), initializer="zeros", trainable=False)

        def call(self, x):
            self.last.assign(x)
            return x

    model, x = Keeper(), np.ones((2, 3), "float32")
    for predict in (model.predict_on_batch, lambda x: model.predict(x, verbose=0)):
        x[:] = 1
        predict(x)
        x[:] = 5
        np.testing.assert_array_equal(model.last.numpy(), np.ones((2, 3)))


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_overridden_predict_step(run_eagerly):
    class Scores(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x)

        def predict_step(self, data):
            x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
            y = self(x, training=False)
            return {"best": ops.argmax(y, axis=-1), "all": (y, y + 1)}

    model, x = Scores(), data(5)
    model.compile(run_eagerly=run_eagerly)
    for rows in (1, 5):
        for result in (model.predict(x[:rows], batch_size=2, verbose=0), model.predict_on_batch(x[:rows])):
            expected = model(x[:rows]).numpy()
            np.testing.assert_allclose(result["all"][0], expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(result["all"][1], expected + 1, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(result["best"], expected.argmax(-1))


def test_structures_in_and_out():
    a, b = layers.Input((2,), name="a"), layers.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, [layers.Concatenate()([a, b]), {"twice": a * 2}])
    x = {"b": data(4, 3), "a": data(4, 2)}
    for rows in (1, 4):
        part = {name: value[:rows] for name, value in x.items()}
        joined, rest = model.predict(part, batch_size=3, verbose=0)
        np.testing.assert_array_equal(joined, np.concatenate([part["a"], part["b"]], -1))
        np.testing.assert_array_equal(rest["twice"], 2 * part["a"])


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype("float64"),
        lambda x: x.tolist() and _core.tensor(x),
        lambda x: np.asfortranarray(x),
        lambda x: x.astype(">f4"),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: [x],
        lambda x: (x,),
        lambda x: keras.Variable(x),
    ],
    ids=["float64", "tensor", "fortran", "big_endian", "strided", "list", "tuple", "variable"],
)
def test_kinds_of_input(convert):
    model, x = mlp(), data(3)
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(convert(x), verbose=0), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8", "int64", "uint8", "bool"])
def test_dtypes_of_input(dtype):
    model, x = mlp(), np.array([[0, 1, 1, 0, 1, 0]])
    x = np.asarray(ops.cast(x, dtype))
    np.testing.assert_allclose(
        model.predict(x, verbose=0), by_hand(model, x.astype("float32")), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "bad",
    [None, 3, np.float32(3), "x", np.array(["a"]), np.ones((0, 6)), np.ones((2, 5)), np.ones(6), (), {}],
)
def test_bad_input(bad):
    model = mlp()
    with pytest.raises(ValueError):
        model.predict(bad, verbose=0)
    # Nothing is spoilt by it.
    x = data(2)
    np.testing.assert_allclose(model.predict(x, verbose=0), by_hand(model, x), rtol=1e-5, atol=1e-6)


def test_inputs_of_different_lengths_are_refused():
    a, b = layers.Input((2,)), layers.Input((2,))
    model = keras.Model([a, b], a + b)
    with pytest.raises(ValueError, match="cardinality"):
        model.predict([np.ones((2, 2)), np.ones((3, 2))], verbose=0)


@pytest.mark.parametrize("options", [{"batch_size": 0.5}, {"batch_size": -1}])
def test_bad_batch_size(options):
    with pytest.raises(ValueError, match="batch_size"):
        mlp().predict(data(2), verbose=0, **options)


def test_shapes_are_compiled_once_each():
    model = mlp()
    for _ in range(3):
        for rows in (1, 2, 40):  # 40: 32 and 8
            model.predict(data(rows), verbose=0)
    assert model.predict_function.trace_count == 4


class Log(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_predict_begin(self, logs=None):
        self.calls.append(("begin", len(self.model.weights)))

    def on_predict_batch_begin(self, batch, logs=None):
        self.calls.append(("batch", batch))

    def on_predict_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch, logs["outputs"].shape[0]))

    def on_predict_end(self, logs=None):
        self.calls.append(("end",))


def test_callbacks_see_a_built_model_and_every_batch():
    model, log = keras.Sequential([layers.Dense(2)]), Log()
    model.predict(data(40), verbose=0, callbacks=[log])
    assert log.calls == [
        ("begin", 2), ("batch", 0), ("end", 0, 32), ("batch", 1), ("end", 1, 8), ("end",)
    ]  # fmt: skip
    log.calls.clear()
    model.predict(data(1), verbose=0, callbacks=[log])
    assert log.calls == [("begin", 2), ("batch", 0), ("end", 0, 1), ("end",)]


def test_a_callback_stops_prediction():
    class Stop(keras.callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = batch == 1

    model, x = mlp(), data(10)
    assert model.predict(x, batch_size=2, verbose=0, callbacks=[Stop()]).shape == (4, 2)
    assert model.predict(x, batch_size=2, verbose=0).shape == (10, 2)


def test_steps_end_a_prediction():
    model, x = mlp(), data(10)
    assert model.predict(x, batch_size=2, steps=3, verbose=0).shape == (6, 2)
    assert model.predict(x[:1], steps=1, verbose=0).shape == (1, 2)
    with pytest.warns(UserWarning, match="ran out of data"):
        assert model.predict(x[:1], batch_size=1, steps=2, verbose=0).shape == (1, 2)


def test_predict_inside_callbacks():
    class Inner(keras.callbacks.Callback):
        seen = ()

        def on_epoch_end(self, epoch, logs=None):
            x = data(3)
            got = self.model.predict(x, verbose=0)
            self.seen = (*self.seen, np.allclose(got, by_hand(self.model, x), atol=1e-6))

        def on_predict_batch_end(self, batch, logs=None):
            self.seen = (*self.seen, self.model.predict(data(1), verbose=0).shape)

    model, inner = mlp(), Inner()
    model.fit(data(8), data(8, 2), epochs=2, verbose=0, callbacks=[inner])
    assert inner.seen == (True, True)
    assert model.predict(data(1), verbose=0, callbacks=[inner]).shape == (1, 2)
    assert inner.seen == (True, True, (1, 2))


def test_verbose(capsys):
    model = mlp()
    model.predict(data(1), verbose=0)
    assert capsys.readouterr().out == ""
    model.predict(data(1), verbose=2)
    assert "1/1" in capsys.readouterr().out


def test_recompiling_changes_how_it_runs():
    model, x = mlp(), data(2)
    expected = model.predict(x, verbose=0)
    model.compile("sgd", "mse", run_eagerly=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)
    model.compile("sgd", "mse")
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_layers_added_and_taken_away_after_a_prediction():
    model, x = mlp(), data(2)
    before = model.predict(x, verbose=0)
    model.add(layers.Dense(5))
    assert model.predict(x, verbose=0).shape == model.predict_on_batch(x).shape == (2, 5)
    model.pop()
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_batch_methods_build_what_they_need():
    x, y = data(4), data(4, 2)
    for name, arguments in (("predict", (x,)), ("test", (x, y)), ("train", (x, y))):
        model = keras.Sequential([layers.Dense(3), layers.Dense(2)])
        model.compile("adam", "mse", metrics=["mae"])
        result = getattr(model, f"{name}_on_batch")(*arguments)
        assert model.built and len(model.weights) == 4
        assert np.shape(result) == ((4, 2) if name == "predict" else (2,))
        assert model.optimizer.built == (name == "train")


def test_numbers_in_logs():
    class Odd(keras.Sequential):
        def train_step(self, data):
            return {
                "one": ops.ones((1,)),
                "two": ops.ones((2,)),
                "int": ops.cast(3, "int32"),
                "b": {"c": 2.0},
            }

    model = Odd([layers.Input((6,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    logs = model.train_on_batch(data(2), data(2, 2), return_dict=True)
    assert list(logs) == ["c", "int", "one", "two"]
    assert (logs["c"], logs["int"], logs["one"]) == (2.0, 3.0, 1.0)
    assert isinstance(logs["int"], float)
    np.testing.assert_array_equal(logs["two"], np.ones(2))
