import numpy as np
import pytest
from layer_parity import check_layer, random_array

X, IMAGE = random_array((2, 5, 4)), random_array((2, 6, 6, 2))


def wrapped(name, **arguments):
    def config(library):
        inner = getattr(library.layers, name)(name="inner", dtype="mixed_float16", **arguments)
        return {"layer": inner, "dtype": "mixed_float16"}

    return config


@pytest.mark.parametrize(
    "name, config, inputs",
    [
        ("Conv2D", {"filters": 3, "kernel_size": 2}, IMAGE),
        ("Conv2DTranspose", {"filters": 3, "kernel_size": 2}, IMAGE),
        ("DepthwiseConv2D", {"kernel_size": 2}, IMAGE),
        ("SeparableConv2D", {"filters": 3, "kernel_size": 2}, IMAGE),
        ("AveragePooling2D", {"pool_size": 2}, IMAGE),
        ("GlobalAveragePooling2D", {}, IMAGE),
        ("BatchNormalization", {}, IMAGE),
        ("LayerNormalization", {}, X),
        ("GroupNormalization", {"groups": 2}, X),
        ("RMSNormalization", {}, X),
        ("UnitNormalization", {}, X),
        ("PReLU", {}, X),
        ("Softmax", {"axis": (1, 2)}, X),
        ("LSTM", {"units": 3, "return_state": True}, X),
        ("GRU", {"units": 3, "return_sequences": True}, X),
        ("ConvLSTM1D", {"filters": 3, "kernel_size": 2}, IMAGE),
        ("Bidirectional", wrapped("LSTM", units=3), X),
        ("TimeDistributed", wrapped("Dense", units=3), X),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, {"query": X, "value": X}),
        ("Attention", {"use_scale": True}, [X, X]),
        ("Add", {}, [X, X]),
        ("Concatenate", {}, [X, X]),
        ("Dot", {"axes": 2}, [X, X]),
        ("Flatten", {}, X),
        ("ZeroPadding2D", {}, IMAGE),
        ("Rescaling", {"scale": 0.5}, X),
    ],
    ids=str,
)
def test_mixed_float16(name, config, inputs):
    """Outputs are float16, weights stay float32."""
    config = config if callable(config) else {**config, "dtype": "mixed_float16"}
    ours, _, (output, _) = check_layer(name, config, inputs, tolerance=1e-2)
    output = output[0] if isinstance(output, (tuple, list)) else output
    assert output.dtype == "float16"
    assert all(w.dtype == "float32" for w in ours.weights)


@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"])
def test_noise(name):
    import oxhorn

    layer = getattr(oxhorn.layers, name)(0.5, dtype="mixed_float16")
    assert layer(np.ones((3, 4), "float32"), training=True).dtype == "float16"
