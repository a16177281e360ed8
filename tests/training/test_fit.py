"""The ways in which `fit`, `evaluate` and `predict` are called."""

import os
import signal
import threading

import numpy as np
import pytest

import oxhorn as keras
from oxhorn import _core, layers, ops


def data(n=64, features=6):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, features)).astype("float32")
    return x, (x @ np.arange(features, dtype="float32"))[:, None] / 10


def small(loss="mse", **options):
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["mae"], **options)
    return model


def test_history_validation_and_old_names():
    keras.utils.set_random_seed(0)
    x, y = data()
    model = keras.models.Sequential()
    model.add(layers.Dense(4, activation="relu", input_shape=(6,)))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer=keras.optimizers.RMSprop(lr=0.001), loss="binary_crossentropy", metrics=["acc"])
    history = model.fit(
        x, (y > 0).astype("float32"), epochs=3, batch_size=16, validation_split=0.25, verbose=0
    )
    assert set(history.history) == {"loss", "acc", "val_loss", "val_acc"}
    assert history.epoch == [0, 1, 2]


def test_partial_last_batch_counts_right():
    x, y = data(50)
    model = small()
    result = model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    expected = np.mean((model.predict(x, batch_size=7, verbose=0) - y) ** 2)
    np.testing.assert_allclose(result["loss"], expected, rtol=1e-5)


def sources():
    x, y = data()

    class Batches(keras.utils.PyDataset):
        @property
        def num_batches(self):
            return 4

        def __getitem__(self, i):
            return x[i * 16 : (i + 1) * 16], y[i * 16 : (i + 1) * 16]

    def generator():
        for i in range(4):
            yield x[i * 16 : (i + 1) * 16], y[i * 16 : (i + 1) * 16]

    return {
        "arrays": lambda: {"x": x, "y": y, "batch_size": 16, "shuffle": False},
        "tensors": lambda: {
            "x": ops.convert_to_tensor(x), "y": ops.convert_to_tensor(y), "batch_size": 16, "shuffle": False},
        "lists of arrays": lambda: {"x": [x], "y": [y], "batch_size": 16, "shuffle": False},
        "generator": lambda: {"x": generator()},
        "dataset": lambda: {"x": Batches(), "shuffle": False},
        "dataset with workers": lambda: {"x": Batches(workers=2), "shuffle": False},
    }  # fmt: skip


@pytest.mark.parametrize("kind", sources())
def test_every_source_trains_alike(kind):
    losses = []
    for arguments in (sources()["arrays"](), sources()[kind]()):
        keras.utils.set_random_seed(5)
        losses.append(small().fit(**arguments, verbose=0).history["loss"][0])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    x, y = data()
    history = small().fit(pandas.DataFrame(x), pandas.Series(y[:, 0]), verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_eager_steps_equal_compiled_ones():
    x, y = data()
    results = []
    for eagerly in (False, True):
        keras.utils.set_random_seed(5)
        model = small(run_eagerly=eagerly)
        model.fit(x, y, epochs=2, verbose=0)
        results.append(model.get_weights())
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_same_seed_same_bits_whatever_the_threads():
    x, y = data(200)
    results = []
    threads = _core.num_threads()
    try:
        for n in (1, 2, 4, 1):
            _core.set_num_threads(n)
            keras.utils.set_random_seed(11)
            model = keras.Sequential(
                [
                    layers.Input((6,)),
                    layers.Dense(64, activation="gelu"),
                    layers.Dropout(0.3),
                    layers.Dense(1),
                ]
            )
            model.compile("adam", "mse")
            model.fit(x, y, epochs=2, batch_size=32, verbose=0)
            results.append(model.get_weights())
    finally:
        _core.set_num_threads(threads)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


def test_sample_and_class_weights():
    x, _ = data()
    labels = (x[:, 0] > 0).astype("int32")
    model = keras.Sequential([layers.Input((6,)), layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    weights = np.where(labels == 1, 3.0, 1.0)
    a = model.evaluate(x, labels, sample_weight=weights, verbose=0, return_dict=True)
    p = model.predict(x, verbose=0)
    hit = (p.argmax(1) == labels).astype(float)
    np.testing.assert_allclose(a["accuracy"], (hit * weights).sum() / weights.sum(), rtol=1e-5)
    model.fit(x, labels, class_weight={0: 1.0, 1: 3.0}, verbose=0)


def test_overridden_train_step():
    class Custom(keras.Model):
        def train_step(self, batch):
            x, y = batch
            with keras.GradientTape() as tape:
                loss = ops.mean((self(x, training=True) - y) ** 2)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
            return {"my_loss": loss}

    inputs = layers.Input((6,))
    model = Custom(inputs, layers.Dense(1)(inputs))
    model.compile(keras.optimizers.SGD(0.1))
    x, y = data()
    history = model.fit(x, y, epochs=20, verbose=0)
    assert history.history["my_loss"][-1] < 0.2 * history.history["my_loss"][0]


def test_callbacks_see_every_batch():
    seen = []

    class Watching(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((batch, logs["loss"]))

    x, y = data()
    small().fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[Watching()])
    assert [b for b, _ in seen] == [0, 1, 2, 3] * 2


def test_steps_per_execution_groups_batches():
    seen = []

    class Watching(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    x, y = data()
    small(steps_per_execution=2).fit(x, y, batch_size=16, verbose=0, callbacks=[Watching()])
    assert seen == [1, 3]


def test_early_stopping_restores_the_best_weights():
    x, y = data()
    model = small()
    stop = keras.callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True, min_delta=100.0)
    history = model.fit(x, y, epochs=50, verbose=0, callbacks=[stop])
    assert len(history.epoch) < 10


def test_steps_per_epoch_goes_on_where_it_stopped():
    x, y = data(64)
    history = small().fit(x, y, batch_size=16, steps_per_epoch=2, epochs=4, verbose=0)
    assert len(history.history["loss"]) == 4


@pytest.fixture
def interruptible():
    """Python's own SIGINT handler: programs started in the background inherit an ignored signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_control_c_stops_and_leaves_the_model_usable(interruptible):
    x, y = data(20_000)
    model = small()
    model.fit(x[:64], y[:64], verbose=0)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=1000, batch_size=8, verbose=0)
    assert np.isfinite(model.evaluate(x[:64], y[:64], verbose=0)[0])


def test_memory_is_flat():
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    x, y = data()
    model = small()

    def cycle(n):
        for _ in range(n):
            model.fit(x, y, batch_size=32, verbose=0)
            model.predict(x[:8], verbose=0)

    def create(n):
        for _ in range(n):
            small().fit(x[:32], y[:32], verbose=0)
        keras.utils.clear_session()

    cycle(100)
    create(20)
    before, live = process.memory_info().rss, _core.memory_stats()["live_bytes"]
    cycle(2000)
    create(200)
    assert _core.memory_stats()["live_bytes"] <= live + (1 << 16)
    assert process.memory_info().rss - before < 24 << 20
