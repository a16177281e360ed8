"""`ops.nn` against Keras, by tables of calls."""

import numpy as np
from parity import Case, parametrize

import oxhorn

rng = np.random.default_rng(1)


def f(*shape, low=-2.0, high=2.0, dtype="float32"):
    return rng.uniform(low, high, shape).astype(dtype)


def i(*shape, low=0, high=5, dtype="int32"):
    return rng.integers(low, high, shape).astype(dtype)


def words(text):
    return text.split()


def p(*shape):
    x = rng.uniform(0.05, 1.0, shape).astype("float32")
    return x / x.sum(-1, keepdims=True)


SIMPLE = words(
    "relu relu6 sigmoid sparse_sigmoid softplus softsign soft_shrink sparse_plus silu swish "
    "squareplus log_sigmoid leaky_relu hard_sigmoid hard_silu hard_swish elu selu gelu celu "
    "glu tanh_shrink hard_tanh hard_shrink softmax log_softmax normalize"
)
ACTIVATIONS = [Case(name, f(3, 4) * 3) for name in SIMPLE]
ACTIVATIONS += [Case(name, f(3, 4, dtype="float16")) for name in ("sigmoid", "gelu", "softmax", "elu")]
ACTIVATIONS += [
    Case("gelu", f(3, 4), approximate=False),
    Case("elu", f(3, 4), alpha=0.5),
    Case("celu", f(3, 4), alpha=0.5),
    Case("leaky_relu", f(3, 4), negative_slope=0.5),
    Case("threshold", f(3, 4), 0.5, -1.0),
    Case("squareplus", f(3, 4), b=1),
    Case("glu", f(4, 3), axis=0),
    Case("softmax", f(2, 3, 4), axis=1),
    Case("softmax", f(2, 3, 4), axis=(0, 2)),
    Case("softmax", f(2, 3, 4), axis=None),
    Case("log_softmax", f(2, 3, 4), axis=(1, 2)),
    Case("normalize", f(3, 4), axis=0, order=1),
    Case("normalize", f(3, 4), order=3),
]

KERNELS = {1: f(3, 4, 6), 2: f(3, 2, 4, 6), 3: f(2, 3, 2, 4, 6)}
SIZES = {1: (9,), 2: (9, 8), 3: (6, 7, 5)}
CONVOLUTIONS = [
    Case(
        "conv", f(2, *SIZES[n], 4), KERNELS[n], strides=s, padding=pad, dilation_rate=d, rtol=1e-4, atol=1e-4
    )
    for n in (1, 2, 3)
    for pad in ("valid", "same")
    for s, d in ((1, 1), (2, 1), (1, 2))
]
CONVOLUTIONS += [
    Case("conv", f(2, 4, 9, 8), KERNELS[2], data_format="channels_first", padding="same", atol=1e-4),
    Case("conv", f(2, 9, 8, 4), f(3, 3, 2, 6), padding="same", atol=1e-4),
    Case("conv", f(2, 9, 8, 4), KERNELS[2], strides=(2, 1), dilation_rate=1, atol=1e-4),
    Case("depthwise_conv", f(2, 9, 8, 4), f(3, 3, 4, 2), padding="same", atol=1e-4),
    Case("depthwise_conv", f(2, 9, 4), f(3, 4, 1), strides=2, atol=1e-4),
    Case("depthwise_conv", f(2, 4, 9, 8), f(3, 3, 4, 2), data_format="channels_first", atol=1e-4),
    Case(
        "separable_conv",
        f(2, 9, 8, 4),
        f(3, 3, 4, 2),
        f(1, 1, 8, 5),
        padding="same",
        strides=2,
        atol=1e-4,
        symbolic=False,
    ),
]
CONVOLUTIONS += [
    Case(
        "conv_transpose",
        f(2, *SIZES[n][:n], 6),
        KERNELS[n],
        strides=s,
        padding=pad,
        output_padding=extra,
        dilation_rate=d,
        atol=2e-4,
    )
    for n in (1, 2)
    for pad in ("valid", "same")
    for s, d, extra in ((1, 1, None), (2, 1, None), (3, 1, None), (2, 1, 1), (1, 2, None))
]
CONVOLUTIONS += [
    Case("conv_transpose", f(2, 6, 5, 4), f(3, 4, 3, 6), data_format="channels_first", strides=2, atol=2e-4),
    Case("conv_transpose", f(2, 3, 4, 3, 6), KERNELS[3], strides=2, padding="same", atol=2e-4),
    Case("conv_transpose", f(2, 5, 6), f(2, 4, 6), strides=4, atol=2e-4),
]

