from oxhorn import ops
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.rnn._cell import (
    KERNEL_PARAMETERS,
    CellRNN,
    GatedCell,
    add_gates,
    cell_options,
    check_units,
    check_use_cudnn,
    gates,
    of_cell,
)

_PARAMETERS = (
    "units",
    "activation",
    "recurrent_activation",
    "use_bias",
    "unit_forget_bias",
    *KERNEL_PARAMETERS,
)


class LSTMCell(GatedCell):
    """One step of a long short-term memory (Hochreiter and Schmidhuber, 1997).

    The states are the output and the cell state. The gates input, forget, cell and output lie in this order
    along the last axis of the kernels, `(input features, 4 * units)` and `(units, 4 * units)`.

    Args:
        units: int, the size of the output.
        activation: of the cell state; `recurrent_activation`: of the gates.
        unit_forget_bias: whether the forget gate's bias starts at one.
        dropout, recurrent_dropout: share of inputs and states dropped while training.
    """

    _parameters = _PARAMETERS

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        check_units(units)
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self._configure(
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
        )
        self._set_implementation(implementation, gates=4)
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape):
        units = self.units
        self.kernel = self._add_parameter("kernel", (input_shape[-1], units * 4))
        self.recurrent_kernel = self._add_parameter("recurrent_kernel", (units, units * 4), "recurrent")
        initializer = self._forget_bias_initializer(units) if self.unit_forget_bias else None
        self.bias = None
        if self.use_bias:
            self.bias = self._add_parameter("bias", (units * 4,), initializer=initializer)

    def call(self, inputs, states, training=False):
        h, c = states
        mask, recurrent_mask = self._dropout_masks(inputs, h, training)
        z_input, z_forget, z_cell, z_output = add_gates(
            gates(4, ops.matmul, inputs, self.kernel, mask),
            gates(4, ops.matmul, h, self.recurrent_kernel, recurrent_mask),
            ops.split(self.bias, 4) if self.use_bias else None,
        )
        gate = self.recurrent_activation
        c = gate(z_forget) * c + gate(z_input) * self.activation(z_cell)
        h = gate(z_output) * self.activation(c)
        return h, [h, c]

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, d), dtype=self.compute_dtype) for d in self.state_size]


@of_cell(*_PARAMETERS)
class LSTM(CellRNN):
    """Long short-term memory; see `LSTMCell` and `RNN` for the arguments.

    `use_cudnn` is accepted for compatibility: the engine chooses its kernels itself.
    """

    _parameters = _PARAMETERS

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        use_cudnn="auto",
        **kwargs,
    ):
        check_use_cudnn(use_cudnn)
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            implementation=kwargs.pop("implementation", 2),
            name="lstm_cell",
            **cell_options(kwargs),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)
        self.use_cudnn = use_cudnn

    def get_config(self):
        return {**super().get_config(), "seed": self.cell.seed}
