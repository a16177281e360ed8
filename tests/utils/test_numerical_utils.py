import random

import keras
import numpy as np
import pytest

import oxhorn


def test_to_categorical():
    for labels in ([0, 2, 1], [[0], [1]], [[0, 3], [1, 2]], 2):
        for classes in (None, 5):
            want = keras.utils.to_categorical(labels, classes)
            got = oxhorn.utils.to_categorical(labels, classes)
            np.testing.assert_array_equal(got, want)
            assert got.dtype == want.dtype
    got = oxhorn.utils.to_categorical(oxhorn.ops.convert_to_tensor([[1], [0]]), 3)
    np.testing.assert_array_equal(np.asarray(got), [[0, 1, 0], [1, 0, 0]])


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(oxhorn.utils.normalize(x), keras.utils.normalize(x))
    np.testing.assert_allclose(oxhorn.utils.normalize(x, axis=0, order=1), x / [4.0, 4.0])
    got = oxhorn.utils.normalize(oxhorn.ops.convert_to_tensor(x))
    np.testing.assert_allclose(np.asarray(got), keras.utils.normalize(x), rtol=1e-6)


SEQUENCES = [[1], [1, 2, 3], [], [4, 5]]


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"maxlen": 2},
        {"maxlen": 2, "padding": "post", "truncating": "post"},
        {"maxlen": 5, "value": -1.5, "dtype": "float32"},
    ],
    ids=str,
)
def test_pad_sequences(kwargs):
    want, got = (library.utils.pad_sequences(SEQUENCES, **kwargs) for library in (keras, oxhorn))
    np.testing.assert_array_equal(got, want)
    assert got.dtype == want.dtype


def test_pad_sequences_of_vectors_and_strings():
    vectors = [np.ones((n, 2)) for n in (1, 3)]
    np.testing.assert_array_equal(oxhorn.utils.pad_sequences(vectors), keras.utils.pad_sequences(vectors))
    texts = [["a", "bc"], ["d"]]
    got = oxhorn.utils.pad_sequences(texts, dtype=object, value="pad", padding="post")
    assert got.tolist() == [["a", "bc"], ["d", "pad"]]
    with pytest.raises(ValueError, match="not compatible with `value`"):
        oxhorn.utils.pad_sequences(texts, value="pad")
    with pytest.raises(ValueError, match="non-iterable"):
        oxhorn.utils.pad_sequences([1, 2])
    with pytest.raises(ValueError, match="different from expected shape"):
        oxhorn.utils.pad_sequences([np.ones((1, 2)), np.ones((1, 3))])
    with pytest.raises(ValueError, match="not understood"):
        oxhorn.utils.pad_sequences([[1]], padding="middle")


def test_set_random_seed():
    def draw():
        oxhorn.utils.set_random_seed(3)
        return random.random(), np.random.rand(), np.asarray(oxhorn.random.normal((4,))).tolist()

    assert draw() == draw()
    with pytest.raises(ValueError, match="to be an integer"):
        oxhorn.utils.set_random_seed("3")
