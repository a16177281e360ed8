from oxhorn import ops, regularizers
from oxhorn._base.argument_validation import standardize_padding, standardize_tuple
from oxhorn._base.settings import standardize_data_format
from oxhorn.layers._parameters import adopt, config_of
from oxhorn.layers._spatial import channel_axis, window_output_shape
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.layer import Layer


class Convolution(Layer):
    """What all convolution layers share: checked window arguments, input checks, bias and activation.

    A subclass sets `rank`, the number of spatial axes; its `__init__` hands all its arguments to
    `_configure`.
    """

    rank = None
    _parameters = ()  # the constructor's arguments, for the config

    def _configure(self, kernel_size, strides, padding, data_format, dilation_rate, **parameters):
        rank = self.rank
        self.kernel_size = standardize_tuple(kernel_size, rank, "kernel_size")
        self.strides = standardize_tuple(strides, rank, "strides")
        self.dilation_rate = standardize_tuple(dilation_rate, rank, "dilation_rate")
        self.padding = standardize_padding(padding, allow_causal=self._allows_causal())
        self.data_format = standardize_data_format(data_format)
        adopt(self, **parameters)
        self.input_spec = InputSpec(min_ndim=rank + 2)
        for name in ("filters", "depth_multiplier"):
            value = parameters.get(name)
            if value is not None and value <= 0:
                raise ValueError(
                    f"Invalid value for argument `{name}`. Expected a strictly positive value. "
                    f"Received {name}={value}."
                )

    def _allows_causal(self):
        return False

    def _forbid_strided_dilation(self):
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )

    def _input_channels(self, input_shape):
        channels = input_shape[channel_axis(self.data_format)]
        if channels is None:
            raise ValueError(
                "The channel dimension of the inputs should be defined. "
                f"Received: input_shape={input_shape} (data_format={self.data_format!r})"
            )
        return channels

    def _fix_channels(self, input_shape):
        """The number of input channels, which from now on is required of every input."""
        channels = self._input_channels(input_shape)
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})
        return channels

    def _add_parameter(self, name, shape, role=None):
        """A weight whose initializer, regularizer and constraint are named after its role."""
        role = role or name
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=getattr(self, f"{role}_initializer"),
            regularizer=getattr(self, f"{role}_regularizer"),
            constraint=getattr(self, f"{role}_constraint"),
            trainable=True,
            dtype=self.dtype,
        )

    def _add_bias_weight(self, size):
        self.bias = self._add_parameter("bias", (size,)) if self.use_bias else None

    def _finish(self, outputs):
        """Adds the bias and applies the activation."""
        if self.use_bias:
            bias = self.bias
            if self.data_format == "channels_first":
                bias = ops.reshape(bias, (1, -1, *(1,) * self.rank))
            outputs = ops.add(outputs, bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _window_arguments(self):
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def _convolved_shape(self, input_shape, channels):
        return window_output_shape(
            input_shape,
            self.kernel_size,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            channels,
        )

    def get_config(self):
        config = super().get_config()
        config.update(config_of(self, self._parameters))
        config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config
