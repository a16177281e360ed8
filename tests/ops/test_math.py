"""`ops.linalg`, the rest of `ops.math` and `ops.image` against Keras, by tables of calls."""

import keras
import numpy as np
import pytest
from parity import Case, numpy_backend, parametrize

import oxhorn

rng = np.random.default_rng(2)


def f(*shape, low=-2.0, high=2.0, dtype="float32"):
    return rng.uniform(low, high, shape).astype(dtype)


def i(*shape, low=0, high=5, dtype="int32"):
    return rng.integers(low, high, shape).astype(dtype)


SQUARE = f(2, 3, 3) + 3 * np.eye(3, dtype="float32")
POSITIVE = SQUARE @ SQUARE.transpose(0, 2, 1)
IDS = np.array([0, 2, 2, 0, 3], "int32")

MATH = [
    *(Case(name, f(2, 3, low=0.1, high=0.9)) for name in ("rsqrt", "erf", "erfc", "erfinv")),
    *(Case("logsumexp", f(2, 3, 4), **kw) for kw in ({}, {"axis": 1}, {"axis": (0, 2), "keepdims": True})),
    Case("logsumexp", np.array([-np.inf, -np.inf], "float32")),
    Case("logdet", POSITIVE[0], symbolic=False),
    Case("top_k", f(3, 6), 2),
    Case("top_k", i(3, 6), 3, jax=True),
    Case("in_top_k", i(4), f(4, 5), 2),
    Case("cdist", f(4, 3), f(2, 3), rtol=1e-4),
    Case("cdist", f(2, 4, 3), f(2, 5, 3), rtol=1e-4),
    *(Case(f"segment_{k}", f(5, 2), IDS, num_segments=5) for k in ("sum", "max", "min", "prod")),
    *(Case(f"segment_{k}", i(5), IDS, num_segments=4, jax=True) for k in ("sum", "max", "min", "prod")),
    Case("extract_sequences", f(2, 9), 4, 2),
    Case("extract_sequences", f(9), 3, 3),
    *(Case("fft", (f(2, n), f(2, n)), rtol=1e-3, atol=1e-3) for n in (1, 2, 5, 12, 67, 100, 128, 360)),
    Case("fft2", (f(2, 6, 5), f(2, 6, 5)), atol=1e-4),
    Case("ifft2", (f(2, 6, 5), f(2, 6, 5)), atol=1e-4),
    *(Case("rfft", f(2, n), atol=1e-4) for n in (7, 8)),
    Case("rfft", f(2, 8), 6, atol=1e-4),
    Case("rfft", f(2, 8), 12, atol=1e-4),
    *(Case("irfft", (f(2, 5), f(2, 5)), n, atol=1e-4) for n in (None, 8, 9, 5, 12)),
    *(
        Case("stft", f(2, 40), 8, 4, n, window=w, center=c, atol=1e-4)
        for n, w, c in ((8, "hann", True), (12, "hamming", False), (16, None, True))
    ),
    Case("stft", f(40), 8, 4, 8, window=f(8), atol=1e-4, symbolic=False),
    Case("view_as_real", f(3), symbolic=False, call=lambda o, x: o.view_as_real(x)),
    Case("rearrange", f(2, 6, 4), "b (h w) c -> b h (w c)", h=2, symbolic=False),
]

