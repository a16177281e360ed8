"""Names, dtypes, variables, symbolic tensors, scopes and operations."""

import gc

import keras
import numpy as np
import pytest

import oxhorn
from oxhorn import _core, ops
from oxhorn._base import dtypes, naming, scopes, settings, symbolic, tracking
from oxhorn._base.op import op, operation_class


@pytest.fixture(autouse=True)
def fresh_names():
    oxhorn.backend.clear_session()


def test_names():
    assert [naming.auto_name(n) for n in ("Conv2D", "Conv2D", "LSTMCell", "ConvLSTM1D", "RMSprop")] == [
        "conv2d",
        "conv2d_1",
        "lstm_cell",
        "conv_lstm1d",
        "rm_sprop",
    ]


@pytest.mark.parametrize("dtype", ["float16", bool, int, float, np.float32, np.dtype("uint8"), None, "int"])
def test_standardize_dtype(dtype):
    assert dtypes.standardize_dtype(dtype) == keras.backend.standardize_dtype(dtype)


@pytest.mark.parametrize("dtype", ["float31", [], object(), "f4"])
def test_not_a_dtype(dtype):
    with pytest.raises(ValueError, match="Invalid dtype"):
        dtypes.standardize_dtype(dtype)


@pytest.mark.parametrize(
    "names, expected",
    [
        ((), "float64"),
        ((int, float), "float64"),
        (("int8", float), "float64"),
        (("float16", float), "float16"),
    ],
)
def test_result_type_follows_floatx(names, expected):
    settings.set_floatx("float64")
    try:
        assert dtypes.result_type(*names) == expected
    finally:
        settings.set_floatx("float32")


# -- variables


def test_variable_holds_and_checks():
    v = oxhorn.Variable("ones", shape=(2, 3), dtype="int32", name="v")
    assert (v.shape, v.dtype, v.ndim, v.path, v.trainable) == ((2, 3), "int32", 2, "v", True)
    v.assign_add(np.ones((2, 3)))
    assert v.numpy().tolist() == [[2] * 3] * 2
    with pytest.raises(ValueError, match="shape"):
        v.assign(np.ones(3))
    with pytest.raises(TypeError):
        bool(v)
    for bad in ({"name": "a/b"}, {"aggregation": "max"}, {"shape": (None,)}, {"dtype": "float31"}):
        with pytest.raises(ValueError):
            oxhorn.Variable("zeros", **{"shape": (1,), **bad})
    assert float(oxhorn.Variable(2.0)) == 2.0 and isinstance(v + 1, _core.Tensor)
    assert (np.ones((2, 3), "int32") + v).shape == (2, 3)


def test_variables_made_in_a_stateless_scope_come_alive_after_it():
    with oxhorn.StatelessScope():
        v = oxhorn.Variable("ones", shape=(2,))
        assert v.value.shape == (2,)
        with pytest.raises(ValueError, match="stateless scope"):
            oxhorn.Variable(np.ones(2))
    assert v.numpy().tolist() == [1, 1]


def test_stateless_scope():
    v, w = oxhorn.Variable(1.0), oxhorn.Variable(2.0)
    with oxhorn.StatelessScope([(v, 5.0)]) as scope:
        v.assign(v + w)
        assert float(v.value) == 7
    assert (float(v), float(scope.get_current_value(v)), scope.get_current_value(w)) == (1, 7, None)
    with pytest.raises(ValueError):
        oxhorn.StatelessScope([(v, np.ones(3))])


def test_autocast_and_name_scopes():
    with oxhorn.name_scope("outer"), oxhorn.name_scope("inner"):
        v, n = oxhorn.Variable(1.0, name="v"), oxhorn.Variable(1, dtype="int32", name="n")
    assert v.path == "outer/inner/v"
    with scopes.AutocastScope("float16"):
        assert (v.dtype, v.value.dtype, n.dtype) == ("float16", "float16", "int32")
        with scopes.AutocastScope(None):
            assert v.value.dtype == "float32"
    with pytest.raises(ValueError):
        scopes.AutocastScope("int32")
    with pytest.raises(ValueError):
        oxhorn.name_scope("a/b")


def test_building_variables_inside_a_trace():
    with _core.Trace():
        v = oxhorn.Variable("ones", shape=(2,))
    assert v.numpy().tolist() == [1, 1]


# -- symbolic tensors


def test_keras_tensor():
    x = oxhorn.KerasTensor((None, 3), dtype="float16", name="x")
    assert ((x + 1).shape, (x @ x.reshape((3, -1))).dtype, (x > 0).dtype) == ((None, 3), "float16", "bool")
    assert (np.ones(3, "float16") * x).shape == (None, 3)
    for use in (float, int, bool, np.array, iter):
        with pytest.raises((ValueError, TypeError, NotImplementedError)):
            use(x)
    with pytest.raises(AttributeError, match="immutable"):
        x.shape = (1,)
    with pytest.raises(ValueError):
        oxhorn.KerasTensor((1, -2))


