"""Fifty training steps beside real Keras: same weights and batches in, same losses and weights out."""

import keras as real_keras
import numpy as np
import pytest

import oxhorn

STEPS = 50


def dense(keras):
    model = keras.Sequential(
        [
            keras.layers.Input((12,)),
            keras.layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    return model, ((12,), "float"), ("onehot", 4)


def sparse_adam(keras):
    model = keras.Sequential(
        [keras.layers.Input((10,)), keras.layers.Dense(24, activation="gelu"), keras.layers.Dense(5)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    return model, ((10,), "float"), ("label", 5)


def regression(keras):
    inputs = keras.layers.Input((13,))
    x = keras.layers.Dense(32, activation="tanh")(inputs)
    x = keras.layers.LayerNormalization()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.RMSprop(1e-3), "mse", metrics=["mae"])
    return model, ((13,), "float"), ("float", 1)


def convnet(keras):
    model = keras.Sequential(
        [
            keras.layers.Input((12, 12, 2)),
            keras.layers.Conv2D(6, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(8, 3, padding="same", strides=2),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, ((12, 12, 2), "float"), ("label", 3)


def batch_norm(keras):
    inputs = keras.layers.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Activation("relu")(x)
    y = keras.layers.SeparableConv2D(8, 3, padding="same")(x)
    x = keras.layers.add([x, y])
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    model.compile(keras.optimizers.SGD(0.02), "sparse_categorical_crossentropy")
    return model, ((8, 8, 3), "float"), ("label", 2)


def lstm(keras):
    model = keras.Sequential(
        [
            keras.layers.Input((9,), dtype="int32"),
            keras.layers.Embedding(20, 8, mask_zero=True),
            keras.layers.LSTM(10),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy", metrics=["accuracy"])
    return model, ((9,), "int", 20), ("label", 2)


def gru(keras):
    model = keras.Sequential(
        [
            keras.layers.Input((7, 5)),
            keras.layers.Bidirectional(keras.layers.GRU(6, return_sequences=True)),
            keras.layers.GRU(6, reset_after=False),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.RMSprop(1e-3), "mae")
    return model, ((7, 5), "float"), ("float", 1)


def attention(keras):
    inputs = keras.layers.Input((6, 8))
    x = keras.layers.MultiHeadAttention(2, 4)(inputs, inputs)
    x = keras.layers.LayerNormalization()(keras.layers.add([inputs, x]))
    x = keras.layers.Dense(8, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    model.compile(keras.optimizers.AdamW(1e-3), "sparse_categorical_crossentropy")
    return model, ((6, 8), "float"), ("label", 3)


def several_inputs_and_outputs(keras):
    a, b = keras.layers.Input((5,), name="a"), keras.layers.Input((4,), name="b")
    shared = keras.layers.Dense(6, activation="relu", name="shared")
    x = keras.layers.concatenate([shared(a), shared(keras.layers.Dense(5, name="widen")(b))])
    outputs = [
        keras.layers.Dense(1, name="value")(x),
        keras.layers.Dense(3, activation="softmax", name="kind")(x),
    ]
    model = keras.Model([a, b], outputs)
    model.compile(
        keras.optimizers.Nadam(1e-3),
        loss=["mse", "sparse_categorical_crossentropy"],
        loss_weights=[0.5, 2.0],
        metrics=[["mae"], ["accuracy"]],
    )
    return model, [((5,), "float"), ((4,), "float")], [("float", 1), ("label", 3)]


def convolution_1d(keras):
    model = keras.Sequential(
        [
            keras.layers.Input((16, 4)),
            keras.layers.Conv1D(6, 5, padding="causal", dilation_rate=2, activation="elu"),
            keras.layers.AveragePooling1D(2),
            keras.layers.Conv1DTranspose(5, 3, strides=2, padding="same"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adagrad(0.01), "binary_crossentropy")
    return model, ((16, 4), "float"), ("label", 2)


def simple_rnn_clipped(keras):
    model = keras.Sequential(
        [
            keras.layers.Input((8, 3)),
            keras.layers.SimpleRNN(7, return_sequences=True),
            keras.layers.TimeDistributed(keras.layers.Dense(2)),
        ]
    )
    model.compile(keras.optimizers.Adamax(2e-3, clipnorm=0.5), "huber")
    return model, ((8, 3), "float"), ("float", (8, 2))


MODELS = [
    dense, sparse_adam, regression, convnet, batch_norm, lstm, gru, attention, several_inputs_and_outputs,
    convolution_1d, simple_rnn_clipped,
]  # fmt: skip


def make_input(rng, n, spec):
    shape, kind, *rest = spec
    if kind == "int":
        return rng.integers(0, rest[0], (n, *shape)).astype("int32")
    return rng.normal(size=(n, *shape)).astype("float32")


def make_target(rng, n, spec):
    kind, size = spec
    if kind == "float":
        shape = size if isinstance(size, tuple) else (size,)
        return rng.normal(size=(n, *shape)).astype("float32")
    labels = rng.integers(0, size, n)
    if kind == "onehot":
        return np.eye(size, dtype="float32")[labels]
    return labels.astype("int32")[:, None] if size == 2 else labels.astype("int32")


def batches(inputs, targets):
    rng = np.random.default_rng(7)
    for _ in range(STEPS):
        x = [make_input(rng, 16, spec) for spec in inputs]
        y = [make_target(rng, 16, spec) for spec in targets]
        yield (x if len(x) > 1 else x[0]), (y if len(y) > 1 else y[0])


@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
def test_fifty_steps(make):
    real_keras.utils.set_random_seed(1)
    theirs, inputs, targets = make(real_keras)
    ours, _, _ = make(oxhorn)
    assert [tuple(v.shape) for v in ours.weights] == [tuple(v.shape) for v in theirs.weights]
    ours.set_weights(theirs.get_weights())
    if not isinstance(inputs, list):
        inputs, targets = [inputs], [targets]
    for x, y in batches(inputs, targets):
        theirs.reset_metrics()
        ours.reset_metrics()
        expected = theirs.train_on_batch(x, y, return_dict=True)
        got = ours.train_on_batch(x, y, return_dict=True)
        assert list(got) == list(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    for mine, other in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-3)
