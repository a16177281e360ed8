import keras
import numpy as np
import pytest
from layer_parity import assert_close, check_layer, make_pair, random_array, share_weights

import oxhorn
from oxhorn import layers

X = random_array((3, 5, 4))
MASK = np.array([[True] * 5, [True, True, False, True, False], [False, True, True, True, True]])
KINDS = [
    ("SimpleRNN", {}),
    ("LSTM", {}),
    ("GRU", {}),
    ("GRU", {"reset_after": False}),
]
OPTIONS = [
    {"return_sequences": True, "return_state": True},
    {"go_backwards": True, "return_sequences": True},
    {"return_state": True, "unroll": True, "go_backwards": True},
    {"use_bias": False, "activation": "relu", "kernel_regularizer": "l2", "recurrent_constraint": "max_norm"},
    {"dropout": 0.2, "recurrent_dropout": 0.3},
]


CASES = [("LSTM", {}, options) for options in OPTIONS]
CASES += [(*kind, OPTIONS[i]) for kind in KINDS if kind[0] != "LSTM" for i in (0, 3, 4)]


@pytest.mark.parametrize("name, config, options", CASES, ids=str)
def test_like_keras(name, config, options):
    check_layer(name, {"units": 3, **config, **options}, X)


@pytest.mark.parametrize("options", [{}, *OPTIONS[:2], {"return_sequences": True, "unroll": True}], ids=str)
@pytest.mark.parametrize("name, config", KINDS[1:3], ids=str)
def test_masks(name, config, options):
    check_layer(name, {"units": 3, **config, **options}, X, call={"mask": MASK}, symbolic=False)


def test_zero_output_for_mask():
    for config in ({"return_sequences": True}, {}):
        config = {"units": 3, "zero_output_for_mask": True, **config}
        check_layer("LSTM", config, X, call={"mask": MASK}, symbolic=False)


@pytest.mark.parametrize("name, states", [("SimpleRNN", 1), ("LSTM", 2), ("GRU", 1)])
def test_initial_state(name, states):
    call = {"initial_state": [random_array((3, 2), i) for i in range(states)]}
    check_layer(name, {"units": 2, "return_state": True}, X, call=call, symbolic=False, output_shape=False)


@pytest.mark.parametrize("name, states", [("SimpleRNNCell", 1), ("LSTMCell", 2), ("GRUCell", 1)])
def test_cells(name, states):
    call = {"states": [random_array((3, 2), i) for i in range(states)]}
    check_layer(name, {"units": 2}, X[:, 0], call=call, symbolic=False, output_shape=False)


def test_stateful():
    ours, theirs = make_pair("LSTM", {"units": 3, "stateful": True, "return_sequences": True})
    ours.build(X.shape), theirs.build(X.shape)
    share_weights(ours, theirs)
    first = np.asarray(ours(X))
    assert_close(first, theirs(X))
    assert_close(ours(X), theirs(X))
    assert_close(list(ours.states), list(theirs.states))
    assert not np.allclose(ours(X), first)
    ours.reset_state()
    assert_close(ours(X), first)
    with pytest.raises(ValueError, match="batch size"):
        ours(X[:2])


def stacked(library):
    cells = [library.layers.LSTMCell(3, name="a"), library.layers.GRUCell(2, name="b")]
    return {"cell": cells, "return_sequences": True, "return_state": True}


@pytest.mark.parametrize("mask", [None, MASK], ids=["", "mask"])
def test_stacked_cells(mask):
    ours, _, _ = check_layer(
        "RNN", stacked, X, call={} if mask is None else {"mask": mask}, symbolic=False, output_shape=False
    )
    assert [cell.name for cell in ours.cell.cells] == ["a", "b"]


def test_stacked_cells_with_dropout():
    cells = [layers.LSTMCell(3, dropout=0.5, seed=1), layers.GRUCell(2, dropout=0.5, recurrent_dropout=0.5)]
    layer = layers.RNN(cells)
    still = layer(X).numpy()
    assert not np.allclose(layer(X, training=True).numpy(), still)
    assert np.array_equal(layer(X).numpy(), still)


@pytest.mark.parametrize(
    "options", [{"dropout": 0.4}, {"recurrent_dropout": 0.4}, {"dropout": 0.4, "implementation": 1}]
)
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_dropout(name, options):
    if name == "SimpleRNN":
        options = {key: value for key, value in options.items() if key != "implementation"}
    layer = getattr(layers, name)(3, seed=1, return_sequences=True, **options)
    still = layer(X).numpy()
    noisy = layer(X, training=True).numpy()
    assert not np.allclose(noisy, still)
    assert not np.allclose(layer(X, training=True).numpy(), noisy)
    assert np.array_equal(layer(X).numpy(), still)
    assert layer.cell._dropout_mask is None and layer.cell._recurrent_dropout_mask is None


def test_input_dropout_is_the_same_at_all_times():
    layer = layers.SimpleRNN(
        4,
        dropout=0.5,
        seed=2,
        kernel_initializer="identity",
        recurrent_initializer="zeros",
        activation=None,
        return_sequences=True,
    )
    y = layer(np.ones((8, 6, 4), "float32"), training=True).numpy()
    assert set(np.unique(y)) == {0.0, 2.0}
    assert np.array_equal(y, np.repeat(y[:, :1], 6, axis=1))


