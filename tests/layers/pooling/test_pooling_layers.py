import numpy as np
import pytest
from layer_parity import check_layer, random_array

from oxhorn import layers

SHAPES = {1: (2, 7, 3), 2: (2, 7, 6, 3), 3: (2, 5, 6, 4, 2)}
CASES = [
    (f"{kind}{what}Pooling{rank}D", config, SHAPES[rank])
    for rank in (1, 2, 3)
    for kind, what, config in [
        ("", "Max", {"pool_size": 2}),
        ("", "Max", {"pool_size": 3, "strides": 2, "padding": "same"}),
        ("", "Average", {"pool_size": 3, "strides": 2, "padding": "same"}),
        ("", "Average", {"pool_size": 2, "data_format": "channels_first"}),
        ("Global", "Max", {}),
        ("Global", "Average", {"keepdims": True}),
        ("Global", "Average", {"data_format": "channels_first"}),
        ("Adaptive", "Average", {"output_size": 2}),
        ("Adaptive", "Max", {"output_size": 3}),
    ]
    if not (rank == 3 and config.get("data_format") and not kind)
]


@pytest.mark.parametrize("name, config, shape", CASES, ids=str)
def test_like_keras(name, config, shape):
    check_layer(name, config, random_array(shape))


def test_masked_mean():
    mask = np.array([[True] * 3 + [False] * 4, [True] * 7])
    check_layer("GlobalAveragePooling1D", {}, random_array(SHAPES[1]), call={"mask": mask})


def test_window_larger_than_input():
    with pytest.raises(ValueError, match="zero or negative"):
        layers.MaxPooling2D(9).compute_output_shape((2, 7, 6, 3))


@pytest.mark.parametrize(
    "config, error",
    [
        ({"pool_size": (1, 2, 3)}, ValueError),
        ({"pool_size": 0}, ValueError),
        ({"padding": "full"}, ValueError),
        ({"data_format": "last"}, ValueError),
    ],
)
def test_refused(config, error):
    with pytest.raises(error):
        layers.MaxPooling2D(**config)


@pytest.mark.parametrize("size, error", [("2", TypeError), ((1, 2, 3), TypeError), (1.5, TypeError)])
def test_adaptive_size_refused(size, error):
    with pytest.raises(error):
        layers.AdaptiveAveragePooling2D(size)
