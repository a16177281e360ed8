from oxhorn import ops
from oxhorn._base.argument_validation import standardize_padding, standardize_tuple
from oxhorn._base.settings import standardize_data_format
from oxhorn.layers._spatial import channel_axis, replace_spatial, spatial_sizes, window_output_shape
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.rnn._cell import (
    KERNEL_PARAMETERS,
    CellRNN,
    GatedCell,
    add_gates,
    cell_options,
    gates,
    of_cell,
)

_PARAMETERS = (
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "activation",
    "recurrent_activation",
    "use_bias",
    "unit_forget_bias",
    *KERNEL_PARAMETERS,
)


class ConvLSTMCell(GatedCell):
    """One step of an LSTM whose products are convolutions (Shi et al., 2015).

    Args:
        rank: int, the number of spatial axes.
        filters: int, the number of output channels.
        kernel_size, strides, padding, data_format, dilation_rate: of the convolution of the inputs; that of
            the states has the same window, stride 1 and padding "same".
    """

    _parameters = _PARAMETERS

    def __init__(
        self,
        rank,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
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
        super().__init__(**kwargs)
        if rank > 3:
            raise ValueError(f"Rank {rank} convolutions are not currently implemented. Received: rank={rank}")
        self.rank = rank
        self.kernel_size = standardize_tuple(kernel_size, rank, "kernel_size")
        self.strides = standardize_tuple(strides, rank, "strides")
        self.dilation_rate = standardize_tuple(dilation_rate, rank, "dilation_rate")
        self.padding = standardize_padding(padding)
        self.data_format = standardize_data_format(data_format)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "Specifying `strides > 1` is not compatible with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        self._configure(
            filters=filters,
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
        self.dropout_mask_count = 4
        self.input_spec = InputSpec(ndim=rank + 2)
        self.state_size = -1  # not a number: states have spatial axes

    def build(self, inputs_shape, states_shape=None):
        self.spatial_dims = spatial_sizes(inputs_shape, self.data_format)
        if None in self.spatial_dims:
            raise ValueError(
                "ConvLSTM layers only support static input shapes for the spatial dimension. "
                f"Received invalid input shape: input_shape={inputs_shape}"
            )
        self.input_dim = inputs_shape[channel_axis(self.data_format)]
        if self.input_dim is None:
            raise ValueError(
                "The channel dimension of the inputs (last axis) should be defined. "
                f"Found None. Full input shape received: input_shape={inputs_shape}"
            )
        self.input_spec = InputSpec(shape=(None, *inputs_shape[1:]))
        filters = self.filters
        self.kernel = self._add_parameter("kernel", (*self.kernel_size, self.input_dim, filters * 4))
        self.recurrent_kernel = self._add_parameter(
            "recurrent_kernel", (*self.kernel_size, filters, filters * 4), "recurrent"
        )
        initializer = self._forget_bias_initializer(filters) if self.unit_forget_bias else None
        self.bias = None
        if self.use_bias:
            self.bias = self._add_parameter("bias", (filters * 4,), initializer=initializer)

    def call(self, inputs, states, training=False):
        h, c = states
        axis = channel_axis(self.data_format)
        mask, recurrent_mask = self._dropout_masks(inputs, h, training)
        bias = self.bias
        if self.use_bias and self.data_format == "channels_first":
            bias = ops.reshape(bias, (1, -1, *(1,) * self.rank))
        z_input, z_forget, z_cell, z_output = add_gates(
            gates(4, self.input_conv, inputs, self.kernel, mask, axis),
            gates(4, self.recurrent_conv, h, self.recurrent_kernel, recurrent_mask, axis),
            ops.split(bias, 4, axis=axis) if self.use_bias else None,
        )
        gate = self.recurrent_activation
        c = gate(z_forget) * c + gate(z_input) * self.activation(z_cell)
        h = gate(z_output) * self.activation(c)
        return h, [h, c]

    def input_conv(self, x, kernel):
        """The convolution of the inputs."""
        return ops.conv(
            x,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def recurrent_conv(self, x, kernel):
        """The convolution of the output of the time before."""
        return ops.conv(x, kernel, strides=1, padding="same", data_format=self.data_format)

    def compute_output_shape(self, inputs_shape, states_shape=None):
        shape = window_output_shape(
            inputs_shape,
            self.kernel_size,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            self.filters,
        )
        return shape, [shape, shape]

    def get_initial_state(self, batch_size=None):
        like = (batch_size, *(None,) * self.rank, self.input_dim)
        if self.data_format == "channels_first":
            like = (batch_size, self.input_dim, *(None,) * self.rank)
        shape, _ = self.compute_output_shape(replace_spatial(like, self.spatial_dims, self.data_format))
        return [ops.zeros(shape, dtype=self.compute_dtype), ops.zeros(shape, dtype=self.compute_dtype)]


@of_cell(*_PARAMETERS)
class ConvLSTM(CellRNN):
    """Base of the convolutional LSTM layers; see `ConvLSTMCell` and `RNN` for the arguments."""

    rank = None
    _parameters = _PARAMETERS

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
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
        **kwargs,
    ):
        cell = ConvLSTMCell(
            self.rank,
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
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
            name="conv_lstm_cell",
            **cell_options(kwargs),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, length = sequences_shape[:2]
        state, _ = self.cell.compute_output_shape((batch, *sequences_shape[2:]))
        shape = (batch, length, *state[1:]) if self.return_sequences else state
        return (shape, state, state) if self.return_state else shape

    def compute_mask(self, _, mask):
        mask = super().compute_mask(_, mask)
        return [mask[0], None, None] if self.return_state else mask

    def get_config(self):
        return {**super().get_config(), "seed": self.cell.seed}


class ConvLSTM1D(ConvLSTM):
    """Convolutional LSTM over sequences of signals, `(batch, time, steps, channels)`."""

    rank = 1


class ConvLSTM2D(ConvLSTM):
    """Convolutional LSTM over sequences of images, `(batch, time, height, width, channels)`."""

    rank = 2


class ConvLSTM3D(ConvLSTM):
    """Convolutional LSTM over sequences of volumes."""

    rank = 3
