"""Tensors among NumPy's arrays, numbers and functions."""

import numpy as np
import pytest

import oxhorn as keras
from oxhorn import _core, layers, ops

VALUES = np.arange(6, dtype="float32").reshape(2, 3)

FUNCTIONS = {
    "exp": np.exp,
    "abs": np.abs,
    "sum": np.sum,
    "mean of an axis": lambda x: np.mean(x, axis=0),
    "max": np.max,
    "argmax": lambda x: np.argmax(x, axis=1),
    "clip": lambda x: np.clip(x, 1, 2),
    "percentile": lambda x: np.percentile(x, 30),
    "maximum": lambda x: np.maximum(x, 2),
    "add": lambda x: np.add(VALUES, x),
    "concatenate": lambda x: np.concatenate([x, VALUES]),
    "isnan": lambda x: np.isnan(x).any(),
    "dot": lambda x: np.dot(VALUES.T, x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("make", [ops.convert_to_tensor, keras.Variable])
def test_functions_see_an_array(name, make):
    result, expected = FUNCTIONS[name](make(VALUES)), FUNCTIONS[name](VALUES)
    assert isinstance(result, np.ndarray | np.generic)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_operators_give_tensors():
    tensor = ops.convert_to_tensor(VALUES)
    for result, expected in (
        (VALUES + tensor, VALUES + VALUES),
        (tensor - VALUES, VALUES - VALUES),
        (VALUES.T @ tensor, VALUES.T @ VALUES),
        (np.float32(2) * tensor, 2 * VALUES),
        (tensor + 1 > VALUES, VALUES < VALUES + 1),
        (VALUES**tensor, VALUES**VALUES),
    ):
        assert isinstance(result, _core.Tensor)
        np.testing.assert_allclose(result, expected)
    array = VALUES.copy()
    array[0] = tensor[1]
    np.testing.assert_array_equal(array, VALUES[[1, 1]])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32"])
@pytest.mark.parametrize("number", [np.sqrt(4), np.full((2, 3), 2.0), np.array(2.0)])
def test_float64_of_numpy_takes_the_dtype_of_tensors(dtype, number):
    """`scores / np.sqrt(d)` and `x + table`, with a table that NumPy made, stay in the dtype of the model."""
    tensor = ops.convert_to_tensor(VALUES, dtype=dtype)
    expected = "float32" if dtype == "int32" else dtype
    for result in (tensor / number, number * tensor, ops.add(tensor, number), ops.maximum(number, tensor)):
        assert result.dtype == expected
    np.testing.assert_array_equal(ops.cast(tensor / number, "float32"), VALUES / 2)
    # Alone, it is what it says.
    assert ops.add(number, number).dtype == "float64"
    assert ops.add(tensor, ops.convert_to_tensor(number)).dtype == "float64"


def test_float64_tables_in_models():
    class Encoded(layers.Layer):
        def __init__(self):
            super().__init__(autocast=False)
            self.table = np.sin(np.arange(6.0)).reshape(2, 3)

        def call(self, x):
            return (x + self.table) @ np.eye(3) / np.sqrt(3)

    x = keras.Input((2, 3))
    y = Encoded()(x)
    assert y.dtype == "float32"
    outputs = keras.Model(x, y).predict(VALUES[None], verbose=0)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs[0], (VALUES + np.sin(VALUES)) / np.sqrt(3), rtol=1e-6)


def test_a_traced_tensor_has_no_values_for_numpy():
    with pytest.raises(_core.TracedValueError):
        keras.function(lambda x: np.exp(x))(ops.ones(2))
