"""`ops.core`: conversion, indexing, control flow."""

import keras
import numpy as np
import pytest
from parity import Case, compare, parametrize

import oxhorn
from oxhorn import _core, ops

rng = np.random.default_rng(3)


def f(*shape):
    return rng.normal(size=shape).astype("float32")


def i(*shape, high=5):
    return rng.integers(0, high, shape).astype("int32")


CASES = [
    Case("cast", f(3) * 9, "int32"),
    Case("cast", i(3), "bool"),
    Case("saturate_cast", np.array([-300.0, -1.5, 7.0, 3e9], "float32"), "uint8"),
    Case("saturate_cast", np.array([-300.0, -1.5, 7.0, 3e9], "float32"), "int32"),
    Case("saturate_cast", np.array([-300, 5, 300], "int32"), "int8"),
    Case("saturate_cast", np.array([1e30, -1e30], "float32"), "float16"),
    Case("unstack", f(2, 3), axis=1),
    Case("slice", f(4, 5), np.array([1, 2]), (2, 3)),
    Case("slice", f(4, 5), (1, 2), (2, -1), symbolic=False, jax=True),
    Case("slice_update", f(4, 5), np.array([1, 2]), f(2, 3)),
    Case("scatter", i(4, 1, high=6), f(4, 2), (6, 2)),
    Case("scatter_update", f(4, 5), np.array([[0, 1], [3, 4], [2, 2]], "int32"), f(3)),
    Case("scatter_update", f(4, 5), np.array([[1], [3]], "int32"), f(2, 5), "max"),
    *(
        Case("scatter_update", f(6), np.array([[1], [3], [1]], "int32"), f(3), r)
        for r in ("add", "mul", "min")
    ),
    Case("stop_gradient", f(3)),
    Case("shape", f(2, 3), symbolic=False),
]


@parametrize(CASES)
def test_parity(case):
    case.check()


def both(function, *args):
    """`function(ops, *args)` in either library gives the same."""
    compare(function(ops, *args), function(keras.ops, *args), rtol=1e-5)


def affine(a, b):
    return a[0] * b[0], a[1] * b[0] + b[1]


def test_loops():
    x, y = f(5, 3), f(5)
    both(lambda o, x, y: o.scan(lambda c, e: (c + e[0] * e[1], {"y": c}), o.zeros(3), (x, y)), x, y)
    both(lambda o, x: o.scan(lambda c, e: (c * 0.5 + e, c), x[0], x, reverse=True), x)
    both(lambda o: o.scan(lambda c, _: (c + 1.0, None), o.zeros(2), length=4)[0])
    both(lambda o, x: o.map(lambda e: e * o.sum(e), x), x)
    both(lambda o, x: o.vectorized_map(lambda e: o.dot(e, e), x), x)
    for reverse in (False, True):
        both(lambda o, x, r: o.associative_scan(o.add, x, reverse=r, axis=0), x, reverse)
        both(lambda o, x, r: o.associative_scan(affine, (x, x), r), x, reverse)
    both(
        lambda o, x: o.while_loop(
            lambda n, v: n < 4, lambda n, v: (n + 1, v * 2.0), (0, o.convert_to_tensor(x))
        ),
        x,
    )
    both(lambda o: o.while_loop(lambda n: n < 40, lambda n: n + 1, 3, maximum_iterations=5))
    both(lambda o, x: o.fori_loop(1, 5, lambda n, v: v * o.cast(n, "float32"), o.convert_to_tensor(x)), x)


def test_branches():
    x = f(3)
    for condition in (True, False):
        both(lambda o, x, c: o.cond(o.array(c), lambda: {"a": x + 1}, lambda: {"a": x * 2}), x, condition)
    for index in (-1, 0, 2, 9):
        both(lambda o, x, k: o.switch(k, [lambda v: v + 1, lambda v: v * 2, lambda v: -v], x), x, index)


def run(function, *arrays):
    """`function` compiled."""
    with _core.Trace() as trace:
        outputs = function(*(trace.input(a.shape, str(a.dtype)) for a in arrays))
    return [np.asarray(o) for o in trace.compile(outputs)([_core.tensor(a) for a in arrays])]


def test_branches_compiled():
    x = f(3)
    branches = [lambda v: v + 1, lambda v: v * 2, lambda v: -v]
    for n in range(3):
        index = np.array(n, "int32")
        switched, chosen = run(
            lambda k, v: [ops.switch(k, branches, v), ops.cond(k > 0, lambda: v, lambda: v * 3)], index, x
        )
        np.testing.assert_allclose(switched, [x + 1, x * 2, -x][n], rtol=1e-6)
        np.testing.assert_allclose(chosen, x if n else x * 3, rtol=1e-6)


def test_custom_gradient():
    @ops.custom_gradient
    def doubled(x):
        return x * 2.0, lambda upstream: upstream * 10.0

    def outputs(x):
        y = doubled(x)
        return [y, _core.gradient([y], [x])[0]]

    x = f(3)
    y, gradient = run(outputs, x)
    np.testing.assert_allclose(y, x * 2)
    np.testing.assert_allclose(gradient, np.full(3, 10.0))


def test_conversion():
    assert ops.convert_to_tensor([1.0, 2.0]).dtype == "float32"
    assert ops.convert_to_tensor(1).dtype == "int32"
    assert ops.convert_to_tensor(np.ones(2, "uint8")).dtype == "uint8"
    assert ops.shape(oxhorn.KerasTensor((None, 3))) == (None, 3)
    assert ops.dtype(np.ones(2, "float64")) == "float64"
    assert ops.is_tensor(ops.ones(2)) and not ops.is_tensor(np.ones(2))
    with pytest.raises(ValueError):
        ops.convert_to_tensor(1.0, sparse=True)
    with pytest.raises(ValueError):
        ops.scatter_update(f(3), [[0]], [1.0], reduction="div")


def test_operation_classes():
    """Files hold them: names, modules and constructor arguments are Keras's."""
    from oxhorn._base.op import operation_class

    clip = operation_class("keras.src.ops.numpy", "Clip")(-1, 1)
    assert {k: v for k, v in clip.get_config().items() if k != "name"} == {"x_min": -1, "x_max": 1}
    x = oxhorn.KerasTensor((None, 4))
    for module in ("core", "numpy", "nn", "math", "linalg", "image"):
        theirs = __import__(f"keras.src.ops.{module}", fromlist=["x"]).__dict__
        for name, cls in theirs.items():
            if isinstance(cls, type) and cls.__module__ == f"keras.src.ops.{module}" and "call" in vars(cls):
                assert operation_class(f"keras.src.ops.{module}", name), f"{module}.{name}"
    assert (x + 1).shape == (None, 4)