POOLS = [
    Case(name, f(2, *SIZES[n], 3), size, strides=s, padding=pad)
    for name in ("max_pool", "average_pool")
    for n in (1, 2, 3)
    for pad in ("valid", "same")
    for size, s in ((2, 2), (3, 2))
]
POOLS += [
    Case("max_pool", f(2, 3, 9, 8), (2, 3), strides=2, data_format="channels_first"),
    Case("average_pool", f(2, 3, 9, 8), (2, 3), strides=1, padding="same", data_format="channels_first"),
    *(
        Case(name, f(2, *SIZES[n], 3), out, symbolic=isinstance(out, int))
        for name in ("adaptive_average_pool", "adaptive_max_pool")
        for n, out in ((1, 4), (2, 3), (2, (9, 1)), (2, (5, 7)), (3, 2))
    ),
    Case("adaptive_average_pool", f(2, 3, 9, 8), 4, data_format="channels_first"),
]

OTHERS = [
    Case("one_hot", i(3, 2), 5),
    Case("one_hot", i(3, 2, low=-1, high=7), 5, axis=1, dtype="int32", jax=True),
    Case("one_hot", i(3, dtype="uint8"), 5, axis=0),
    Case("multi_hot", i(3, 2), 5, symbolic=False),
    Case("multi_hot", i(4), 5, dtype="int32"),
    Case("multi_hot", i(3, 2), 5, axis=1, symbolic=False),
    Case("categorical_crossentropy", p(3, 4), p(3, 4)),
    Case("categorical_crossentropy", p(3, 4), f(3, 4), from_logits=True),
    Case("categorical_crossentropy", p(3, 4), p(3, 4), axis=0, symbolic=False),
    Case("sparse_categorical_crossentropy", i(3, high=4), p(3, 4)),
    Case("sparse_categorical_crossentropy", i(3, 1, high=4), f(3, 4), from_logits=True),
    Case("sparse_categorical_crossentropy", i(2, 3, high=4), f(2, 3, 4), from_logits=True),
    Case("binary_crossentropy", i(3, 4, high=2).astype("float32"), f(3, 4, low=0.0, high=1.0)),
    Case(
        "binary_crossentropy",
        i(3, 4, high=2).astype("float32"),
        f(3, 4) * 20,
        from_logits=True,
        atol=1e-4,
        jax=True,
    ),
    Case("moments", f(2, 3, 4), axes=[0, 1]),
    Case("moments", f(2, 3, 4), axes=[1], keepdims=True),
    Case("moments", f(2, 300, dtype="float16"), axes=[1]),
    Case("batch_normalization", f(2, 3, 4), f(4), f(4, low=0.1), -1, f(4), f(4), atol=1e-5),
    Case("batch_normalization", f(2, 3, 4), f(3), f(3, low=0.1), 1, epsilon=0.1, atol=1e-5),
    Case("layer_normalization", f(2, 3, 4), f(4), f(4), atol=1e-5),
    Case("layer_normalization", f(2, 3, 4), axis=(1, 2), atol=1e-5),
    Case("layer_normalization", f(2, 3, 4), f(3), f(3), axis=1, atol=1e-5),
    Case("layer_normalization", f(2, 3, 4, dtype="float16"), f(4), f(4), epsilon=0.01),
    Case("rms_normalization", f(2, 3, 4), f(4), atol=1e-5),
    Case("rms_normalization", f(2, 3, 4), axis=1),
    Case("psnr", f(2, 3), f(2, 3), 2.0),
    Case("unfold", f(2, 3, 7, 6), 2),
    Case("unfold", f(2, 3, 7, 6), (3, 2), dilation=2, padding=1, stride=(1, 2)),
    Case("fold", f(2, 12, 30), (7, 6), 2, symbolic=False),
    Case("fold", f(2, 18, 15), (7, 6), (3, 2), padding=1, dilation=2, stride=(1, 2), symbolic=False),
    Case("depth_to_space", f(2, 3, 4, 8), 2),
    Case("space_to_depth", f(2, 4, 6, 3), 2),
    Case("depth_to_space", f(2, 8, 3, 4), 2, data_format="channels_first"),
    Case("space_to_depth", f(2, 3, 4, 6), 2, data_format="channels_first"),
]

