from oxhorn import ops
from oxhorn.layers._parameters import with_defaults
from oxhorn.layers.convolutional.base_conv import BaseConv


class Conv1D(BaseConv):
    """Convolution of `(batch, steps, channels)`; see `BaseConv` for the arguments.

    With `padding="causal"`, output step t sees inputs up to step t only.
    """

    rank = 1

    def _allows_causal(self):
        return True

    def convolution_op(self, inputs, kernel):
        arguments = self._window_arguments()
        if self.padding == "causal":
            before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            padding = [(0, 0), (before, 0), (0, 0)]
            if self.data_format == "channels_first":
                padding = [(0, 0), (0, 0), (before, 0)]
            inputs = ops.pad(inputs, padding)
            arguments["padding"] = "valid"
        return ops.conv(inputs, kernel, **arguments)


@with_defaults(strides=(1, 1), dilation_rate=(1, 1))
class Conv2D(BaseConv):
    """Convolution of images; see `BaseConv` for the arguments."""

    rank = 2


@with_defaults(strides=(1, 1, 1), dilation_rate=(1, 1, 1))
class Conv3D(BaseConv):
    """Convolution of volumes; see `BaseConv` for the arguments."""

    rank = 3