class OwnCell:
    """A cell by hand, for both libraries."""

    def __new__(cls, library, units):
        class Cell(library.layers.Layer):
            def __init__(self, units, **kwargs):
                super().__init__(**kwargs)
                self.units = self.state_size = units

            def build(self, input_shape):
                self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
                self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent")

            def call(self, inputs, states):
                x = library.ops.matmul(inputs, self.kernel)
                output = x + library.ops.matmul(states[0], self.recurrent_kernel)
                return library.ops.tanh(output), [output]

        return Cell(units)


@pytest.mark.parametrize("mask", [None, MASK], ids=["", "mask"])
@pytest.mark.parametrize("sequences", [False, True])
def test_own_cell(mask, sequences):
    made = [lib.layers.RNN(OwnCell(lib, 3), return_sequences=sequences) for lib in (oxhorn, keras)]
    for layer in made:
        layer.build(X.shape)
    share_weights(*made)
    assert_close(*[layer(X, mask=mask) for layer in made])


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "return_state": True}], ids=str)
def test_bidirectional(merge_mode, options):
    def config(library):
        return {"layer": library.layers.LSTM(3, name="inner", **options), "merge_mode": merge_mode}

    ours, _, _ = check_layer("Bidirectional", config, X)
    assert (ours.forward_layer.name, ours.backward_layer.name) == ("forward_inner", "backward_inner")


def test_bidirectional_with_mask_and_state():
    def config(library):
        return {
            "layer": library.layers.GRU(3, name="inner", return_sequences=True),
            "backward_layer": library.layers.GRU(2, name="other", return_sequences=True, go_backwards=True),
        }

    check_layer("Bidirectional", config, X, call={"mask": MASK}, symbolic=False)
    state = [random_array((3, 3)), random_array((3, 2))]
    check_layer("Bidirectional", config, X, call={"initial_state": state}, symbolic=False)


def test_bidirectional_refused():
    for arguments in (
        {"layer": 3},
        {"layer": layers.LSTM(2), "merge_mode": "max"},
        {"layer": layers.LSTM(2), "backward_layer": layers.LSTM(2)},
        {"layer": layers.LSTM(2), "backward_layer": layers.LSTM(2, go_backwards=True, return_state=True)},
    ):
        with pytest.raises(ValueError):
            layers.Bidirectional(**arguments)


@pytest.mark.parametrize(
    "inner, arguments, shape",
    [("Dense", {"units": 3}, (2, 4, 5)), ("Conv2D", {"filters": 2, "kernel_size": 2}, (2, 3, 5, 5, 2))],
)
def test_time_distributed(inner, arguments, shape):
    def config(library):
        return {"layer": getattr(library.layers, inner)(name="inner", **arguments)}

    check_layer("TimeDistributed", config, random_array(shape))


def test_time_distributed_batch_normalization():
    def config(library):
        return {"layer": library.layers.BatchNormalization(name="inner")}

    check_layer("TimeDistributed", config, random_array((4, 3, 2)), call={"training": True}, symbolic=False)


def test_time_distributed_mask():
    def config(library):
        return {"layer": library.layers.LSTM(2, name="inner")}

    x = random_array((2, 3, 4, 5))
    mask = random_array((2, 3, 4)) > -0.5
    check_layer("TimeDistributed", config, x, call={"mask": mask}, symbolic=False)
    for wrong in (mask[:, 0, 0], mask[:, :2]):
        with pytest.raises(ValueError, match="mask"):
            layers.TimeDistributed(layers.Dense(2))(x, mask=wrong)


CONV_SHAPES = {1: (2, 3, 6, 2), 2: (2, 3, 5, 6, 2), 3: (1, 2, 3, 4, 5, 2)}


@pytest.mark.parametrize(
    "rank, config",
    [
        (1, {"return_sequences": True, "padding": "same"}),
        (2, {"return_state": True, "strides": 2}),
        (2, {"dilation_rate": 2, "use_bias": False, "go_backwards": True, "return_sequences": True}),
        (3, {"dropout": 0.1, "recurrent_dropout": 0.1}),
    ],
    ids=str,
)
def test_conv_lstm(rank, config):
    config = {"filters": 3, "kernel_size": 2, **config}
    check_layer(f"ConvLSTM{rank}D", config, random_array(CONV_SHAPES[rank]))


def test_conv_lstm_mask():
    x = random_array(CONV_SHAPES[2])
    layer = layers.ConvLSTM2D(3, 2, return_state=True)
    mask = np.array([[True, True, False], [True, True, True]])
    masked, shorter = layer(x, mask=mask), layer(x[:, :2])
    for a, b in zip(masked, shorter):
        np.testing.assert_allclose(a.numpy()[0], b.numpy()[0], rtol=1e-5, atol=1e-6)


def test_conv_lstm_dropout():
    layer = layers.ConvLSTM1D(3, 2, dropout=0.5, recurrent_dropout=0.5, seed=1)
    x = random_array(CONV_SHAPES[1])
    assert not np.allclose(layer(x, training=True).numpy(), layer(x).numpy())


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_refused(name):
    with pytest.raises(ValueError, match="units"):
        getattr(layers, name)(0)
    with pytest.raises(ValueError, match="cell"):
        layers.RNN(layers.Dense(2))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "ConvLSTM1D"])
def test_wrong_number_of_initial_states(name):
    layer = getattr(oxhorn.layers, name)(4, *((3,) if name == "ConvLSTM1D" else ()))
    x = np.ones((2, 5, 6, 3) if name == "ConvLSTM1D" else (2, 5, 3), "float32")
    layer(x)
    with pytest.raises(ValueError, match=r"`initial_state` to be \d tensors.*Received 3"):
        layer(x, initial_state=[np.ones((2, 4), "float32")] * 3)