LINALG = [
    Case("cholesky", POSITIVE, rtol=1e-4),
    Case("cholesky", POSITIVE, upper=True, rtol=1e-4),
    Case("cholesky_inverse", np.linalg.cholesky(POSITIVE[0]), rtol=1e-3, symbolic=False),
    Case("det", SQUARE, rtol=1e-4),
    Case("inv", SQUARE, rtol=1e-4),
    Case("solve", SQUARE[0], f(3), rtol=1e-4),
    Case("solve", SQUARE, f(2, 3, 2), rtol=1e-4, atol=1e-5),
    Case("solve_triangular", SQUARE[0], f(3), rtol=1e-4),
    Case("solve_triangular", SQUARE, f(2, 3, 2), lower=True, rtol=1e-4),
    Case("eigh", POSITIVE, rtol=1e-4, symbolic=False, call=lambda o, x: o.eigh(x)[0]),
    Case("svd", f(2, 4, 3), rtol=1e-4, call=lambda o, x: o.svd(x, compute_uv=False)),
    Case(
        "svd",
        f(4, 3),
        rtol=1e-4,
        symbolic=False,
        call=lambda o, x: o.matmul(
            o.svd(x, full_matrices=False)[0] * o.svd(x)[1], o.svd(x, full_matrices=False)[2]
        ),
    ),
    Case("qr", f(4, 3), rtol=1e-3, call=lambda o, x: o.abs(o.qr(x)[1])),
    Case("qr", f(2, 4, 3), symbolic=False, call=lambda o, x: o.matmul(*o.qr(x, mode="complete")), atol=1e-5),
    Case("lu_factor", SQUARE, rtol=1e-4, symbolic=False),
    Case("lstsq", f(5, 3), f(5), rtol=1e-3, atol=1e-4),
    Case("lstsq", f(5, 3), f(5, 2), rtol=1e-3, atol=1e-4),
    Case("pinv", f(2, 4, 3), rtol=1e-3, atol=1e-4),
    Case("matrix_rank", np.ones((3, 3), "float32"), symbolic=False),
    Case("matrix_rank", SQUARE, symbolic=False),
    *(
        Case("norm", f(3, 4), ord=o, axis=a, keepdims=k)
        for a, o in (
            (None, None),
            (0, None),
            (1, 1),
            (1, 3),
            (0, np.inf),
            (1, -np.inf),
            (1, 0),
            ((0, 1), "fro"),
            ((0, 1), 1),
            ((0, 1), -np.inf),
        )
        for k in (False, True)
    ),
    *(Case("norm", f(2, 3, 4), ord=o, axis=(1, 2), rtol=1e-4) for o in (2, -2, "nuc", np.inf, -1)),
    Case("norm", i(3, 4)),
]

