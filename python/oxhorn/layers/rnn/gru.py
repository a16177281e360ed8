from oxhorn import ops, tree
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
    *KERNEL_PARAMETERS,
    "reset_after",
)


class GRUCell(GatedCell):
    """One step of a gated recurrent unit (Cho et al., 2014).

    The gates update, reset and candidate lie in this order along the last axis of the kernels,
    `(input features, 3 * units)` and `(units, 3 * units)`. The output is the state.

    Args:
        units: int, the size of the output.
        activation: of the candidate; `recurrent_activation`: of the gates.
        dropout, recurrent_dropout: share of inputs and states dropped while training.
        reset_after: whether the reset gate acts after the product with the recurrent kernel (as in cuDNN; the
            bias is then `(2, 3 * units)`, for inputs and states) or before it.
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
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
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
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            reset_after=reset_after,
            seed=seed,
        )
        self._set_implementation(implementation, gates=3)
        self.state_size = self.output_size = units

    def build(self, input_shape):
        units = self.units
        self.kernel = self._add_parameter("kernel", (input_shape[-1], units * 3))
        self.recurrent_kernel = self._add_parameter("recurrent_kernel", (units, units * 3), "recurrent")
        bias_shape = (2, 3 * units) if self.reset_after else (3 * units,)
        self.bias = self._add_parameter("bias", bias_shape) if self.use_bias else None

    def call(self, inputs, states, training=False):
        is_list = tree.is_nested(states)
        h = states[0] if is_list else states
        mask, recurrent_mask = self._dropout_masks(inputs, h, training)
        bias = recurrent_bias = None
        if self.use_bias and self.reset_after:
            bias, recurrent_bias = ops.split(self.bias[0], 3), ops.split(self.bias[1], 3)
        elif self.use_bias:
            bias = ops.split(self.bias, 3)
        x = add_gates(gates(3, ops.matmul, inputs, self.kernel, mask), bias)
        gate = self.recurrent_activation
        if self.reset_after:
            s = add_gates(gates(3, ops.matmul, h, self.recurrent_kernel, recurrent_mask), recurrent_bias)
            update, reset = gate(x[0] + s[0]), gate(x[1] + s[1])
            candidate = self.activation(x[2] + reset * s[2])
        else:
            of_gates, of_candidate = ops.split(self.recurrent_kernel, [2 * self.units], axis=-1)
            mask_gates, mask_candidate = (recurrent_mask, recurrent_mask)
            if recurrent_mask is not None:
                mask_gates, mask_candidate = recurrent_mask[:2], recurrent_mask[2]
            s = gates(2, ops.matmul, h, of_gates, mask_gates)
            update, reset = gate(x[0] + s[0]), gate(x[1] + s[1])
            (s_candidate,) = gates(1, ops.matmul, reset * h, of_candidate, mask_candidate)
            candidate = self.activation(x[2] + s_candidate)
        h = update * h + (1 - update) * candidate
        return h, [h] if is_list else h

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]


@of_cell(*_PARAMETERS)
class GRU(CellRNN):
    """Gated recurrent unit; see `GRUCell` and `RNN` for the arguments.

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
        reset_after=True,
        use_cudnn="auto",
        **kwargs,
    ):
        check_use_cudnn(use_cudnn)
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
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
            reset_after=reset_after,
            seed=seed,
            implementation=kwargs.pop("implementation", 2),
            name="gru_cell",
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
