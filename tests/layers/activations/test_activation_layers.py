import numpy as np
import pytest
from layer_parity import check_layer, random_array

from oxhorn import layers

CASES = [
    ("Activation", {"activation": "relu"}),
    ("Activation", {"activation": "softplus"}),
    ("ELU", {"alpha": 0.7}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("ReLU", {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.2}),
    ("ReLU", {}),
    ("PReLU", {}),
    ("PReLU", {"shared_axes": [1], "alpha_regularizer": "l2", "alpha_constraint": "non_neg"}),
    ("Softmax", {}),
    ("Softmax", {"axis": (1, 2)}),
]


@pytest.mark.parametrize("name, config", CASES, ids=str)
def test_like_keras(name, config):
    check_layer(name, config, random_array((2, 3, 4)))


def test_masked_softmax():
    mask = np.array([[[True, False, True, True]], [[False] * 4]])
    _, _, (output, _) = check_layer("Softmax", {}, random_array((2, 3, 4)), call={"mask": mask})
    assert np.all(np.asarray(output)[1] == 0)


@pytest.mark.parametrize("shape", [(3, 2), (1, 2, 4), (1, 1, 2, 3)])
def test_softmax_mask_must_broadcast(shape):
    with pytest.raises(ValueError, match="broadcastable"):
        layers.Softmax()(np.zeros((2, 3), "float32"), mask=np.ones(shape, bool))


@pytest.mark.parametrize(
    "name, config",
    [
        ("ReLU", {"max_value": -1}),
        ("ReLU", {"negative_slope": None}),
        ("ReLU", {"threshold": -1}),
        ("LeakyReLU", {"negative_slope": -1}),
    ],
)
def test_refused(name, config):
    with pytest.raises(ValueError):
        getattr(layers, name)(**config)
