import keras
import numpy as np
import pytest

import oxhorn

x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
CASES = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {"l2": 0.3}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
def test_value_and_config(name, kwargs):
    theirs, ours = (getattr(library.regularizers, name)(**kwargs) for library in (keras, oxhorn))
    want = np.asarray(theirs(keras.ops.convert_to_tensor(x)))
    got = np.asarray(ours(oxhorn.ops.convert_to_tensor(x)))
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert got.dtype == want.dtype
    assert ours.get_config() == theirs.get_config()
    variable = oxhorn.Variable(x)
    np.testing.assert_array_equal(np.asarray(type(ours).from_config(ours.get_config())(variable)), got)


def test_get():
    regularizers = oxhorn.regularizers
    assert isinstance(regularizers.get("l2"), regularizers.L2)
    assert isinstance(regularizers.get("l1_l2"), regularizers.L1L2)
    assert regularizers.get(None) is None
    again = regularizers.deserialize(regularizers.serialize(regularizers.L2(0.25)))
    assert again.l2 == 0.25
    with pytest.raises(ValueError, match="Could not interpret regularizer"):
        regularizers.get("l3")


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "a", [0.1]])
def test_bad_factor(value):
    for name in ("L1", "L2", "OrthogonalRegularizer"):
        with pytest.raises(ValueError, match="expected a non-negative float"):
            getattr(oxhorn.regularizers, name)(value)
