"""Recurrent layers in functional models: masks and states that are symbolic."""

import keras
import numpy as np
import pytest
from layer_parity import assert_close, random_array, share_weights

import oxhorn

IDS = np.array([[1, 2, 3, 0, 0], [4, 1, 0, 0, 0], [2, 3, 4, 5, 1]])


def translator(of):
    """An encoder whose states start a decoder."""
    source, target = of.Input((None,), dtype="int32"), of.Input((None,), dtype="int32")
    embed = of.layers.Embedding(6, 4, mask_zero=True)
    _, h, c = of.layers.LSTM(3, return_state=True)(embed(source))
    decoded = of.layers.LSTM(3, return_sequences=True)(embed(target), initial_state=[h, c])
    return of.Model([source, target], of.layers.TimeDistributed(of.layers.Dense(6))(decoded))


def reader(of):
    """Stacked bidirectional layers under a mask."""
    ids = of.Input((None,), dtype="int32")
    x = of.layers.Embedding(6, 4, mask_zero=True)(ids)
    x = of.layers.Bidirectional(of.layers.GRU(3, return_sequences=True))(x)
    x = of.layers.Bidirectional(of.layers.LSTM(2), merge_mode="sum")(x)
    return of.Model(ids, x)


def counter(of):
    """Convolution, pooling and attention before a recurrent layer."""
    x = inputs = of.Input((8, 3))
    x = of.layers.Conv1D(4, 3, padding="causal")(x)
    x = of.layers.MaxPooling1D()(x)
    x = of.layers.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True)
    return of.Model(inputs, of.layers.SimpleRNN(3, go_backwards=True)(x))


@pytest.mark.parametrize(
    "make, inputs", [(translator, [IDS, IDS[::-1]]), (reader, IDS), (counter, random_array((2, 8, 3)))]
)
def test_like_keras(make, inputs):
    ours, theirs = make(oxhorn), make(keras)
    share_weights(ours, theirs)
    assert_close(ours(inputs), theirs(inputs))
    assert [tuple(x.shape) for x in ours.outputs] == [tuple(x.shape) for x in theirs.outputs]
