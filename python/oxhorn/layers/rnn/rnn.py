from oxhorn import ops, tree
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.scopes import name_scope
from oxhorn._base.tracking import no_automatic_dependency_tracking
from oxhorn._base.variable import Variable
from oxhorn.layers._parameters import config_of
from oxhorn.layers.layer import Layer
from oxhorn.layers.rnn._recurrence import recur
from oxhorn.layers.rnn.dropout_rnn_cell import DropoutRNNCell
from oxhorn.layers.rnn.stacked_rnn_cells import StackedRNNCells, output_size


class RNN(Layer):
    """Runs a cell over the time axis of its input.

    Args:
        cell: a layer with `state_size` (an int, or a list of one per state) and
            `call(input, states) -> (output, new states)`; it may have `output_size` and
            `get_initial_state(batch_size)`. A list of cells is stacked.
        return_sequences: whether to return the outputs of all times, `(batch, time, units)`, instead of the
            last one, `(batch, units)`.
        return_state: whether to return the last states after the output.
        go_backwards: whether to start at the end of the sequence; outputs are in that order too.
        stateful: whether a batch starts from the last states of the one before (of equal size).
        unroll: whether to write out the loop; the number of steps must be known.
        zero_output_for_mask: whether masked steps output zeros, instead of repeating the last output.

    Call arguments:
        sequences: `(batch, time, ...)`.
        initial_state: list of tensors; by default the cell's, or zeros.
        mask: boolean `(batch, time)`: false for steps to skip.
    """

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        **kwargs,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        if not hasattr(cell, "call"):
            raise ValueError(f"Argument `cell` should have a `call` method. Received: cell={cell}")
        state_size = getattr(cell, "state_size", None)
        if state_size is None:
            raise ValueError(
                "The RNN cell should have a `state_size` attribute (single integer or list of integers, one "
                f"integer per RNN state). Received: cell={cell}"
            )
        if not isinstance(state_size, (list, tuple, int)):
            raise ValueError(
                "state_size must be an integer, or a list/tuple of integers (one for each state tensor)."
            )
        super().__init__(**kwargs)
        self.zero_output_for_mask = zero_output_for_mask
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.supports_masking = True
        self.input_spec = None
        self.states = None
        self._expected_batch_size = None
        self.single_state = isinstance(state_size, int)
        self.state_size = [state_size] if self.single_state else list(state_size)

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, length = sequences_shape[:2]
        size = output_size(self.cell)
        if not isinstance(size, int):
            raise ValueError("output_size must be an integer.")
        shape = (batch, length, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return shape
        states = (
            (batch, size) if isinstance(size, int) else [(batch, s) for s in size] for size in self.state_size
        )
        return (shape, *states)

    def compute_mask(self, _, mask):
        mask = tree.flatten(mask)[0] if self.return_sequences else None
        return [mask] + [None for _ in self.state_size] if self.return_state else mask

    def build(self, sequences_shape, initial_state_shape=None):
        step_shape = (sequences_shape[0], *sequences_shape[2:])
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build(step_shape)
            self.cell.built = True
        if self.stateful:
            if self.states is not None:
                self.reset_state()
                return
            if sequences_shape[0] is None:
                raise ValueError(
                    "When using `stateful=True` in a RNN, the batch size must be static. "
                    f"Found dynamic batch size: sequence.shape={sequences_shape}"
                )
            self._create_state_variables(sequences_shape[0])
            self._expected_batch_size = sequences_shape[0]

    @no_automatic_dependency_tracking
    def _create_state_variables(self, batch_size):
        def variable(value):
            return Variable(value, trainable=False, dtype=self.variable_dtype, name="rnn_state")

        with name_scope(self.name, caller=self):
            self.states = tree.map_structure(variable, self.get_initial_state(batch_size))

    def get_initial_state(self, batch_size):
        """The states to start from: the cell's own, or zeros."""
        if getattr(self.cell, "get_initial_state", None) is None:
            return [ops.zeros((batch_size, d), dtype=self.cell.compute_dtype) for d in self.state_size]
        state = self.cell.get_initial_state(batch_size=batch_size)
        return list(state) if tree.is_nested(state) else [state]

    def reset_states(self):
        """The same as `reset_state`."""
        self.reset_state()

    def reset_state(self):
        """Sets the states of a stateful layer to zero."""
        if self.states is not None:
            for variable in tree.flatten(self.states):
                variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Last output, all outputs (or `None`) and last states."""
        kwargs = {}
        if isinstance(self.cell, Layer) and self.cell._call_has_training_arg:
            kwargs["training"] = training

        def step(inputs, states):
            output, states = self.cell(inputs, states, **kwargs)
            return output, states if tree.is_nested(states) else [states]

        return recur(
            step,
            sequences,
            initial_state if tree.is_nested(initial_state) else [initial_state],
            go_backwards=self.go_backwards,
            mask=mask,
            unroll=self.unroll,
            zero_output_for_mask=self.zero_output_for_mask,
            return_all_outputs=self.return_sequences,
        )

    def call(self, sequences, initial_state=None, mask=None, training=False):
        batch_size = sequences.shape[0]
        if self.stateful and batch_size != self._expected_batch_size:
            raise ValueError(
                "If an RNN is stateful, the batch size of the input sequences must be the same as the batch "
                f"size of the initial state. \n- Expected batch size: {self._expected_batch_size}\n"
                f"- Received batch size: {batch_size}"
            )
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(batch_size=batch_size)
        else:
            self._check_number_of_states(initial_state, batch_size)
        initial_state = list(initial_state) if tree.is_nested(initial_state) else [initial_state]
        initial_state = tree.map_structure(
            lambda x: convert_to_tensor(x, dtype=self.cell.compute_dtype), initial_state
        )
        if training:
            _draw_dropout_masks(self.cell, sequences[:, 0], initial_state)
        last_output, outputs, states = self.inner_loop(
            sequences=sequences, initial_state=initial_state, mask=mask, training=training
        )
        _drop_dropout_masks(self.cell)
        output = ops.cast(outputs if self.return_sequences else last_output, self.compute_dtype)
        states = tree.map_structure(lambda x: ops.cast(x, self.compute_dtype), states)
        if self.stateful:
            for variable, state in zip(tree.flatten(self.states), tree.flatten(states)):
                variable.assign(state)
        return (output, *states) if self.return_state else output

    def _check_number_of_states(self, initial_state, batch_size):
        expected, received = (
            [tuple(x.shape) for x in tree.flatten(states)]
            for states in (self.get_initial_state(batch_size=batch_size), initial_state)
        )
        if len(received) != len(expected):
            raise ValueError(
                f"Expected `initial_state` to be {len(expected)} tensors, of shapes {expected}. "
                f"Received {len(received)}, of shapes {received}"
            )

    def get_config(self):
        from oxhorn.saving import serialize_keras_object

        names = (
            "return_sequences",
            "return_state",
            "go_backwards",
            "stateful",
            "unroll",
            "zero_output_for_mask",
        )
        config = {**super().get_config(), **config_of(self, names)}
        config["cell"] = serialize_keras_object(self.cell)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from oxhorn.saving import deserialize_keras_object

        config = dict(config)
        cell = deserialize_keras_object(config.pop("cell"), custom_objects=custom_objects)
        return cls(cell, **config)


def _draw_dropout_masks(cell, step_input, states):
    """Has the cell draw its masks before the loop, so that one serves all steps."""
    if isinstance(cell, DropoutRNNCell):
        cell.get_dropout_mask(step_input)
        cell.get_recurrent_dropout_mask(states[0] if isinstance(states, (list, tuple)) else states)
    if isinstance(cell, StackedRNNCells):
        for inner, state in zip(cell.cells, states):
            _draw_dropout_masks(inner, step_input, state)
            step_input = ops.zeros((step_input.shape[0], output_size(inner)), dtype=step_input.dtype)


def _drop_dropout_masks(cell):
    if isinstance(cell, DropoutRNNCell):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
    if isinstance(cell, StackedRNNCells):
        for inner in cell.cells:
            _drop_dropout_masks(inner)
