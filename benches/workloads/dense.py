"""Networks of dense layers: from those that are all overhead to those that are all matrix products."""

import os
import statistics
import time

from .measure import Measured, classes, step_time


def seed_mlp_model(keras):
    model = keras.Sequential(
        [
            keras.Input(shape=(784,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.RMSprop(learning_rate=0.001), loss="mse", metrics=["accuracy"])
    return model


def seed_mlp(keras, scale):
    x, y = classes(128 * 100, (784,))
    return step_time(seed_mlp_model(keras), x, keras.utils.to_categorical(y, 10), 128, scale(10))


def regression(keras, scale):
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 13)).astype("float32")
    y = (x @ rng.standard_normal(13) + 20 + rng.standard_normal(400)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input(shape=(13,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    return step_time(model, x, y, 8, scale(20))


def predict_row(keras, scale):
    x, y = classes(1280, (784,))
    y = keras.utils.to_categorical(y, 10)
    model = seed_mlp_model(keras)
    losses = model.fit(x, y, batch_size=128, epochs=2, verbose=0).history["loss"]
    calls = []
    for _ in range(scale(100)):
        start = time.perf_counter()
        model.predict(x[:1], verbose=0)
        calls.append(time.perf_counter() - start)
    return Measured(statistics.median(calls), losses)


def cold_start(keras, scale):
    """The seconds are those from the start of the process to the end of the first training step."""
    x, y = classes(128, (784,))
    model = seed_mlp_model(keras)
    y = keras.utils.to_categorical(y, 10)
    losses = model.fit(x, y, batch_size=128, epochs=1, verbose=0).history["loss"]
    seconds = time.monotonic() - float(os.environ["OXHORN_BENCH_START"])
    return Measured(seconds, losses + model.fit(x, y, batch_size=128, epochs=10, verbose=0).history["loss"])


def book_mlp(keras, scale):
    x, y = classes(128 * 50, (784,))
    model = keras.Sequential(
        [
            keras.Input(shape=(784,)),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return step_time(model, x, y, 128, scale(8))


def wide_mlp(keras, scale):
    x, y = classes(256 * 4, (1024,))
    hidden = [keras.layers.Dense(2048, activation="gelu") for _ in range(3)]
    last = keras.layers.Dense(1000, activation="softmax")
    model = keras.Sequential([keras.Input(shape=(1024,)), *hidden, last])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return step_time(model, x, y, 256, scale(4))
