"""The names of attributes that hold sub-layers are part of the weights file: they are Keras's."""

import keras
import numpy as np
import pytest

import oxhorn

X = np.ones((2, 5, 4), "float32")
IMAGES = np.ones((2, 3, 6, 6, 2), "float32")
CASES = {
    "multi-head": (lambda of: of.MultiHeadAttention(2, 3, use_gate=True), {"query": X, "value": X}),
    "grouped query": (lambda of: of.GroupQueryAttention(3, 2, 1, use_gate=True), {"query": X, "value": X}),
    "attention": (lambda of: of.Attention(use_scale=True, dropout=0.1), [X, X]),
    "lstm": (lambda of: of.LSTM(3), X),
    "stateful": (lambda of: of.GRU(3, stateful=True), X),
    "stack": (lambda of: of.RNN([of.LSTMCell(3), of.GRUCell(3)]), X),
    "bidirectional": (lambda of: of.Bidirectional(of.SimpleRNN(3)), X),
    "time": (lambda of: of.TimeDistributed(of.Dense(3)), X),
    "spectral": (lambda of: of.SpectralNormalization(of.Conv1D(3, 2)), X),
    "conv lstm": (lambda of: of.ConvLSTM2D(3, 2), IMAGES),
    "renorm": (lambda of: of.BatchNormalization(renorm=True), X),
    "lora": (lambda of: of.Conv1D(3, 2, lora_rank=2), X),
    "separable": (lambda of: of.SeparableConv1D(3, 2), X),
}


def saved(library, layer):
    """What a weights file sees of a layer: its variables, and the layers among its own attributes."""
    ignored = set(dir(library.layers.Layer()))
    result = {"vars": [w.name for w in layer._trainable_variables + layer._non_trainable_variables]}
    for name in dir(layer):
        if name.startswith("__") or name in ignored:
            continue
        value = getattr(layer, name)
        items = value if isinstance(value, (list, tuple)) else [value]
        inner = [(type(x).__name__, saved(library, x)) for x in items if isinstance(x, library.layers.Layer)]
        if inner:
            result[name] = inner
    return result


@pytest.mark.parametrize("make, inputs", CASES.values(), ids=CASES)
def test_same_as_keras(make, inputs):
    described = []
    for library in (oxhorn, keras):
        layer = make(library.layers)
        layer(**inputs) if isinstance(inputs, dict) else layer(inputs)
        described.append(saved(library, layer))
    assert described[0] == described[1]