def test_compute_output_spec():
    v = oxhorn.Variable(0.0)

    def function(x, n, y=None):
        v.assign_add(1.0)
        return {"a": ops.reshape(x, (-1, n)), "b": [ops.sum(y), x]}

    x = oxhorn.KerasTensor((None, 4))
    spec = symbolic.compute_output_spec(function, x, 2, y=np.ones(3, "float32"))
    assert oxhorn.tree.map_structure(lambda t: t.shape, spec) == {"a": (None, 2), "b": [(), (None, 4)]}
    assert float(v) == 0
    with pytest.raises(ValueError, match="rank"):
        symbolic.compute_output_spec(lambda x: ops.ones((1,) * (x.shape[0] % 5)), x)


@pytest.mark.parametrize(
    "shapes, expected",
    [
        ([(None, 3), (3,)], (None, 3)),
        ([(None, 1), (5, 3)], (5, 3)),
        ([(1, None), (1, 1)], (1, None)),
        ([(2,), (3,)], None),
    ],
)
def test_broadcast_shapes(shapes, expected):
    if expected is None:
        with pytest.raises(ValueError):
            symbolic.broadcast_shapes(*shapes)
    else:
        assert symbolic.broadcast_shapes(*shapes) == expected


# -- operations


def test_op_decorator():
    @op(module="test", tensors=("weights",))
    def mix_in(x, weights, times=1, *, offset=0.0):
        return x * weights * times + offset

    x = oxhorn.KerasTensor((None, 2))
    y = mix_in(x, 2.0, 3, offset=1.0)
    operation, node, tensor = y._keras_history
    assert (y.shape, operation.name, node, tensor) == ((None, 2), "mix_in", 0, 0)
    assert operation.get_config() == {"name": "mix_in", "times": 3, "offset": 1.0}
    cls = operation_class("test", "MixIn")
    again = cls.from_config(operation.get_config())
    value = np.ones((1, 2), "float32")
    np.testing.assert_array_equal(np.array(again(value, 2.0)), np.array(mix_in(value, 2.0, 3, offset=1.0)))
    with pytest.raises(TypeError):
        again(value, 2.0, 3.0)


def test_function():
    x, y = oxhorn.KerasTensor((None, 2)), oxhorn.KerasTensor((None, 2))
    function = oxhorn.Function({"x": x, "y": y}, [x + y, (x * y)[:, 0]])
    a = np.full((3, 2), 2.0, "float32")
    total, first = function({"x": a, "y": a})
    assert np.array(total).tolist() == [[4, 4]] * 3 and np.array(first).tolist() == [4] * 3
    assert function.compute_output_shape({"x": (7, 2), "y": (7, 2)}) == [(7, 2), (7,)]
    for inputs, outputs in (([], x), (x, []), (oxhorn.KerasTensor((2,)), x + y)):
        with pytest.raises(ValueError):
            oxhorn.Function(inputs, outputs)


def test_a_deep_graph_is_no_problem():
    x = y = oxhorn.KerasTensor((1,))
    for _ in range(2000):
        y = -y
    function = oxhorn.Function(x, y)
    assert float(np.array(function(np.ones(1, "float32")))[0]) == 1


# -- tracking and policies


def test_tracked_containers():
    found = []
    tracker = tracking.Tracker({"ints": (lambda x: isinstance(x, complex), found)})
    box = tracker.track({"a": [1j, (2j, 3j)], "b": {4j}})
    box["c"] = 5j
    box["a"].append(6j)
    assert sorted(found, key=abs) == [1j, 2j, 3j, 4j, 5j, 6j]
    del box["c"]
    box["a"].pop(0)
    assert sorted(found, key=abs) == [2j, 3j, 4j, 6j]
    tracker.lock("locked")
    with pytest.raises(ValueError, match="locked"):
        box["a"].append(7j)


def test_policies():
    from oxhorn import dtype_policies

    mixed = dtype_policies.DTypePolicy("mixed_bfloat16")
    assert (mixed.compute_dtype, mixed.variable_dtype) == ("bfloat16", "float32")
    assert mixed == dtype_policies.get({"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}})
    table = dtype_policies.DTypePolicyMap("float32", {"a/.*": mixed})
    assert (table["a/b"].name, table["c"].name) == ("mixed_bfloat16", "float32")
    ref = keras.dtype_policies
    reference = ref.DTypePolicyMap("float32", {"a/.*": ref.DTypePolicy("mixed_bfloat16")})
    assert dtype_policies.serialize(table) == ref.serialize(reference)
    assert dtype_policies.deserialize(dtype_policies.serialize(table))["a/b"] == mixed
    table["a/b.*"] = "float16"
    with pytest.raises(ValueError, match="multiple"):
        table["a/bc"]
    for bad in (3, "float31", "int8_from_float32"):
        with pytest.raises((ValueError, NotImplementedError)):
            dtype_policies.get(bad)


def test_import_is_light():
    import subprocess
    import sys

    code = "import sys, oxhorn; print([m for m in sys.modules if m.startswith('oxhorn.') or m == 'numpy'])"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert modules.strip() == "['oxhorn._base', 'oxhorn._base.lazy']"


def test_clear_session_drops_names():
    oxhorn.layers.Dense(1)
    oxhorn.backend.clear_session()
    gc.collect()
    assert oxhorn.layers.Dense(1).name == "dense"
