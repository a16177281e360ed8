import numpy as np
import pytest
from layer_parity import check_layer, random_array


@pytest.mark.parametrize(
    "config",
    [{"scale": 1 / 255}, {"scale": [0.5, 2.0, 3.0], "offset": [1.0, 0.0, -1.0]}, {"scale": 2, "offset": 1}],
)
def test_like_keras(config):
    check_layer("Rescaling", config, random_array((2, 4, 4, 3)))


def test_integers():
    image = np.arange(12, dtype="uint8").reshape(1, 2, 2, 3)
    check_layer("Rescaling", {"scale": 1 / 255}, image, symbolic=False)
