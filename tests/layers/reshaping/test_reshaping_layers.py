import pytest
from layer_parity import check_layer, random_array

from oxhorn import layers

SEQUENCE, IMAGE, VOLUME = (2, 5, 3), (2, 5, 6, 3), (2, 3, 4, 5, 2)
CASES = [
    ("Flatten", {}, IMAGE),
    ("Flatten", {"data_format": "channels_first"}, IMAGE),
    ("Flatten", {}, (4,)),
    ("Reshape", {"target_shape": (15,)}, SEQUENCE),
    ("Reshape", {"target_shape": (-1, 5)}, SEQUENCE),
    ("Permute", {"dims": (3, 1, 2)}, IMAGE),
    ("RepeatVector", {"n": 3}, (2, 4)),
    ("ZeroPadding1D", {}, SEQUENCE),
    ("ZeroPadding1D", {"padding": (1, 3), "data_format": "channels_first"}, SEQUENCE),
    ("ZeroPadding2D", {}, IMAGE),
    ("ZeroPadding2D", {"padding": ((1, 2), (0, 3)), "data_format": "channels_first"}, IMAGE),
    ("ZeroPadding2D", {"padding": (2, 1)}, IMAGE),
    ("ZeroPadding3D", {}, VOLUME),
    ("ZeroPadding3D", {"padding": ((1, 2), (0, 3), (1, 0)), "data_format": "channels_first"}, VOLUME),
    ("Cropping1D", {}, SEQUENCE),
    ("Cropping1D", {"cropping": (2, 0)}, SEQUENCE),
    ("Cropping2D", {"cropping": ((1, 2), (0, 3))}, IMAGE),
    ("Cropping2D", {"cropping": 1, "data_format": "channels_first"}, (2, 3, 5, 6)),
    ("Cropping3D", {}, VOLUME),
    ("Cropping3D", {"cropping": ((1, 0), (0, 2), (1, 1))}, VOLUME),
    ("UpSampling1D", {"size": 3}, SEQUENCE),
    ("UpSampling2D", {"size": (2, 3)}, IMAGE),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, IMAGE),
    ("UpSampling2D", {"interpolation": "bilinear", "data_format": "channels_first"}, IMAGE),
    ("UpSampling3D", {"size": (1, 2, 3)}, VOLUME),
    ("UpSampling3D", {"data_format": "channels_first"}, VOLUME),
]


@pytest.mark.parametrize("name, config, shape", CASES, ids=str)
def test_like_keras(name, config, shape):
    check_layer(name, config, random_array(shape))


def test_dtype_is_kept():
    x = random_array((2, 5, 3), dtype="int32", low=0, high=9)
    assert layers.Flatten()(x).dtype == "int32"
    assert layers.Permute((2, 1))(layers.Input((5, 3), dtype="int32")).dtype == "int32"


@pytest.mark.parametrize(
    "name, config, error",
    [
        ("Permute", {"dims": (1, 3)}, ValueError),
        ("RepeatVector", {"n": "3"}, TypeError),
        ("RepeatVector", {"n": 0}, ValueError),
        ("Reshape", {"target_shape": (-1, -1)}, ValueError),
        ("Reshape", {"target_shape": (-2, 5)}, ValueError),
        ("UpSampling1D", {"size": 1.5}, TypeError),
        ("UpSampling1D", {"size": 0}, ValueError),
        ("UpSampling2D", {"size": (1, 2, 3)}, ValueError),
        ("ZeroPadding2D", {"padding": (1, 2, 3)}, ValueError),
        ("ZeroPadding3D", {"padding": None}, ValueError),
        ("Cropping2D", {"cropping": (1,)}, ValueError),
        ("Cropping2D", {"cropping": -1}, ValueError),
        ("Cropping1D", {"cropping": (1, -1)}, ValueError),
        ("Flatten", {"data_format": "channels_middle"}, ValueError),
    ],
)
def test_refused(name, config, error):
    with pytest.raises(error):
        getattr(layers, name)(**config)


@pytest.mark.parametrize(
    "name, config, shape",
    [
        ("Reshape", {"target_shape": (4, 4)}, SEQUENCE),
        ("Reshape", {"target_shape": (-1, 4)}, SEQUENCE),
        ("Cropping1D", {"cropping": 3}, SEQUENCE),
        ("Cropping2D", {"cropping": 3}, IMAGE),
        ("Cropping3D", {"cropping": 2}, VOLUME),
    ],
)
def test_input_does_not_fit(name, config, shape):
    layer = getattr(layers, name)(**config)
    with pytest.raises(ValueError):
        layer(random_array(shape))
    with pytest.raises(ValueError):
        layer.compute_output_shape(shape)