IMAGE, BATCH = f(5, 6, 3, low=0, high=1), f(2, 5, 6, 3, low=0, high=1)
POINTS = np.array([[[0, 0], [0, 4], [5, 0], [5, 4]]] * 2, "float32")
COLOURS = [
    Case(f"image.{n}", x) for n in ("rgb_to_grayscale", "rgb_to_hsv", "hsv_to_rgb") for x in (IMAGE, BATCH)
]
COLOURS += [
    Case("image.rgb_to_hsv", np.array([[[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [0, 1, 0]]], "float32")),
    Case("image.rgb_to_hsv", f(2, 3, 5, 6, low=0), data_format="channels_first"),
    Case("image.rgb_to_grayscale", i(5, 6, 3, high=255, dtype="uint8")),
    Case("image.sobel_edges", BATCH, atol=1e-5, jax=True),
]
RESIZES = [
    Case("image.resize", x, size, interpolation=m, antialias=a, atol=1e-5)
    for x in (IMAGE, BATCH)
    for size in ((3, 4), (9, 13), (5, 2))
    for m, a in (
        ("bilinear", False),
        ("bilinear", True),
        ("nearest", False),
        ("bicubic", False),
        ("bicubic", True),
        ("lanczos3", True),
        ("lanczos5", False),
    )
]
RESIZES += [
    Case("image.resize", i(5, 6, 3, high=255, dtype="uint8"), (7, 4), symbolic=False, jax=True),
    Case("image.resize", f(2, 3, 5, 6), (7, 4), data_format="channels_first"),
    Case("image.resize", f(2, 12, 6, 1), (4, 4), crop_to_aspect_ratio=True),
    Case("image.resize", f(2, 6, 13, 1), (4, 6), crop_to_aspect_ratio=True),
    Case("image.resize", f(2, 12, 6, 1), (4, 4), pad_to_aspect_ratio=True, fill_value=0.5),
    Case("image.resize", f(2, 1, 6, 13), (4, 6), pad_to_aspect_ratio=True, data_format="channels_first"),
    *(
        Case(
            "image.scale_and_translate",
            BATCH,
            (2, 7, 4, 3),
            f(2, low=0.5),
            f(2),
            (1, 2),
            m,
            a,
            atol=1e-5,
            symbolic=False,
        )
        for m, a in (("linear", True), ("cubic", False), ("lanczos3", True))
    ),
]
GEOMETRY = [
    Case("image.map_coordinates", f(5, 6), f(2, 4, 3, low=-3, high=9), order, fill_mode=m, fill_value=0.5)
    for order in (0, 1)
    for m in ("constant", "nearest", "wrap", "mirror", "reflect")
]
GEOMETRY += [
    Case("image.map_coordinates", i(5, 6, high=200, dtype="uint8"), f(2, 4, low=0, high=4), 1),
    Case("image.map_coordinates", f(5), f(1, 4, low=0, high=4), 1),
    *(
        Case("image.affine_transform", x, t, interpolation=m, fill_mode=fill, fill_value=0.3, atol=1e-4)
        for x, t in (
            (IMAGE, np.array([0.9, 0.2, 0.5, -0.1, 1.1, -0.7, 0, 0], "float32")),
            (BATCH, np.array([[0.9, 0.2, 0.5, -0.1, 1.1, -0.7, 0, 0], [1, 0, 1, 0, 1, 2, 0, 0]], "float32")),
        )
        for m in ("bilinear",)
        for fill in ("constant", "reflect", "wrap")
    ),
    Case(
        "image.perspective_transform",
        BATCH,
        POINTS,
        POINTS + f(2, 4, 2, low=-0.5, high=0.5),
        atol=1e-3,
        symbolic=False,
    ),
    Case("image.gaussian_blur", BATCH, (3, 5), (1.0, 0.7), data_format="channels_last", atol=1e-5),
    Case("image.ssim", BATCH, np.clip(BATCH + f(2, 5, 6, 3) * 0.1, 0, 1), filter_size=3, rtol=1e-3),
    Case("image.pad_images", BATCH, 1, 2, 3, 4),
    Case("image.pad_images", IMAGE, top_padding=2, left_padding=1, target_height=9, target_width=8),
    Case("image.crop_images", BATCH, 1, 2, 1, 0),
    Case("image.crop_images", IMAGE, bottom_cropping=1, right_cropping=1, target_height=3, target_width=4),
    *(
        Case("image.extract_patches", x, size, strides=s, dilation_rate=d, padding=pad)
        for x in (IMAGE, BATCH)
        for size, s, d, pad in ((2, None, 1, "valid"), ((3, 2), (1, 2), 1, "same"), (2, 1, 2, "valid"))
    ),
    Case("image.extract_patches", f(2, 3, 5, 6), 2, data_format="channels_first"),
    Case("image.extract_patches_3d", f(2, 4, 5, 6, 2), 2),
    Case("image.extract_patches", f(4, 5, 6, 2), (2, 2, 3), strides=(1, 1, 2), padding="same"),
]


@parametrize(MATH)
def test_math(case):
    case.check()


@parametrize(LINALG)
def test_linalg(case):
    case.check()


@parametrize(COLOURS + RESIZES + GEOMETRY)
def test_image(case):
    case.check()


def test_elastic_transform():
    images = rng.random((2, 20, 16, 3)).astype("float32")
    result = oxhorn.ops.image.elastic_transform(images, alpha=5.0, sigma=2.0, seed=3)
    assert result.shape == images.shape
    assert 0 < np.abs(np.asarray(result) - images).mean() < 0.5
    still = oxhorn.ops.image.elastic_transform(images, alpha=0.0, sigma=2.0, seed=3)
    np.testing.assert_allclose(still, images, atol=1e-5)


def test_not_positive_definite():
    with pytest.raises(ValueError, match="Cholesky"):
        oxhorn.ops.cholesky(-np.eye(3, dtype="float32"))


def test_istft():
    """Where all windows overlap: at the ends Keras's backends differ."""
    signal = f(3, 200)
    for window, center in (("hann", True), ("hamming", False), (None, True)):
        arguments = (32, 8, 32)
        options = {"length": 200, "window": window, "center": center}
        spectrum = oxhorn.ops.stft(signal, *arguments, window=window, center=center)
        back = np.asarray(oxhorn.ops.istft(spectrum, *arguments, **options))[:, 40:160]
        with numpy_backend():
            expected = keras.ops.istft(tuple(map(np.asarray, spectrum)), *arguments, **options)
        np.testing.assert_allclose(back, np.asarray(expected)[:, 40:160], atol=1e-4)
        if window is not None:
            np.testing.assert_allclose(back, signal[:, 40:160], atol=1e-4)


def test_rearrange_ellipsis():
    x = f(2, 3, 4)
    np.testing.assert_array_equal(oxhorn.ops.rearrange(x, "b ... -> b (...)"), x.reshape(2, 12))
    np.testing.assert_array_equal(oxhorn.ops.rearrange(x, "a ... c -> c ... a"), x.transpose(2, 1, 0))
    with pytest.raises(ValueError):
        oxhorn.ops.rearrange(x, "a b c -> a b d")
