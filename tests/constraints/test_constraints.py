import keras
import numpy as np
import pytest

import oxhorn

w = np.random.default_rng(0).normal(size=(4, 3), scale=2).astype("float32")
CASES = [
    ("Constraint", {}),
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 1, "axis": 1}),
    ("NonNeg", {}),
    ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {"min_value": 1.5, "max_value": 2.5, "rate": 0.5}),
]


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
def test_value_and_config(name, kwargs):
    theirs, ours = (getattr(library.constraints, name)(**kwargs) for library in (keras, oxhorn))
    want = np.asarray(theirs(keras.ops.convert_to_tensor(w)))
    np.testing.assert_allclose(np.asarray(ours(oxhorn.Variable(w))), want, rtol=1e-5)
    assert ours.get_config() == theirs.get_config()
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()


def test_get():
    constraints = oxhorn.constraints
    assert isinstance(constraints.get("max_norm"), constraints.MaxNorm)
    assert constraints.deserialize(constraints.serialize(constraints.MaxNorm(7))).max_value == 7
    with pytest.raises(ValueError, match="Could not interpret constraint"):
        constraints.get("tight")
