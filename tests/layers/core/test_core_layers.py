import keras
import numpy as np
import pytest
from layer_parity import check_layer, random_array

import oxhorn
from oxhorn import layers, ops

INTS = random_array((2, 5), dtype="int32", low=0, high=6)

CASES = [
    ("Dense", {"units": 3, "activation": "relu", "kernel_regularizer": "l2"}, random_array((2, 4))),
    ("Dense", {"units": 3, "use_bias": False, "bias_constraint": "non_neg"}, random_array((2, 5, 4))),
    ("Dense", {"units": 2, "dtype": "mixed_bfloat16"}, random_array((2, 4))),
    (
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"},
        random_array((2, 5, 4)),
    ),
    (
        "EinsumDense",
        {"equation": "...x,xy->...y", "output_shape": 3, "bias_axes": "y"},
        random_array((2, 5, 4)),
    ),
    (
        "EinsumDense",
        {"equation": "ab...,bc->ac...", "output_shape": 3, "bias_axes": "c"},
        random_array((2, 4, 5)),
    ),
    (
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": (None, 3, 4), "bias_axes": "de"},
        random_array((2, 5, 6)),
    ),
    ("Embedding", {"input_dim": 6, "output_dim": 3, "mask_zero": True}, INTS),
    ("Identity", {}, random_array((2, 3))),
    ("Masking", {"mask_value": 0.5}, random_array((2, 3, 4))),
]


@pytest.mark.parametrize("name, config, inputs", CASES, ids=lambda x: x if isinstance(x, str) else "")
def test_like_keras(name, config, inputs):
    check_layer(name, config, inputs, tolerance=2e-2 if "mixed" in str(config) else 1e-5)


def test_einsum_dense_with_several_elided_axes():
    # Keras's compute_output_shape swaps the middle axes here.
    layer = layers.EinsumDense("...x,xy->...y", 3)
    assert layer.compute_output_shape((2, 5, 6, 4)) == (2, 5, 6, 3)
    assert layer(random_array((2, 5, 6, 4))).shape == (2, 5, 6, 3)


LORA = [
    ("Dense", {"units": 3}, random_array((2, 4)), "kernel"),
    (
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": (None, 3, 4)},
        random_array((2, 5, 6)),
        "kernel",
    ),
    ("Embedding", {"input_dim": 6, "output_dim": 3}, INTS, "embeddings"),
]


@pytest.mark.parametrize("name, config, inputs, weight", LORA, ids=lambda x: x if isinstance(x, str) else "")
def test_lora(name, config, inputs, weight):
    results = []
    for k in (oxhorn, keras):
        layer = getattr(k.layers, name)(**config, name="layer")
        layer(inputs)
        layer.set_weights([random_array(w.shape, 3) for w in layer.weights])
        layer.enable_lora(2, lora_alpha=3)
        layer.set_weights([random_array(w.shape, 5) for w in layer.weights])
        store = {}
        layer.save_own_variables(store)
        results.append(
            (
                np.array(layer(inputs)),
                [(w.path, w.shape, w.dtype, w.trainable) for w in layer.weights],
                {key: np.array(v) for key, v in store.items()},
                layer.get_config()["lora_alpha"],
            )
        )
        with pytest.raises(ValueError, match="already enabled"):
            layer.enable_lora(2)
    (y, weights, store, alpha), (ref_y, ref_weights, ref_store, ref_alpha) = results
    np.testing.assert_allclose(y, ref_y, rtol=1e-5, atol=1e-6)
    assert (weights, alpha) == (ref_weights, ref_alpha)
    for key in ref_store:
        np.testing.assert_allclose(store[key], ref_store[key], rtol=1e-5, atol=1e-6)

    plain = getattr(layers, name)(**config)  # a file is the same with and without LoRA
    plain(inputs)
    plain.load_own_variables(store)
    np.testing.assert_allclose(np.array(plain(inputs)), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda k: k.layers.Dense(0), ValueError),
        (lambda k: k.layers.Dense(2.5), ValueError),
        (lambda k: k.layers.Embedding(True, 3), ValueError),
        (lambda k: k.layers.EinsumDense("ab->ac", 3).build((2, 4)), ValueError),
        (lambda k: k.layers.EinsumDense("ab,cd->ad", 3).build((2, 4)), ValueError),
        (lambda k: k.layers.EinsumDense("ab,bc->ac", 3, bias_axes="z").build((2, 4)), ValueError),
        (lambda k: k.layers.Dense(2, kernel_constraint="non_neg").enable_lora(2), ValueError),
        (lambda k: k.layers.Dense(2).enable_lora(2), ValueError),
        (lambda k: k.layers.Dense(2).kernel, AttributeError),
        (lambda k: k.layers.Wrapper("dense"), ValueError),
        (lambda k: k.Input(), ValueError),
        (lambda k: k.Input((2,), batch_shape=(1, 2)), ValueError),
        (lambda k: k.Input(shape=(2, -1)), ValueError),
        (lambda k: k.Input(tensor=k.KerasTensor((2, 3)), batch_size=4), ValueError),
        (lambda k: k.layers.Dense(2)(k.Input(())), ValueError),
    ],
)
def test_errors(make, error):
    for k in (keras, oxhorn):
        with pytest.raises(error):
            make(k)


def test_input():
    tensor = oxhorn.Input((3, None), batch_size=2, dtype="int32", name="x")
    assert (tensor.shape, tensor.dtype, tensor.name) == ((2, 3, None), "int32", "x")
    assert oxhorn.Input(tensor=tensor) is tensor
    assert oxhorn.layers.InputLayer(batch_input_shape=(None, 2)).batch_shape == (None, 2)


def scaled(x, factor=2, training=None):
    return x * factor


def test_lambda_with_a_named_function():
    layer = layers.Lambda(scaled, arguments={"factor": 3})
    x = oxhorn.Input((4,))
    assert layer(x).shape == (None, 4)
    np.testing.assert_allclose(np.array(layer(np.ones((1, 2), "float32"))), [[3, 3]])
    config = layer.get_config()
    reference = keras.layers.Lambda(scaled, arguments={"factor": 3}, name=layer.name).get_config()
    assert config["function"] == reference["function"]
    again = layers.Lambda.from_config(config, custom_objects={"scaled": scaled})
    assert again.function is scaled


def test_lambda_code_is_never_read_from_a_file():
    import json

    layer = layers.Lambda(lambda x: x + 1, name="plus_one")
    config = layer.get_config()
    assert layers.Lambda.from_config(config, safe_mode=False).function is layer.function
    from_file = json.loads(json.dumps(config))
    for safe_mode in (None, True, False):
        with pytest.raises(ValueError, match="plus_one"):
            layers.Lambda.from_config(from_file, safe_mode=safe_mode)
    with pytest.raises(ValueError, match="Lambda"):
        layers.Lambda.from_config(config)
    given = layers.Lambda.from_config(from_file, custom_objects={"plus_one": ops.abs})
    assert given.function is ops.abs


def test_masks_reach_later_layers():
    class Last(layers.Layer):
        def call(self, x, mask=None):
            return ops.sum(ops.where(mask[..., None], x, 0), axis=1)

    x = np.array([[1, 2, 0], [3, 0, 0]], "int32")
    embedding = layers.Embedding(5, 2, mask_zero=True)
    model = oxhorn.Sequential([embedding, layers.Dropout(0.5), layers.Identity(), Last()])
    expected = np.array(embedding(x)) * (x != 0)[..., None]
    np.testing.assert_allclose(np.array(model(x)), expected.sum(1), rtol=1e-6)
