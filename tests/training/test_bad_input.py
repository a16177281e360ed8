"""Bad input gets Keras's exception type, a message that says what came, and loses nothing."""

import numpy as np
import pytest

import oxhorn as keras
from oxhorn import layers, ops


def compiled(loss="mse", metrics=None, outputs=2):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(outputs, name="head")])
    model.compile("sgd", loss, metrics=metrics)
    return model


def good(n=8, outputs=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)).astype("float32"), rng.normal(size=(n, outputs)).astype("float32")


def still_works(model):
    history = model.fit(*good(outputs=model.output_shape[-1]), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])


CASES = {
    "wrong feature size": (lambda m: m.predict(np.zeros((3, 5), "float32"), verbose=0), ValueError, "4"),
    "wrong rank": (lambda m: m.predict(np.zeros((3, 4, 4, 4), "float32"), verbose=0), ValueError, "shape"),
    "lengths differ": (lambda m: m.fit(good()[0], good(5)[1], verbose=0), ValueError, "cardinality"),
    "no data": (lambda m: m.fit(np.zeros((0, 4)), np.zeros((0, 2)), verbose=0), ValueError, "non-empty"),
    "object array": (
        lambda m: m.fit(np.array([[1], "a"], dtype=object), verbose=0), ValueError, "dtype"),
    "text": (lambda m: m.predict(np.array([["a", "b", "c", "d"]]), verbose=0), ValueError, "dtype"),
    "weights of the wrong shape": (
        lambda m: m.set_weights([np.zeros((3, 2)), np.zeros(2)]), ValueError, r"\(3, 2\)"),
    "wrong number of weights": (lambda m: m.set_weights([np.zeros((4, 2))]), ValueError, "1"),
    "batch size": (lambda m: m.fit(*good(), batch_size=-1, verbose=0), ValueError, "batch_size"),
    "two weightings": (
        lambda m: m.train_on_batch(*good(), np.ones(8), {0: 1.0}), ValueError, "class_weight"),
    "too long a tuple": (lambda m: m.fit(iter([(1, 2, 3, 4)]), verbose=0), ValueError, "4"),
    "tiny split": (lambda m: m.fit(*good(), validation_split=0.999, verbose=0), ValueError, "sufficient"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_error_and_recovery(name):
    action, error, text = CASES[name]
    model = compiled()
    before = model.get_weights()
    with pytest.raises(error, match=text):
        action(model)
    for mine, old in zip(model.get_weights(), before):
        np.testing.assert_array_equal(mine, old)
    still_works(model)


@pytest.mark.parametrize(
    "make",
    [
        lambda: compiled(loss="no_such_loss").fit(*good(), verbose=0),
        lambda: keras.Sequential([layers.Input((4,)), layers.Dense(2)]).compile("no_such_optimizer"),
        lambda: layers.Dense(2, activation="no_such_activation"),
        lambda: compiled(metrics=["no_such_metric"]).fit(*good(), verbose=0),
    ],
)
def test_unknown_names(make):
    with pytest.raises(ValueError, match="no_such"):
        make()


def test_fit_before_compile():
    with pytest.raises(ValueError, match="compile"):
        keras.Sequential([layers.Dense(1)]).fit(*good(), verbose=0)


def test_disconnected_graph():
    a, b = layers.Input((2,)), layers.Input((2,))
    x = layers.add([a, b])
    with pytest.raises(ValueError, match=r"[Dd]isconnected|not connected|cannot be computed"):
        keras.Model(a, x)


def test_loss_of_the_wrong_arity():
    model = compiled(loss=lambda y_true: y_true)
    with pytest.raises(TypeError):
        model.fit(*good(), verbose=0)


def test_shape_that_overflows():
    with pytest.raises((ValueError, MemoryError)):
        ops.zeros((2**40, 2**40))


def test_generator_that_raises_in_mid_epoch():
    def batches():
        yield good()
        raise RuntimeError("disk on fire")

    model = compiled()
    with pytest.raises(RuntimeError, match="disk on fire"):
        model.fit(batches(), verbose=0)
    still_works(model)


def test_callback_that_raises_in_mid_epoch():
    class Failing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyError("mine")

    model = compiled()
    with pytest.raises(KeyError, match="mine"):
        model.fit(*good(64), callbacks=[Failing()], verbose=0)
    still_works(model)


def test_value_asked_inside_a_compiled_step():
    class Asking(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            y = self.dense(x)
            if float(ops.sum(y)) > 0:
                return y
            return -y

    model = Asking()
    model(good()[0])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="traced"):
        model.fit(*good(), verbose=0)
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(*good(), verbose=0)


def test_labels_out_of_range():
    model = compiled(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), outputs=3)
    x, _ = good()
    with pytest.raises(ValueError, match="label"):
        model.fit(x, np.array([0, 1, 2, 3, 0, 1, 2, 9]), verbose=0)


def test_no_targets():
    x, _ = good()
    for data in ((x, None), ((part for part in [x]),)):
        model = compiled()
        with pytest.raises(ValueError, match=r"no targets.*loss=mse"):
            model.fit(*data, verbose=0)
        still_works(model)


def test_functions_that_return_nothing():
    def nothing(y_true, y_pred):
        return None

    with pytest.raises(ValueError, match="'nothing' returned None"):
        compiled(loss=nothing).fit(*good(), verbose=0)
    with pytest.raises(ValueError, match="'nothing' returned None"):
        compiled(metrics=[nothing]).fit(*good(), verbose=0)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"loss": "mse"}, "loss 'mse'"), ({"loss": "mae", "metrics": ["mse"]}, "metric 'mse'")],
)
def test_shapes_that_do_not_fit_the_loss(options, text):
    model = compiled(**options, outputs=3)
    x, _ = good()
    with pytest.raises(ValueError, match="broadcast") as caught:
        model.fit(x, np.ones(8), verbose=0)
    notes = "\n".join(caught.value.__notes__)
    assert f"{text} for y_true of shape (8,), y_pred of shape (8, 3)" in notes


def test_generator_that_ends_early():
    def batches(count):
        for _ in range(count):
            yield good()

    model = compiled()
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(batches(7), steps_per_epoch=5, epochs=4, verbose=0)
    # Two steps of the second epoch, and no epochs of nothing.
    assert len(history.history["loss"]) == 2
    assert int(model.optimizer.iterations) == 7
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(batches(3), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 1
    # Validation data that are used up: no value rather than a perfect one.
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(*good(), validation_data=batches(2), validation_steps=2, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert len(history.history["val_loss"]) == 1
    with pytest.raises(ValueError, match="non-empty"):
        model.fit(iter([]), verbose=0)
    with pytest.raises(ValueError, match="non-empty"):
        model.evaluate(iter([]), verbose=0)
    still_works(model)


def test_symbolic_errors_show_no_stand_ins():
    a = layers.Input((4,))
    for cause in (lambda: a + layers.Input((3,)), lambda: ops.concatenate([a, layers.Input((5,))], axis=0)):
        with pytest.raises(ValueError, match=r"\(None, [345]\)") as caught:
            cause()
        assert "120" not in str(caught.value)
    with pytest.raises(ValueError, match=r"120"):
        layers.Input((120,)) + layers.Input((3,))