Q, K, V = f(2, 5, 4, 3), f(2, 6, 4, 3), f(2, 6, 4, 3)
ATTENTION = [
    Case("dot_product_attention", Q, K, V, atol=1e-5),
    Case("dot_product_attention", Q, K, V, scale=0.3, atol=1e-5),
    Case("dot_product_attention", Q, K, V, is_causal=True, atol=1e-5),
    Case("dot_product_attention", Q, K, V, mask=rng.random((2, 4, 5, 6)) > 0.4, atol=1e-5, symbolic=False),
    Case(
        "dot_product_attention",
        Q,
        K,
        V,
        bias=f(2, 4, 5, 6),
        mask=rng.random((2, 1, 5, 6)) > 0.4,
        is_causal=True,
        atol=1e-5,
        symbolic=False,
    ),
    Case("dot_product_attention", Q, K[:, :, :2], V[:, :, :2], atol=1e-5, symbolic=False, jax=True),
]

LENGTHS = np.array([3, 2, 0], "int32"), np.array([7, 6, 4], "int32")
CTC = [
    Case("ctc_loss", i(3, 3, low=1, high=4), f(3, 7, 4), *LENGTHS, rtol=1e-4),
    Case(
        "ctc_loss",
        np.array([[1, 1, 2], [3, 3, 0]], "int32"),
        f(2, 7, 4),
        LENGTHS[0][:2],
        LENGTHS[1][:2],
        rtol=1e-4,
    ),
    Case("ctc_loss", i(3, 3, low=0, high=3), f(3, 7, 4), *LENGTHS, mask_index=3, rtol=1e-4),
    Case("ctc_decode", f(3, 7, 4), LENGTHS[1]),
    Case("ctc_decode", f(3, 7, 4), LENGTHS[1], merge_repeated=False, mask_index=3),
    Case(
        "ctc_decode",
        f(2, 5, 4),
        np.array([5, 4]),
        strategy="beam_search",
        beam_width=50,
        top_paths=3,
        rtol=1e-4,
        symbolic=False,
    ),
]


@parametrize(ACTIVATIONS)
def test_activations(case):
    case.check()


@parametrize(CONVOLUTIONS)
def test_convolutions(case):
    case.check()


@parametrize(POOLS)
def test_pooling(case):
    case.check()


@parametrize(OTHERS + ATTENTION + CTC)
def test_others(case):
    case.check()


def test_sparsemax():
    """Keras adds up running sums where the sum up to the support's end is meant; so by its properties."""
    x = f(50, 6)
    result = np.asarray(oxhorn.ops.sparsemax(x))
    np.testing.assert_allclose(result.sum(-1), 1.0, atol=1e-5)
    gap = np.where(result > 0, x - result, np.nan)
    np.testing.assert_allclose(np.nanmax(gap, -1), np.nanmin(gap, -1), atol=1e-5)
    assert ((result > 0) | (x <= np.nanmin(gap, -1, keepdims=True) + 1e-6)).all()
