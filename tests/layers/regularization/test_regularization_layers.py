import numpy as np
import pytest
from layer_parity import check_layer, random_array

from oxhorn import layers

SHAPES = {
    "SpatialDropout1D": (2, 5, 3),
    "SpatialDropout2D": (2, 4, 4, 3),
    "SpatialDropout3D": (2, 2, 3, 4, 3),
}
CASES = [
    ("Dropout", {"rate": 0.3, "seed": 1, "noise_shape": (None, 1)}),
    ("AlphaDropout", {"rate": 0.3, "seed": 1}),
    ("GaussianDropout", {"rate": 0.3, "seed": 1}),
    ("GaussianNoise", {"stddev": 0.3, "seed": 1}),
    ("SpatialDropout1D", {"rate": 0.3, "seed": 1}),
    ("SpatialDropout2D", {"rate": 0.3, "data_format": "channels_first"}),
    ("SpatialDropout3D", {"rate": 0.3}),
]


@pytest.mark.parametrize("name, config", CASES, ids=str)
def test_passes_through_without_training(name, config):
    check_layer(name, config, random_array(SHAPES.get(name, (2, 3))))


@pytest.mark.parametrize(
    "name, mean, deviation, tolerance",
    [
        ("Dropout", 1.0, (0.3 / 0.7) ** 0.5, 0.02),
        ("AlphaDropout", None, 1.0, 0.1),
        ("GaussianDropout", 1.0, (0.3 / 0.7) ** 0.5, 0.02),
        ("GaussianNoise", 1.0, 0.3, 0.02),
    ],
)
def test_noise(name, mean, deviation, tolerance):
    layer = getattr(layers, name)(0.3, seed=5)
    y = layer(np.ones((50, 400), "float32"), training=True).numpy()
    if mean is not None:
        assert abs(y.mean() - mean) < tolerance
    assert abs(y.std() - deviation) < tolerance
    again = layer(np.ones((50, 400), "float32"), training=True).numpy()
    assert not np.array_equal(y, again)


@pytest.mark.parametrize(
    "name, config, shape, shared",
    [
        ("Dropout", {"noise_shape": (None, 1, None)}, (4, 5, 6), (1,)),
        ("AlphaDropout", {"noise_shape": (4, 1, None)}, (4, 5, 6), (1,)),
        ("SpatialDropout1D", {}, (4, 5, 6), (1,)),
        ("SpatialDropout2D", {}, (4, 5, 6, 7), (1, 2)),
        ("SpatialDropout2D", {"data_format": "channels_first"}, (4, 7, 5, 6), (2, 3)),
        ("SpatialDropout3D", {}, (4, 2, 3, 4, 7), (1, 2, 3)),
    ],
)
def test_shared_masks(name, config, shape, shared):
    y = getattr(layers, name)(0.5, seed=3, **config)(np.ones(shape, "float32"), training=True).numpy()
    first = y[tuple(slice(0, 1) if axis in shared else slice(None) for axis in range(y.ndim))]
    assert np.array_equal(y, np.broadcast_to(first, y.shape))
    assert len(np.unique(y)) == 2


def test_activity_regularization():
    _, _, _ = check_layer("ActivityRegularization", {"l1": 0.2, "l2": 0.3}, random_array((2, 3)))
    layer = layers.ActivityRegularization(l1=0.2, l2=0.3)
    layer(2 * np.ones((1,), "float32"))
    np.testing.assert_allclose(float(layer.losses[0]), 4 * 0.3 + 2 * 0.2, rtol=1e-6)


@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"])
@pytest.mark.parametrize("amount", [-0.1, 1.5])
def test_amount_is_checked(name, amount):
    with pytest.raises(ValueError, match="Expected a float value between"):
        getattr(layers, name)(amount)


@pytest.mark.parametrize("noise_shape", ["abc", 3, (2, 1.5), (2, 0), (2, -1)])
def test_noise_shape_is_checked(noise_shape):
    with pytest.raises(ValueError, match="noise_shape"):
        layers.Dropout(0.5, noise_shape=noise_shape)
