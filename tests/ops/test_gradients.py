"""Gradients through ops that are made of several engine ops, against central differences in float64."""

import numpy as np
import pytest

from oxhorn import _core, ops

rng = np.random.default_rng(4)


def f(*shape):
    return rng.normal(size=shape)


SQUARE = f(3, 3) + 3 * np.eye(3)
CASES = {
    "conv": (lambda x, k: ops.conv(x, k, strides=2, padding="same"), f(2, 4, 5, 3), f(3, 3, 3, 2)),
    "depthwise_conv": (lambda x, k: ops.depthwise_conv(x, k, padding="same"), f(2, 4, 5, 3), f(3, 3, 3, 2)),
    "conv_transpose": (lambda x, k: ops.conv_transpose(x, k, strides=2), f(2, 4, 5, 3), f(3, 3, 2, 3)),
    "max_pool": (lambda x: ops.max_pool(x, 2, strides=2, padding="same"), f(2, 5, 6, 3)),
    "average_pool": (lambda x: ops.average_pool(x, 3, strides=2, padding="same"), f(2, 5, 6, 3)),
    "layer_normalization": (lambda x, g: ops.layer_normalization(x, g) ** 3, f(3, 6), f(6)),
    "normalize": (ops.normalize, f(3, 4)),
    "attention": (lambda q, k, v: ops.dot_product_attention(q, k, v, is_causal=True), *(f(2, 3, 2, 4),) * 3),
    "sparse crossentropy": (
        lambda x: ops.sparse_categorical_crossentropy(np.array([1, 2, 0]), x, from_logits=True),
        f(3, 4),
    ),
    "ctc_loss": (
        lambda x: ops.ctc_loss(np.array([[1, 2, 2], [3, 1, 0]]), x, np.array([3, 2]), np.array([7, 6])),
        f(2, 7, 4),
    ),
    "gelu": (lambda x: ops.gelu(x, approximate=False) + ops.silu(x) + ops.elu(x), f(3, 4)),
    "median": (lambda x: ops.median(x, axis=1), f(3, 6)),
    "logsumexp": (lambda x: ops.logsumexp(x, axis=1), f(3, 4)),
    "std": (lambda x: ops.std(x, axis=1), f(3, 4)),
    "norm": (lambda x: ops.norm(x, ord=3, axis=1), f(3, 4)),
    "cumprod": (lambda x: ops.cumprod(x, axis=1), f(3, 4)),
    "pad": (lambda x: ops.pad(x, ((1, 2), (2, 1)), mode="reflect"), f(3, 4)),
    "einsum": (lambda x, y: ops.einsum("abc,cd->abd", x, y), f(2, 3, 4), f(4, 2)),
    "segment_sum": (lambda x: ops.segment_sum(x, np.array([0, 2, 1, 0]), num_segments=3), f(4, 3)),
    "rfft": (lambda x: ops.rfft(x)[0] * ops.rfft(x)[1], f(2, 12)),
    "solve": (ops.solve, SQUARE, f(3, 2)),
    "slogdet": (lambda x: ops.slogdet(x)[1], SQUARE),
    "top_k": (lambda x: ops.top_k(x, 2)[0], f(3, 5)),
    "resize": (lambda x: ops.image.resize(x, (7, 3), interpolation="bicubic"), f(2, 5, 4, 2)),
    "scan": (lambda x: ops.scan(lambda c, e: (ops.tanh(c + e), c * e), x[0], x)[1], f(4, 3)),
    "fori_loop": (lambda x: ops.fori_loop(0, 3, lambda i, v: ops.tanh(v * x), x), f(3)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    function, *arrays = CASES[name]
    with _core.Trace() as trace:
        inputs = [trace.input(a.shape, "float64") for a in arrays]
        total = ops.sum(function(*inputs) ** 2)
        gradients = _core.gradient([total], inputs)
    compiled = trace.compile([total, *gradients])
    directions = [f(*a.shape) for a in arrays]

    def run(step):
        return [np.asarray(v) for v in compiled([a + step * d for a, d in zip(arrays, directions)])]

    got = sum((g * d).sum() for g, d in zip(run(0.0)[1:], directions))
    step = 1e-6
    expected = (run(step)[0] - run(-step)[0]) / (2 * step)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_jvp():
    x, y = f(2).astype("float32"), f(2).astype("float32")
    primals, tangents = (x, y), (np.ones(2, "float32"), np.zeros(2, "float32"))
    value, derivative = ops.jvp(lambda x, y: ops.sin(x) * y, primals, tangents)
    np.testing.assert_allclose(value, np.sin(x) * y, rtol=1e-5)
    np.testing.assert_allclose(derivative, np.cos(x) * y, rtol=1e-5)
