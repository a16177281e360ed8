"""Callbacks are called, and act, as in Keras."""

import os
import re

import keras as reference
import numpy as np
import pytest

import oxhorn as keras

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 4)).astype("float32")
Y = X.sum(1, keepdims=True)
WEIGHTS = [rng.normal(0, 0.3, shape).astype("float32") for shape in ((4, 3), (3,), (3, 1), (1,))]
HOOKS = [
    f"{mode}_{edge}"
    for mode in ("train", "test", "predict", "epoch", "train_batch", "test_batch", "predict_batch")
    for edge in ("begin", "end")
]


def compiled(k, rate=0.01):
    model = k.Sequential([k.Input((4,)), k.layers.Dense(3), k.layers.Dense(1)])
    model.set_weights(WEIGHTS)
    model.compile(k.optimizers.SGD(rate), "mse", metrics=["mae"])
    return model


def fit(k, callbacks, rate=0.01, **options):
    model = compiled(k, rate)
    options = {"epochs": 3, "batch_size": 20, "shuffle": False, "verbose": 0, **options}
    return model, model.fit(X, Y, callbacks=callbacks, **options).history


def both(run):
    """What `run(library)` gives in Oxhorn and in Keras."""
    return run(keras), run(reference)


def assert_histories_agree(mine, theirs):
    assert list(mine) == list(theirs)
    for name in mine:
        np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_every_hook_gets_what_keras_gives_it():
    def run(k):
        calls = []
        recorder = k.callbacks.Callback()
        for hook in HOOKS:

            def record(*args, hook=hook, logs=None):
                logs = args[-1] if args and isinstance(args[-1], dict) else logs
                values = {n: np.round(v, 4).tolist() for n, v in (logs or {}).items() if np.ndim(v) == 0}
                calls.append((hook, [a for a in args if not isinstance(a, dict)], values))

            setattr(recorder, f"on_{hook}", record)
        model, _ = fit(k, [recorder], epochs=2, validation_data=(X[:10], Y[:10]))
        model.evaluate(X, Y, callbacks=[recorder], verbose=0)
        model.predict(X, callbacks=[recorder], verbose=0)
        return calls

    mine, theirs = both(run)
    assert [call[:2] for call in mine] == [call[:2] for call in theirs]
    for own, other in zip(mine, theirs):
        assert own[2] == pytest.approx(other[2], abs=2e-4)


SCHEDULES = {
    "scheduler": lambda k: [k.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)],
    "scheduler of the epoch": lambda k: [k.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1))],
    "plateau": lambda k: [k.callbacks.ReduceLROnPlateau("loss", factor=0.2, patience=1, min_delta=0.2)],
    "early": lambda k: [k.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)],
    "delta": lambda k: [k.callbacks.EarlyStopping("mae", min_delta=0.05, patience=1, start_from_epoch=2)],
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_training_is_steered_as_in_keras(name):
    def run(k):
        model, history = fit(k, SCHEDULES[name](k), epochs=8, validation_data=(X, -Y))
        return history, model.get_weights()

    (mine, weights), (theirs, other_weights) = both(run)
    assert_histories_agree(mine, theirs)
    for a, b in zip(weights, other_weights):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_nan_ends_training():
    def run(k):
        return len(fit(k, [k.callbacks.TerminateOnNaN()], rate=1e6, epochs=20)[1]["loss"])

    mine, theirs = both(run)
    assert mine == theirs < 20


def test_logs_and_attributes_that_a_callback_changes():
    def run(k):
        class Meddling(k.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                self.model.optimizer.learning_rate = 0.1 / (epoch + 1)

            def on_epoch_end(self, epoch, logs):
                logs["extra"] = epoch * 1.5
                logs["inner"] = float(self.model.evaluate(X[:4], Y[:4], verbose=0)[0])
                self.model.stop_training = epoch == 1

        return fit(k, [Meddling()])[1]

    assert_histories_agree(*both(run))


def test_csv_log(tmp_path):
    def run(k):
        path = tmp_path / f"{k.__name__}.csv"
        fit(k, [k.callbacks.CSVLogger(path)], validation_split=0.25)
        fit(k, [k.callbacks.CSVLogger(path, append=True)], validation_split=0.25)
        return [line.split(",") for line in path.read_text().splitlines()]

    mine, theirs = both(run)
    assert mine[0] == theirs[0]
    np.testing.assert_allclose(np.array(mine[1:], float), np.array(theirs[1:], float), rtol=1e-4)


def test_checkpoints(tmp_path, capsys):
    def run(k):
        folder = tmp_path / k.__name__
        callbacks = [
            k.callbacks.ModelCheckpoint(
                folder / "{epoch:02d}-{val_loss:.2f}.keras", save_best_only=True, verbose=1
            ),
            k.callbacks.ModelCheckpoint(folder / "{epoch}.weights.h5", save_weights_only=True),
            k.callbacks.ModelCheckpoint(folder / "b{batch}.keras", save_freq=3),
        ]
        model, _ = fit(k, callbacks, validation_split=0.25, batch_size=10)
        best = k.models.load_model(sorted(folder.glob("0*.keras"))[-1])
        np.testing.assert_array_equal(best.predict(X, verbose=0), model.predict(X, verbose=0))
        text = capsys.readouterr().out.replace(str(folder) + os.sep, "")
        # Before there is a best value, Keras says None.
        return sorted(os.listdir(folder)), re.sub(r"from (None|inf|[\d.]+) to ([\d.]+)", "", text)

    mine, theirs = both(run)
    assert mine == theirs
    assert "finished saving model to 01-" in mine[1]


def test_backup_and_restore(tmp_path):
    def run(k):
        class Failing(k.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 2:
                    raise RuntimeError("power cut")

        folder = tmp_path / k.__name__
        with pytest.raises(RuntimeError, match="power cut"):
            fit(k, [k.callbacks.BackupAndRestore(folder), Failing()], epochs=4)
        _, history = fit(k, [k.callbacks.BackupAndRestore(folder)], epochs=4)
        assert not folder.exists()
        return history

    mine, theirs = both(run)
    assert_histories_agree(mine, theirs)
    _, uninterrupted = fit(keras, [], epochs=4)
    np.testing.assert_array_equal(mine["loss"], uninterrupted["loss"][2:])


MISSING = [
    lambda k: k.callbacks.EarlyStopping("val_loss"),
    lambda k: k.callbacks.ReduceLROnPlateau("val_loss"),
    lambda k: k.callbacks.ModelCheckpoint("model.keras", "val_loss", save_best_only=True),
]


@pytest.mark.parametrize("make", MISSING)
def test_a_value_that_is_not_there(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="`?val_loss`?.*available"):
        fit(keras, [make(keras)])


def test_a_direction_that_nobody_knows():
    stop = keras.callbacks.EarlyStopping("mystery")
    with pytest.raises(ValueError, match="mode='max'"):
        fit(keras, [stop])
