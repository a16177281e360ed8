"""Recurrent networks."""

from .measure import prediction_time, step_time


def words(samples, length, vocabulary):
    """Reviews: rows of word numbers, zeros after their ends, and which of two classes uses higher numbers."""
    import numpy as np

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, samples)
    x = rng.integers(1, vocabulary, (samples, length)) ** (1 + y[:, None]) // vocabulary ** y[:, None]
    x[np.arange(length) >= rng.integers(length // 2, length + 1, samples)[:, None]] = 0
    return x.astype("int32"), y.astype("float32")


def text_model(keras, mask_zero):
    layers = keras.layers
    inner = [layers.LSTM(32, return_sequences=True)] if mask_zero else []
    embedding = layers.Embedding(10_000, 32, mask_zero=mask_zero)
    model = keras.Sequential([embedding, *inner, layers.LSTM(32), layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def lstm_imdb(keras, scale, mask_zero=False):
    x, y = words(128 * 10, 200, 10_000)
    return step_time(text_model(keras, mask_zero), x, y, 128, scale(4))


def lstm_masked(keras, scale):
    return lstm_imdb(keras, scale, mask_zero=True)


def climate(samples):
    """Weather of 120 hours, 14 numbers each, the last hours of some missing; and a temperature later."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 120, 14)).astype("float32").cumsum(axis=1) / 10
    y = x[:, -20:, 0].mean(axis=1)
    x[np.arange(120) >= rng.integers(60, 121, samples)[:, None]] = 0
    return x, y


def climate_model(keras, masked):
    layers = keras.layers
    first = [layers.Masking()] if masked else []
    grus = [
        layers.GRU(32, dropout=0.2, recurrent_dropout=0.2, return_sequences=sequences)
        for sequences in (True, masked)
    ]
    last = [layers.GlobalAveragePooling1D()] if masked else []
    model = keras.Sequential([keras.Input(shape=(120, 14)), *first, *grus, *last, layers.Dense(1)])
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    return model


def gru_dropout(keras, scale, masked=False):
    x, y = climate(128 * 10)
    return step_time(climate_model(keras, masked), x, y, 128, scale(4))


def gru_masked(keras, scale):
    return gru_dropout(keras, scale, masked=True)


def lstm_predict(keras, scale):
    return prediction_time(text_model(keras, False), *words(128 * 10, 200, 10_000), scale(4))


def gru_predict(keras, scale):
    return prediction_time(climate_model(keras, False), *climate(128 * 10), scale(4))
