from oxhorn import ops
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.rnn._cell import (
    KERNEL_PARAMETERS,
    CellRNN,
    GatedCell,
    add_gates,
    cell_options,
    check_units,
    gates,
    of_cell,
)

_PARAMETERS = ("units", "activation", "use_bias", *KERNEL_PARAMETERS)


class SimpleRNNCell(GatedCell):
    """`output = activation(input @ kernel + bias + state @ recurrent_kernel)`; the output is the state.

    Args:
        units: int, the size of the output.
        dropout, recurrent_dropout: share of inputs and states dropped while training.
    """

    _parameters = _PARAMETERS

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
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
        super().__init__(**kwargs)
        self._configure(
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
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
        self.state_size = self.output_size = units

    def build(self, input_shape):
        units = self.units
        self.kernel = self._add_parameter("kernel", (input_shape[-1], units))
        self.recurrent_kernel = self._add_parameter("recurrent_kernel", (units, units), "recurrent")
        self.bias = self._add_parameter("bias", (units,)) if self.use_bias else None

    def call(self, sequence, states, training=False):
        is_list = isinstance(states, (list, tuple))
        state = states[0] if is_list else states
        mask, recurrent_mask = self._dropout_masks(sequence, state, training)
        (output,) = add_gates(
            gates(1, ops.matmul, sequence, self.kernel, mask),
            [self.bias] if self.use_bias else None,
            gates(1, ops.matmul, state, self.recurrent_kernel, recurrent_mask),
        )
        if self.activation is not None:
            output = self.activation(output)
        return output, [output] if is_list else output

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]


@of_cell(*_PARAMETERS)
class SimpleRNN(CellRNN):
    """A recurrent layer whose output is fed back to it; see `SimpleRNNCell` and `RNN` for the arguments."""

    _parameters = _PARAMETERS

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        seed=None,
        **kwargs,
    ):
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="simple_rnn_cell",
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
        self.input_spec = [InputSpec(ndim=3)]
