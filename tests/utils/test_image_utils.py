"""Images, arrays and files, beside Keras."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

from oxhorn import ops, preprocessing, utils

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, size=(7, 10, 3), dtype="uint8")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first", None])
@pytest.mark.parametrize("scale", [False, True])
def test_arrays_to_images_and_back(channels, data_format, scale):
    x = RNG.integers(0, 200, size=(5, 6, channels)).astype("float32")
    x = x.transpose(2, 0, 1) if data_format == "channels_first" else x
    image = utils.array_to_img(x, data_format=data_format, scale=scale)
    assert image.size == (6, 5)
    back = utils.img_to_array(image, data_format=data_format)
    np.testing.assert_array_equal(back, keras.utils.img_to_array(image, data_format=data_format))
    if not scale:
        np.testing.assert_array_equal(back, x)
    else:
        np.testing.assert_allclose(back, (x - x.min()) / (x.max() - x.min()) * 255, atol=1)


def test_wide_grey_images_keep_their_values():
    x = np.array([[[300.0], [70000.0]]])
    np.testing.assert_array_equal(utils.img_to_array(utils.array_to_img(x, scale=False)), x)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"color_mode": "grayscale"},
        {"color_mode": "rgba"},
        {"target_size": (4, 4)},
        {"target_size": (14, 5), "interpolation": "bilinear"},
        {"target_size": (5, 5), "interpolation": "lanczos", "keep_aspect_ratio": True},
        {"target_size": (3, 12), "interpolation": "box", "keep_aspect_ratio": True},
    ],
)
def test_images_of_files(tmp_path, arguments):
    Image.fromarray(IMAGE).save(tmp_path / "image.png")
    ours, theirs = (u.load_img(tmp_path / "image.png", **arguments) for u in (utils, keras.utils))
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_saving(tmp_path):
    utils.save_img(tmp_path / "image.png", IMAGE, scale=False)
    np.testing.assert_array_equal(utils.img_to_array(utils.load_img(tmp_path / "image.png")), IMAGE)
    buffer = io.BytesIO()
    utils.save_img(buffer, IMAGE, file_format="bmp", scale=False)
    np.testing.assert_array_equal(utils.img_to_array(utils.load_img(io.BytesIO(buffer.getvalue()))), IMAGE)
    four = np.concatenate([IMAGE, IMAGE[..., :1]], axis=-1)
    with pytest.warns(UserWarning, match="RGBA"):
        utils.save_img(tmp_path / "image.jpg", four)
    assert utils.load_img(tmp_path / "image.jpg").size == (10, 7)


@pytest.mark.parametrize("size", [(4, 4), (12, 5), (3, 9)])
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_smart_resize(size, batched, data_format):
    x = np.stack([IMAGE, IMAGE[::-1]]).astype("float32") if batched else IMAGE.astype("float32")
    if data_format == "channels_first":
        x = np.moveaxis(x, -1, -3)
    results = [
        module.smart_resize(x, size, interpolation="nearest", data_format=data_format)
        for module in (preprocessing.image, keras.preprocessing.image)
    ]
    assert isinstance(results[0], np.ndarray)
    np.testing.assert_array_equal(*results)
    assert ops.is_tensor(
        preprocessing.image.smart_resize(ops.convert_to_tensor(x), size, data_format=data_format)
    )


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: utils.array_to_img(np.ones((2, 2))), ValueError),
        (lambda: utils.array_to_img(np.ones((2, 2, 5))), ValueError),
        (lambda: utils.array_to_img(np.ones((2, 2, 3)), data_format="other"), ValueError),
        (lambda: utils.img_to_array(np.ones((2, 2, 3, 1))), ValueError),
        (lambda: utils.load_img(3), TypeError),
        (lambda: utils.load_img("x.png", color_mode="other"), ValueError),
        (lambda: utils.load_img("no-such-file.png"), FileNotFoundError),
        (lambda: utils.load_img(io.BytesIO(b"no image")), OSError),
        (lambda: preprocessing.image.smart_resize(IMAGE, (3,)), ValueError),
        (lambda: preprocessing.image.smart_resize(IMAGE[0], (3, 3)), ValueError),
    ],
)
def test_refusals(call, error):
    with pytest.raises(error):
        call()
