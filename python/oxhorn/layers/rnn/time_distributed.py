from oxhorn import ops
from oxhorn.layers.core.wrapper import Wrapper
from oxhorn.layers.layer import Layer


class TimeDistributed(Wrapper):
    """Applies a layer to each time step of `(batch, time, ...)`, with the same weights.

    Args:
        layer: the layer; it sees inputs `(batch, ...)`.

    Call arguments:
        mask: boolean `(batch, time)`, handed to the layer step by step if it takes one.
    """

    def __init__(self, layer, **kwargs):
        if not isinstance(layer, Layer):
            raise ValueError(
                "Please initialize `TimeDistributed` layer with a `keras.layers.Layer` instance. "
                f"Received: {layer}"
            )
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def _step_shape(self, input_shape):
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) < 3:
            raise ValueError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, "
                f"received: {input_shape}"
            )
        return (input_shape[0], *input_shape[2:])

    def compute_output_shape(self, input_shape):
        shape = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (shape[0], input_shape[1], *shape[1:])

    def build(self, input_shape):
        super().build(self._step_shape(input_shape))

    def call(self, inputs, training=None, mask=None):
        if mask is not None:
            _check_mask(tuple(mask.shape), tuple(inputs.shape))
        kwargs = {"training": training} if self.layer._call_has_training_arg else {}
        takes_mask = mask is not None and self.layer._call_has_mask_arg
        if self._depends_on_batch(training):
            steps = []
            for t in range(inputs.shape[1]):
                if takes_mask:
                    kwargs["mask"] = mask[:, t]
                steps.append(self.layer.call(inputs[:, t], **kwargs))
            return ops.stack(steps, axis=1)
        # All steps are samples of one large batch.
        batch, time = inputs.shape[:2]
        if takes_mask:
            kwargs["mask"] = ops.reshape(mask, (batch * time, *mask.shape[2:]))
        outputs = self.layer.call(ops.reshape(inputs, (batch * time, *inputs.shape[2:])), **kwargs)
        return ops.reshape(outputs, (batch, time, *outputs.shape[1:]))

    def _depends_on_batch(self, training):
        """Whether a sample's output may depend on others of its batch, or on earlier calls."""
        if any(getattr(layer, "stateful", False) for layer in self.layer._flatten_layers()):
            return True
        return bool(training and any(not w.trainable for w in self.layer.weights))


def _check_mask(mask_shape, shape):
    if len(mask_shape) < 2:
        raise ValueError(
            "The `mask` passed to the `TimeDistributed` layer must be at least 2D (e.g., `(batch_size, "
            f"timesteps)`), but it has {len(mask_shape)} dimension(s) with shape {mask_shape}."
        )
    if any(None not in sizes and sizes[0] != sizes[1] for sizes in zip(mask_shape[:2], shape[:2])):
        raise ValueError(
            f"The `mask` passed to the `TimeDistributed` layer has a shape {mask_shape} that is incompatible "
            f"with the input shape {shape}. The first two dimensions of the mask (batch size and timesteps) "
            f"must match the input's first two dimensions. Expected mask shape prefix: {shape[:2]}."
        )
