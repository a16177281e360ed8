import numpy as np
import pytest
from layer_parity import assert_close, check_layer, random_array

from oxhorn import layers, ops

CASES = [
    ("BatchNormalization", {}, (4, 5, 3)),
    ("BatchNormalization", {"axis": 1, "center": False}, (4, 5, 3)),
    ("BatchNormalization", {"scale": False, "momentum": 0.5, "gamma_regularizer": "l2"}, (6, 3)),
    ("LayerNormalization", {}, (4, 5, 3)),
    ("LayerNormalization", {"axis": (1, 2), "epsilon": 1e-2, "scale": False}, (4, 5, 3)),
    ("LayerNormalization", {"axis": 1, "center": False}, (4, 5, 3)),
    ("GroupNormalization", {"groups": 2}, (3, 5, 4)),
    ("GroupNormalization", {"groups": -1, "scale": False}, (3, 5, 4)),
    ("GroupNormalization", {"groups": 2, "axis": 1, "center": False}, (3, 4, 5)),
    ("RMSNormalization", {}, (4, 5, 3)),
    ("RMSNormalization", {"axis": (1, 2)}, (4, 5, 3)),
    ("UnitNormalization", {}, (4, 5, 3)),
    ("UnitNormalization", {"axis": [1, 2]}, (4, 5, 3)),
]


@pytest.mark.parametrize("name, config, shape", CASES, ids=str)
def test_like_keras(name, config, shape):
    check_layer(name, config, random_array(shape))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"axis": 1},
        {"renorm": True, "renorm_clipping": {"rmin": 0.5, "rmax": 2.0, "dmax": 1.0}},
        {"renorm": True, "scale": False},
    ],
    ids=str,
)
def test_batch_statistics(config):
    """Training twice moves the statistics like Keras's."""
    x = random_array((6, 4, 4), low=-1, high=3)
    ours, theirs, _ = check_layer("BatchNormalization", config, x, call={"training": True}, symbolic=False)
    assert_close(ours(x), theirs(x))


def test_masked_batch_statistics():
    mask = random_array((6, 4)) > 0
    x = random_array((6, 4, 3))
    check_layer("BatchNormalization", {}, x, call={"training": True, "mask": mask}, symbolic=False)


def test_frozen_batch_normalization():
    layer = layers.BatchNormalization(trainable=False)
    x = random_array((6, 3))
    np.testing.assert_allclose(layer(x, training=True).numpy(), x / np.sqrt(1.001), rtol=1e-5)
    assert np.all(np.asarray(layer.moving_mean) == 0)


@pytest.mark.parametrize("inner, shape", [("Dense", (4, 5)), ("Conv2D", (2, 5, 5, 3))])
def test_spectral_normalization(inner, shape):
    arguments = {"Dense": {"units": 3}, "Conv2D": {"filters": 3, "kernel_size": 2}}[inner]

    def config(library):
        return {"layer": getattr(library.layers, inner)(**arguments, name="inner"), "power_iterations": 3}

    x = random_array(shape)
    ours, theirs, _ = check_layer("SpectralNormalization", config, x, call={"training": True})
    kernel = ops.reshape(ours.kernel, (-1, 3)).numpy()
    assert abs(np.linalg.svd(kernel)[1][0] - 1) < 0.05
    assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(
    "name, config, shape",
    [
        ("GroupNormalization", {"groups": 3}, (2, 4)),
        ("GroupNormalization", {"groups": 8}, (2, 4)),
        ("GroupNormalization", {"groups": 2}, (2, None)),
    ],
)
def test_input_does_not_fit(name, config, shape):
    with pytest.raises(ValueError):
        getattr(layers, name)(**config).build(shape)


@pytest.mark.parametrize(
    "name, config, error",
    [
        ("BatchNormalization", {"renorm": True, "renorm_clipping": {"max": 1}}, ValueError),
        ("BatchNormalization", {"renorm": True, "renorm_clipping": {"rmax": 1, "rmin": 2}}, ValueError),
        ("BatchNormalization", {"renorm": True, "renorm_clipping": {"dmax": -1}}, ValueError),
        ("GroupNormalization", {"groups": 0}, ValueError),
        ("LayerNormalization", {"axis": "last"}, TypeError),
        ("UnitNormalization", {"axis": {"a": 1}}, TypeError),
    ],
)
def test_refused(name, config, error):
    with pytest.raises(error):
        getattr(layers, name)(**config)


@pytest.mark.parametrize("name", ["BatchNormalization", "LayerNormalization", "UnitNormalization"])
def test_axis_out_of_bounds(name):
    with pytest.raises(ValueError, match="out of bounds"):
        getattr(layers, name)(axis=3).compute_output_shape((2, 3))
