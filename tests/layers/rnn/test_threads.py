"""A batch is cut into blocks by its size: the number of threads changes no bit."""

import numpy as np
import pytest

import oxhorn as keras
from oxhorn import _core, layers


def lstm():
    yield layers.Embedding(20, 8, mask_zero=True)
    yield layers.LSTM(8, return_sequences=True, go_backwards=True)
    yield layers.LSTM(8)


def gru():
    yield layers.Embedding(20, 8)
    yield layers.Bidirectional(layers.GRU(8, return_sequences=True, dropout=0.2, recurrent_dropout=0.2))
    yield layers.SimpleRNN(8, recurrent_dropout=0.1)


@pytest.mark.parametrize("make", [lstm, gru], ids=lambda f: f.__name__)
def test_threads_do_not_matter(make):
    rng = np.random.default_rng(0)
    # Batches of 64 and one of 20, which is cut otherwise.
    x, y = rng.integers(0, 20, (148, 9)), rng.random((148, 1)).astype("float32")
    results = []
    threads = _core.num_threads()
    try:
        for n in (1, 2, 4):
            _core.set_num_threads(n)
            keras.utils.set_random_seed(3)
            model = keras.Sequential([keras.Input((9,), dtype="int32"), *make(), layers.Dense(1)])
            model.compile("rmsprop", "mse")
            model.fit(x, y, epochs=2, batch_size=64, verbose=0)
            results.append([*model.get_weights(), model.predict(x, batch_size=64, verbose=0)])
    finally:
        _core.set_num_threads(threads)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)
