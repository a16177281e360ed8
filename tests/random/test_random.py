"""Random numbers: their distributions, and where they come from."""

import math

import numpy as np
import pytest

import oxhorn
from oxhorn import random
from oxhorn.random import SeedGenerator

N = 20_000
DRAWS = {
    "uniform": (lambda **k: random.uniform((N,), 2.0, 6.0, **k), 4.0, 4 / math.sqrt(12)),
    "uniform half": (lambda **k: random.uniform((N,), dtype="bfloat16", **k), 0.498, 1 / math.sqrt(12)),
    "uniform double": (lambda **k: random.uniform((N,), dtype="float64", **k), 0.5, 1 / math.sqrt(12)),
    "normal": (lambda **k: random.normal((N,), 1.0, 3.0, **k), 1.0, 3.0),
    "normal half": (lambda **k: random.normal((N,), dtype="float16", **k), 0.0, 1.0),
    "normal double": (lambda **k: random.normal((N,), dtype="float64", **k), 0.0, 1.0),
    "truncated": (lambda **k: random.truncated_normal((N,), **k), 0.0, 0.8796),
    "randint": (lambda **k: random.randint((N,), -3, 7, **k), 1.5, math.sqrt(99 / 12)),
    "randint byte": (lambda **k: random.randint((N,), 0, 256, dtype="uint8", **k), 127.5, 73.9),
    "gamma 0.4": (lambda **k: random.gamma((N,), 0.4, **k), 0.4, math.sqrt(0.4)),
    "gamma 5": (lambda **k: random.gamma((N,), 5.0, **k), 5.0, math.sqrt(5.0)),
    "beta": (lambda **k: random.beta((N,), 2.0, 3.0, **k), 0.4, 0.2),
    "binomial few": (lambda **k: random.binomial((N,), 10, 0.3, **k), 3.0, math.sqrt(2.1)),
    "binomial many": (lambda **k: random.binomial((N,), 500, 0.7, **k), 350.0, math.sqrt(105.0)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_moments(name):
    draw, mean, deviation = DRAWS[name]
    x = np.asarray(draw(seed=1)).astype("float64")
    assert np.isfinite(x).all()
    assert abs(x.mean() - mean) < 5 * deviation / math.sqrt(N) + 1e-3
    assert abs(x.std() / deviation - 1) < 0.04
    np.testing.assert_array_equal(x, np.asarray(draw(seed=1)).astype("float64"))
    assert (x != np.asarray(draw(seed=2)).astype("float64")).any()


def test_ranges():
    assert np.abs(np.asarray(random.truncated_normal((N,), seed=1))).max() <= 2
    x = np.asarray(random.uniform((N,), seed=1))
    assert x.min() >= 0 and x.max() < 1
    x = np.asarray(random.randint((N,), -2, 3, seed=1))
    assert sorted(set(x.tolist())) == [-2, -1, 0, 1, 2]
    full = np.asarray(random.randint((N,), -(2**31), 2**31 - 1, seed=1))
    assert full.min() < -2e9 and full.max() > 2e9
    with pytest.raises(ValueError):
        random.uniform((2,), dtype="int32")
    with pytest.raises(ValueError):
        random.randint((2,), 0, 2, dtype="float32")


def test_choices():
    chances = np.array([[0.1, 0.2, 0.7], [1.0, 0.0, 0.0]], "float32")
    x = np.asarray(random.categorical(np.log(chances + 1e-30), N, seed=1))
    np.testing.assert_allclose([np.bincount(row, minlength=3) / N for row in x], chances, atol=0.02)
    kept = np.asarray(random.dropout(np.ones((100, 100), "float32"), 0.3, seed=1))
    np.testing.assert_allclose(np.unique(kept), [0, 1 / 0.7], rtol=1e-6)
    assert abs(kept.mean() - 1) < 0.03
    rows = np.asarray(random.dropout(np.ones((50, 4), "float32"), 0.5, noise_shape=(None, 1), seed=1))
    assert (rows == rows[:, :1]).all()
    shuffled = np.asarray(random.shuffle(np.arange(50), seed=1))
    assert (shuffled != np.arange(50)).any()
    np.testing.assert_array_equal(np.sort(shuffled), np.arange(50))


def test_seeds():
    generator = SeedGenerator(7)
    np.testing.assert_array_equal(generator.next(), [7, 0])
    np.testing.assert_array_equal(generator.next(), [7, 1])
    first, second = (np.asarray(random.normal((5,), seed=generator)) for _ in range(2))
    assert (first != second).any()
    copy = SeedGenerator.from_config(generator.get_config())
    np.testing.assert_array_equal(copy.state, [7, 0])
    assert oxhorn.ops.convert_to_tensor(SeedGenerator(2**32 - 1).state).dtype == "uint32"
    for bad in ("seed", 1.5):
        with pytest.raises(ValueError):
            random.normal((2,), seed=bad)
    with pytest.raises(ValueError):
        SeedGenerator("seed")


def test_global_seed():
    draws = []
    for _ in range(2):
        oxhorn.utils.set_random_seed(3)
        draws.append([np.asarray(random.uniform((3,))) for _ in range(2)])
    np.testing.assert_array_equal(*draws)
    assert (draws[0][0] != draws[0][1]).any()
