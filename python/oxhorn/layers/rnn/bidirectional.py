import copy

from oxhorn import ops
from oxhorn.layers.layer import Layer


def _mean(y, y_rev):
    return (y + y_rev) / 2


def _concatenate(y, y_rev):
    return ops.concatenate([y, y_rev], axis=-1)


_MERGES = {
    "sum": ops.add,
    "mul": ops.multiply,
    "ave": _mean,
    "concat": _concatenate,
    None: lambda y, y_rev: (y, y_rev),
}


class Bidirectional(Layer):
    """Runs a recurrent layer over the sequence in both directions.

    Args:
        layer: an `RNN`, or a layer with its attributes and arguments; a copy of it is used.
        merge_mode: how the outputs are combined: `"concat"`, `"sum"`, `"mul"`, `"ave"`, or `None`: not.
        weights: list of arrays to start from: first the forward layer's, then the backward layer's.
        backward_layer: layer for the backward direction; by default a copy of `layer`.

    Call arguments:
        initial_state: list of tensors: those of the forward layer, then those of the backward layer.
    """

    def __init__(self, layer, merge_mode="concat", weights=None, backward_layer=None, **kwargs):
        if not isinstance(layer, Layer):
            raise ValueError(
                "Please initialize `Bidirectional` layer with a `keras.layers.Layer` instance. "
                f"Received: {layer}"
            )
        if backward_layer is not None and not isinstance(backward_layer, Layer):
            raise ValueError(
                f"`backward_layer` need to be a `keras.layers.Layer` instance. Received: {backward_layer}"
            )
        if merge_mode not in _MERGES:
            raise ValueError(
                f"Invalid merge mode. Received: {merge_mode}. "
                'Merge mode should be one of {"sum", "mul", "ave", "concat", None}'
            )
        super().__init__(**kwargs)
        self.forward_layer = _copy(layer, "forward_")
        if backward_layer is None:
            backward_layer = _copy(layer, "backward_", go_backwards=True)
        self.backward_layer = backward_layer
        if hasattr(layer, "use_cudnn"):
            self.forward_layer.use_cudnn = self.backward_layer.use_cudnn = layer.use_cudnn
        self._check_layers()
        # A repeated output would be the last one in one direction and the first one in the other.
        for inner in (self.forward_layer, self.backward_layer):
            if getattr(inner, "zero_output_for_mask", None) is not None:
                inner.zero_output_for_mask = inner.return_sequences
        self.merge_mode = merge_mode
        self._initial_weights = None if weights is None else tuple(weights)
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_layers(self):
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "Forward layer and backward layer should have different `go_backwards` value. Received: "
                f"forward_layer.go_backwards {forward.go_backwards}, "
                f"backward_layer.go_backwards={backward.go_backwards}"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            values = getattr(forward, name), getattr(backward, name)
            if values[0] != values[1]:
                raise ValueError(
                    "Forward layer and backward layer are expected to have the same value for attribute "
                    f'"{name}", got "{values[0]}" for forward layer and "{values[1]}" for backward layer'
                )

    def build(self, sequences_shape, initial_state_shape=None):
        for inner in (self.forward_layer, self.backward_layer):
            if not inner.built:
                inner.build(sequences_shape)
        if self._initial_weights is not None:
            half = len(self._initial_weights) // 2
            self.forward_layer.set_weights(self._initial_weights[:half])
            self.backward_layer.set_weights(self._initial_weights[half:])

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        shape, states = self.forward_layer.compute_output_shape(sequences_shape), ()
        if self.return_state:
            shape, states = shape[0], tuple(shape[1:]) * 2
        if self.merge_mode is None:
            outputs = (shape, shape)
        elif self.merge_mode == "concat":
            outputs = ((*shape[:-1], shape[-1] * 2),)
        else:
            outputs = (tuple(shape),)
        outputs += states
        return outputs if len(outputs) > 1 else outputs[0]

    def call(self, sequences, initial_state=None, mask=None, training=None):
        kwargs = {}
        if self.forward_layer._call_has_training_arg:
            kwargs["training"] = training
        if self.forward_layer._call_has_mask_arg:
            kwargs["mask"] = mask
        forward_state = backward_state = None
        if initial_state is not None:
            half = len(initial_state) // 2
            forward_state, backward_state = initial_state[:half], initial_state[half:]
        y = self.forward_layer(sequences, initial_state=forward_state, **kwargs)
        y_rev = self.backward_layer(sequences, initial_state=backward_state, **kwargs)
        states = ()
        if self.return_state:
            states = tuple(y[1:]) + tuple(y_rev[1:])
            y, y_rev = y[0], y_rev[0]
        y, y_rev = ops.cast(y, self.compute_dtype), ops.cast(y_rev, self.compute_dtype)
        if self.return_sequences:
            y_rev = ops.flip(y_rev, axis=1)
        output = _MERGES[self.merge_mode](y, y_rev)
        if not self.return_state:
            return output
        return (*output, *states) if self.merge_mode is None else (output, *states)

    def reset_states(self):
        """The same as `reset_state`."""
        self.reset_state()

    def reset_state(self):
        """Sets the states of both layers to zero."""
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    @property
    def states(self):
        """States of the forward layer, then of the backward layer, or `None` if there are none."""
        if self.forward_layer.states and self.backward_layer.states:
            return (*self.forward_layer.states, *self.backward_layer.states)
        return None

    def compute_mask(self, _, mask):
        mask = mask[0] if isinstance(mask, list) else mask
        mask = mask if self.return_sequences else None
        masks = (mask,) if self.merge_mode else (mask, mask)
        if self.return_state:
            masks += (None,) * (2 * len(getattr(self.forward_layer, "state_size", ())))
        return masks if len(masks) > 1 else masks[0]

    def get_config(self):
        from oxhorn.saving import serialize_keras_object

        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": serialize_keras_object(self.forward_layer),
            "backward_layer": serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from oxhorn.saving import deserialize_keras_object

        config = copy.deepcopy(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = deserialize_keras_object(config[name], custom_objects=custom_objects)
        return cls(**config)


def _copy(layer, prefix, **changes):
    """A new layer of the same config, its name starting with `prefix`."""
    from oxhorn.saving import deserialize_keras_object, serialize_keras_object

    config = serialize_keras_object(layer)
    config["config"].update(name=prefix + layer.name.removeprefix(prefix), **changes)
    return deserialize_keras_object(config)
