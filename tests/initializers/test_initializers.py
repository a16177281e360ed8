import keras
import numpy as np
import pytest

import oxhorn

FIXED = [
    ("Zeros", {}, (2, 3)),
    ("Ones", {}, (2, 3)),
    ("Constant", {"value": 1.5}, (2, 3)),
    ("Identity", {"gain": 2.0}, (3, 4)),
    ("STFT", {}, (16, 1, 9)),
    ("STFT", {"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True}, (12, 1, 9)),
    ("STFT", {"window": "blackmanharris", "scaling": None}, (16, 1, 9)),
    ("STFT", {"window": None}, (16, 1, 9)),
]


@pytest.mark.parametrize(("name", "kwargs", "shape"), FIXED, ids=str)
def test_value_and_config(name, kwargs, shape):
    theirs, ours = (getattr(library.initializers, name)(**kwargs) for library in (keras, oxhorn))
    want, got = (np.asarray(f(shape)) for f in (theirs, ours))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-5)
    assert got.dtype == want.dtype
    assert np.asarray(ours(shape, dtype="float16")).dtype == "float16"
    assert ours.get_config() == theirs.get_config()
    assert ours.clone().get_config() == ours.get_config()


RANDOM = [
    ("RandomNormal", {"mean": 0.5, "stddev": 2.0}),
    ("TruncatedNormal", {"stddev": 0.3}),
    ("RandomUniform", {"minval": -2.0, "maxval": 1.0}),
    ("VarianceScaling", {"scale": 3.0, "mode": "fan_out", "distribution": "normal"}),
    ("VarianceScaling", {"mode": "fan_avg", "distribution": "untruncated_normal"}),
    ("VarianceScaling", {"input_axes": (0, 1), "output_axes": (2,)}),
    ("GlorotUniform", {}),
    ("GlorotNormal", {}),
    ("LecunNormal", {}),
    ("LecunUniform", {}),
    ("HeNormal", {}),
    ("HeUniform", {}),
    ("Orthogonal", {"gain": 0.7}),
]


@pytest.mark.parametrize(("name", "kwargs"), RANDOM, ids=str)
def test_moments_and_config(name, kwargs):
    theirs, ours = (getattr(library.initializers, name)(**kwargs, seed=7) for library in (keras, oxhorn))
    shape = (4, 60, 100)
    want, got = (np.asarray(f(shape)).astype("float64") for f in (theirs, ours))
    assert got.shape == shape
    assert got.std() == pytest.approx(want.std(), rel=0.03)
    assert got.mean() == pytest.approx(want.mean(), abs=4 * want.std() / np.sqrt(want.size))
    np.testing.assert_allclose([got.min(), got.max()], [want.min(), want.max()], rtol=0.35)
    assert ours.get_config() == theirs.get_config()
    np.testing.assert_array_equal(np.asarray(ours.clone()(shape)), np.asarray(ours(shape)))


def test_seed_generator_draws_new_values():
    initializer = oxhorn.initializers.RandomNormal(seed=oxhorn.random.SeedGenerator(1))
    assert not np.array_equal(np.asarray(initializer((8,))), np.asarray(initializer((8,))))


def test_orthogonal():
    for shape in ((5, 3), (3, 5), (2, 2, 4)):
        q = np.asarray(oxhorn.initializers.Orthogonal(seed=0)(shape)).reshape(-1, shape[-1])
        q = q if q.shape[0] <= q.shape[1] else q.T
        np.testing.assert_allclose(q @ q.T, np.eye(len(q)), atol=1e-5)
    with pytest.raises(ValueError, match="at least two-dimensional"):
        oxhorn.initializers.Orthogonal()((3,))


def test_get():
    initializers = oxhorn.initializers
    for name in ("he_normal", "HeNormal"):
        assert isinstance(initializers.get(name), initializers.HeNormal)
    assert isinstance(initializers.get("zero"), initializers.Zeros)
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    values = np.arange(6, dtype="float32").reshape(2, 3)
    np.testing.assert_array_equal(np.asarray(initializers.get(values)((2, 3))), values)
    with pytest.raises(ValueError, match="Expected `shape` to be"):
        initializers.get(values)((3, 2))
    with pytest.raises(ValueError, match="Could not interpret initializer"):
        initializers.get("none such")
    again = initializers.deserialize(initializers.serialize(initializers.GlorotUniform(seed=3)))
    assert again.seed == 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"scale": -1.0}, "must be positive"),
        ({"mode": "fan"}, "Invalid `mode`"),
        ({"distribution": "cauchy"}, "Invalid `distribution`"),
        ({"seed": "a"}, "`seed` argument should be"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        oxhorn.initializers.VarianceScaling(**kwargs)
