import numpy as np
import pytest
from layer_parity import check_layer, random_array

from oxhorn import layers

SEQUENCE, IMAGE, VOLUME = (2, 9, 4), (2, 7, 8, 4), (1, 5, 6, 4, 2)
CASES = [
    ("Conv1D", {"filters": 3, "kernel_size": 3}, SEQUENCE),
    ("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, SEQUENCE),
    ("Conv1D", {"filters": 4, "kernel_size": 2, "groups": 2, "padding": "same", "strides": 2}, SEQUENCE),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}, IMAGE),
    ("Conv2D", {"filters": 3, "kernel_size": (2, 3), "strides": (2, 1), "padding": "same"}, IMAGE),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "use_bias": False, "dilation_rate": 2}, IMAGE),
    (
        "Conv2D",
        {"filters": 3, "kernel_size": 1, "kernel_regularizer": "l2", "bias_constraint": "non_neg"},
        IMAGE,
    ),
    ("Conv3D", {"filters": 3, "kernel_size": 2, "strides": 2}, VOLUME),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, SEQUENCE),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}, SEQUENCE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    (
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": (3, 2), "strides": (3, 2), "output_padding": (1, 0), "padding": "same"},
        IMAGE,
    ),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "strides": 3, "activation": "tanh"}, IMAGE),
    ("Conv3DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2}, VOLUME),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, SEQUENCE),
    ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same", "strides": 2}, IMAGE),
    ("DepthwiseConv2D", {"kernel_size": 2, "dilation_rate": 2, "activation": "relu"}, IMAGE),
    ("SeparableConv1D", {"filters": 3, "kernel_size": 3, "depth_multiplier": 2}, SEQUENCE),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 3, "padding": "same"}, IMAGE),
]


@pytest.mark.parametrize("name, config, shape", CASES, ids=str)
def test_like_keras(name, config, shape):
    check_layer(name, config, random_array(shape))


@pytest.mark.parametrize(
    "name, config, shape",
    [
        ("Conv2D", {"filters": 3, "kernel_size": 3, "padding": "same"}, (2, 4, 7, 8)),
        ("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "causal"}, (2, 4, 9)),
        ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, (2, 4, 5, 6)),
        ("DepthwiseConv2D", {"kernel_size": 3}, (2, 4, 7, 8)),
        ("SeparableConv2D", {"filters": 3, "kernel_size": 3}, (2, 4, 7, 8)),
    ],
)
def test_channels_first_is_a_transposition(name, config, shape):
    x = random_array(shape)
    first = getattr(layers, name)(**config, data_format="channels_first")
    last = getattr(layers, name)(**config)
    y_first = first(x).numpy()
    last.build((shape[0], *shape[2:], shape[1]))
    weights = [random_array(w.shape, i) for i, w in enumerate(last.weights)]
    first.set_weights(weights)
    last.set_weights(weights)
    y_first = first(x).numpy()
    y_last = last(np.moveaxis(x, 1, -1)).numpy()
    np.testing.assert_allclose(y_first, np.moveaxis(y_last, -1, 1), rtol=1e-5, atol=1e-5)
    assert first.compute_output_shape(shape) == y_first.shape


def test_lora():
    for config in ({"lora_rank": 2}, {"lora_rank": 2, "lora_alpha": 4}):
        config = {"filters": 3, "kernel_size": 2, **config}
        ours, _, _ = check_layer("Conv2D", config, random_array(IMAGE))
        assert [w.name for w in ours.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    store = {}
    ours.save_own_variables(store)
    plain = layers.Conv2D(3, 2)
    plain.build(IMAGE)
    plain.load_own_variables(store)
    x = random_array(IMAGE)
    np.testing.assert_allclose(plain(x).numpy(), ours(x).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name, config",
    [
        ("Conv2D", {"filters": 0, "kernel_size": 2}),
        ("Conv2D", {"filters": 3, "kernel_size": 0}),
        ("Conv2D", {"filters": 3, "kernel_size": 2, "groups": 2}),
        ("Conv2D", {"filters": 3, "kernel_size": 2, "groups": 0}),
        ("Conv2D", {"filters": 3, "kernel_size": 2, "padding": "causal"}),
        ("Conv2D", {"filters": 3, "kernel_size": 2, "strides": 2, "dilation_rate": 2}),
        ("Conv2D", {"filters": 3, "kernel_size": (1, 2, 3)}),
        ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2, "output_padding": 2}),
        ("DepthwiseConv2D", {"kernel_size": 2, "depth_multiplier": 0}),
        ("SeparableConv2D", {"filters": -1, "kernel_size": 2}),
    ],
)
def test_refused(name, config):
    with pytest.raises(ValueError):
        getattr(layers, name)(**config)


@pytest.mark.parametrize(
    "config, shape",
    [
        ({"filters": 4, "kernel_size": 3, "groups": 2}, (1, 5, 5, 3)),
        ({"filters": 4, "kernel_size": 9}, (1, 5, 5, 3)),
        ({"filters": 4, "kernel_size": 3}, (1, 5, 3)),
        ({"filters": 4, "kernel_size": 3}, (1, 5, 5, None)),
    ],
)
def test_input_does_not_fit(config, shape):
    with pytest.raises(ValueError):
        layers.Conv2D(**config).build(shape)
