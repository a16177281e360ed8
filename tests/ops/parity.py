"""Runs an op of Keras and ours on the same arguments and compares values, shapes and dtypes.

Keras computes with its NumPy backend here, put in the place of JAX, which would compile every call.
"""

import contextlib
import importlib
from unittest import mock

import keras
import numpy as np
import pytest

import oxhorn


class _NumpyBackend:
    """Keras's NumPy backend; what it lacks comes from the backend in use."""

    def __init__(self):
        self.common = importlib.import_module("keras.src.backend")
        in_use = self.common.numpy  # the backend's module, which the import of the package would replace
        self.package = importlib.import_module("keras.src.backend.numpy")
        self.common.numpy = in_use

    def __getattr__(self, name):
        return getattr(self.package, name, None) or getattr(self.common, name)


_BACKEND = _NumpyBackend()
_MODULES = [
    importlib.import_module(f"keras.src.ops.{m}") for m in ("core", "image", "linalg", "math", "nn", "numpy")
]


@contextlib.contextmanager
def numpy_backend():
    """Inside, `keras.ops` computes with NumPy."""
    with contextlib.ExitStack() as stack:
        for module in _MODULES:
            stack.enter_context(mock.patch.object(module, "backend", _BACKEND))
        yield


class Case:
    """One call: `Case("sum", x, axis=0)`. Arrays become tensors of either library.

    Keywords of the comparison: `rtol`, `atol`, `symbolic` (whether to compare symbolic calls too), `call` (a
    function of the library's `ops` and the arguments, where a plain call will not do) and `jax` (to compare
    with Keras on JAX, where its NumPy backend is known to differ).
    """

    def __init__(self, name, *args, rtol=2e-5, atol=2e-6, symbolic=True, call=None, jax=False, **kwargs):
        self.name, self.args, self.kwargs = name, args, kwargs
        self.rtol, self.atol, self.symbolic, self.call, self.jax = rtol, atol, symbolic, call, jax

    def __repr__(self):
        def show(v):
            if isinstance(v, np.ndarray):
                return f"{v.dtype}{list(v.shape)}".replace(" ", "")
            if isinstance(v, (list, tuple)):
                return "[" + ",".join(map(show, v)) + "]"
            return str(v)

        arguments = [show(a) for a in self.args] + [f"{k}={show(v)}" for k, v in self.kwargs.items()]
        return f"{self.name}({','.join(arguments)})"

    def run(self, library, place):
        args, kwargs = library.tree.map_structure(
            lambda v: place(v) if isinstance(v, np.ndarray) else v, (self.args, self.kwargs)
        )
        if self.call is not None:
            return self.call(library.ops, *args, **kwargs)
        function = library.ops
        for part in self.name.split("."):
            function = getattr(function, part)
        return function(*args, **kwargs)

    def check(self):
        if self.jax:
            want = self.run(keras, keras.ops.convert_to_tensor)
        else:
            with numpy_backend():
                want = self.run(keras, np.copy)  # it writes into its arguments
        got = self.run(oxhorn, lambda v: oxhorn.ops.convert_to_tensor(v))
        compare(got, want, self.rtol, self.atol)
        if self.symbolic and any(isinstance(a, np.ndarray) for a in keras.tree.flatten(self.args)):
            for unknown in (False, True):
                self.check_symbolic(unknown)

    def check_symbolic(self, unknown):
        def place(library):
            def tensor(v):
                shape = v.shape if not unknown or v.ndim < 2 else (None, *v.shape[1:])
                return library.KerasTensor(shape, dtype=str(v.dtype))

            return tensor

        try:
            want = self.run(keras, place(keras))
        except Exception:
            return  # not every op of Keras infers every shape
        got = self.run(oxhorn, place(oxhorn))
        want, got = keras.tree.flatten(want), oxhorn.tree.flatten(got)
        assert len(got) == len(want)
        for g, w in zip(got, want):
            if isinstance(w, keras.KerasTensor):
                assert g.dtype == keras.backend.standardize_dtype(w.dtype)
                assert len(g.shape) == len(w.shape), f"{g.shape} is not {w.shape}"
                if unknown:  # inference by running may know more, or be surer that it does not know
                    assert all(a == b or None in (a, b) for a, b in zip(g.shape, w.shape)), (g.shape, w.shape)
                else:
                    assert all(a == b or b is None for a, b in zip(g.shape, w.shape)), (g.shape, w.shape)


def compare(got, want, rtol=2e-5, atol=2e-6):
    got, want = oxhorn.tree.flatten(got), keras.tree.flatten(want)
    assert len(got) == len(want), f"{len(got)} outputs, expected {len(want)}"
    for g, w in zip(got, want):
        if hasattr(w, "dtype"):
            dtype = keras.backend.standardize_dtype(w.dtype)
            if g.dtype != dtype and dtype.endswith("64"):  # NumPy's own default; elsewhere it is 32 bits
                dtype = dtype.replace("64", "32")
            assert oxhorn.ops.dtype(g) == dtype, f"dtype {g.dtype}, expected {dtype}"
            assert tuple(g.shape) == tuple(w.shape), f"shape {g.shape}, expected {w.shape}"
            if dtype in ("float16", "bfloat16"):
                rtol, atol = max(rtol, 2e-2), max(atol, 2e-2)
            g, w = (np.asarray(v).astype("float64") for v in (g, w))
        np.testing.assert_allclose(g, w, rtol=rtol, atol=atol)


def parametrize(cases):
    """A decorator for a test of one `case`."""
    return pytest.mark.parametrize("case", cases, ids=lambda c: repr(c)[:90])
