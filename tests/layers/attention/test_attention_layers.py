import keras
import numpy as np
import pytest
from layer_parity import assert_close, check_layer, random_array

import oxhorn
from oxhorn import layers

QUERY, VALUE, KEY = random_array((2, 5, 4)), random_array((2, 3, 4), 1), random_array((2, 3, 4), 2)
Q_MASK = np.array([[True, True, True, False, False], [True] * 5])
V_MASK = np.array([[True, False, True], [True, True, False]])


@pytest.mark.parametrize("inputs", [[QUERY, VALUE], [QUERY, VALUE, KEY]], ids=["value", "value and key"])
@pytest.mark.parametrize(
    "name, config",
    [
        ("Attention", {}),
        ("Attention", {"use_scale": True, "dropout": 0.3}),
        ("Attention", {"score_mode": "concat", "use_scale": True}),
        ("AdditiveAttention", {}),
        ("AdditiveAttention", {"use_scale": False}),
    ],
    ids=str,
)
def test_attention(name, config, inputs):
    check_layer(name, config, inputs)


@pytest.mark.parametrize("mask", [[Q_MASK, V_MASK], [None, V_MASK], None], ids=["both", "value", "none"])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_masks(mask, causal):
    call = {"return_attention_scores": True, "use_causal_mask": causal}
    if mask is not None:
        call["mask"] = mask
    check_layer("Attention", {}, [QUERY, VALUE], call=call, symbolic=mask is None)


HEADS = {"num_heads": 2, "key_dim": 3}
INPUTS = {"query": QUERY, "value": VALUE}
IMAGES = {"query": random_array((2, 3, 4, 5)), "value": random_array((2, 3, 4, 5), 1)}


@pytest.mark.parametrize(
    "config, inputs",
    [
        ({}, INPUTS),
        ({"value_dim": 5, "output_shape": 7, "use_bias": False, "dropout": 0.1}, {**INPUTS, "key": KEY}),
        ({"use_gate": True, "kernel_regularizer": "l2"}, INPUTS),
        ({"sliding_window": 2}, INPUTS),
        ({"attention_axes": (2,)}, IMAGES),
        ({"output_shape": (2, 3)}, IMAGES),
    ],
    ids=lambda value: "" if "query" in value else str(value),
)
def test_multi_head_attention(config, inputs):
    ours, theirs, _ = check_layer("MultiHeadAttention", {**HEADS, **config}, inputs)
    for name in ("query_dense", "key_dense", "value_dense", "output_dense"):
        assert getattr(ours, name).name == getattr(theirs, name).name
        assert getattr(ours, name).equation == getattr(theirs, name).equation


MASKS = [
    {"use_causal_mask": True},
    {"attention_mask": random_array((2, 5, 3)) > 0},
    {"value_mask": V_MASK, "use_causal_mask": True},
    {"key_mask": V_MASK, "attention_mask": random_array((2, 5, 3)) > -0.5},
]


@pytest.mark.parametrize("call", MASKS, ids=lambda call: "+".join(call))
@pytest.mark.parametrize("scores", [False, True], ids=["fused", "scores"])
@pytest.mark.parametrize(
    "name, config",
    [
        ("MultiHeadAttention", HEADS),
        ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}),
    ],
    ids=["multi", "grouped"],
)
def test_masks(name, config, scores, call):
    call = {**call, "return_attention_scores": scores}
    check_layer(name, config, INPUTS, call=call, symbolic=False, output_shape=False)


@pytest.mark.parametrize(
    "config",
    [
        {"num_query_heads": 2, "num_key_value_heads": 2},
        {"num_query_heads": 4, "num_key_value_heads": 1, "use_bias": False, "dropout": 0.2},
        {"num_query_heads": 4, "num_key_value_heads": 2, "use_gate": True, "sliding_window": 2},
    ],
    ids=str,
)
def test_grouped_query_attention(config):
    check_layer("GroupQueryAttention", {"head_dim": 3, **config}, {**INPUTS, "key": KEY})


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
def test_masks_of_embeddings(name):
    """The masks of the inputs are taken into account, and the query's is handed on."""
    config = HEADS
    if name != "MultiHeadAttention":
        config = {"head_dim": 3, "num_query_heads": 2, "num_key_value_heads": 2}
    table = random_array((6, 4))
    query = np.array([[1, 2, 3, 0, 0], [3, 3, 1, 1, 2]])
    value = np.array([[5, 4, 0], [3, 0, 0]])
    built = []
    for library in (oxhorn, keras):
        embedding = library.layers.Embedding(6, 4, mask_zero=True)
        embedding.build((None, None))
        embedding.set_weights([table])
        layer = getattr(library.layers, name)(**config)
        layer.build((2, 5, 4), (2, 3, 4))
        layer.set_weights([random_array(w.shape, i) for i, w in enumerate(layer.weights)])
        output = layer(query=embedding(query), value=embedding(value))
        built.append([np.asarray(output), np.asarray(library.layers.GlobalAveragePooling1D()(output))])
    assert_close(*built)


@pytest.mark.parametrize("call", [{}, *MASKS], ids=lambda call: "+".join(call))
def test_fused_values_of_other_size(call):
    """The way without scores agrees with the one that returns them; Keras on JAX fails here."""
    layer = layers.MultiHeadAttention(2, 3, value_dim=5)
    fused = layer(QUERY, VALUE, **call)
    output, _ = layer(QUERY, VALUE, return_attention_scores=True, **call)
    assert_close(fused, output)


def test_dropout_of_weights():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    still = layer(QUERY, VALUE).numpy()
    assert not np.allclose(layer(QUERY, VALUE, training=True).numpy(), still)
    assert np.array_equal(layer(QUERY, VALUE).numpy(), still)


@pytest.mark.parametrize(
    "name, config",
    [
        ("MultiHeadAttention", {"num_heads": 0, "key_dim": 2}),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2.5}),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2, "value_dim": -1}),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2, "sliding_window": 0}),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2, "attention_axes": "1"}),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2, "flash_attention": True, "dropout": 0.1}),
        ("GroupQueryAttention", {"head_dim": 2, "num_query_heads": 3, "num_key_value_heads": 2}),
        ("Attention", {"score_mode": "product"}),
    ],
    ids=str,
)
def test_refused(name, config):
    with pytest.raises(ValueError):
        getattr(layers, name)(**config)


@pytest.mark.parametrize(
    "inputs, mask", [(QUERY, None), ([QUERY], None), ([QUERY, VALUE], Q_MASK), ([QUERY, VALUE], [Q_MASK])]
)
def test_attention_checks_lists(inputs, mask):
    with pytest.raises(ValueError, match="Attention layer"):
        layers.Attention()(inputs, mask=mask)


def test_key_and_value_of_other_length():
    with pytest.raises(ValueError, match="must be equal"):
        layers.MultiHeadAttention(2, 3).build((2, 5, 4), (2, 3, 4), (2, 4, 4))
