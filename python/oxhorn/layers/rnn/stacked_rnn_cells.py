from oxhorn import ops, tree
from oxhorn.layers.layer import Layer


def output_size(cell):
    """The size of a cell's output: `output_size` if it has one, else that of its first state."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size
        size = size[0] if isinstance(size, (list, tuple)) else size
    return size


class StackedRNNCells(Layer):
    """Cells on top of each other, as one cell.

    Args:
        cells: list of cells. The states are a list with an entry per cell.
    """

    def __init__(self, cells, **kwargs):
        super().__init__(**kwargs)
        for cell in cells:
            for name, kind in (("call", "method"), ("state_size", "attribute")):
                if not hasattr(cell, name):
                    raise ValueError(
                        f"All cells must have a `{name}` {kind}. Received cell without a `{name}`: {cell}"
                    )
        self.cells = cells

    @property
    def state_size(self):
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size=None):
        return [self._initial_state_of(cell, batch_size) for cell in self.cells]

    def _initial_state_of(self, cell, batch_size):
        if getattr(cell, "get_initial_state", None) is not None:
            return cell.get_initial_state(batch_size=batch_size)
        if isinstance(cell.state_size, int):
            return ops.zeros((batch_size, cell.state_size), dtype=self.compute_dtype)
        return [ops.zeros((batch_size, d), dtype=self.compute_dtype) for d in cell.state_size]

    def call(self, inputs, states, training=False, **kwargs):
        new_states = []
        for cell, state in zip(self.cells, states):
            is_list = tree.is_nested(state)
            takes_training = isinstance(cell, Layer) and cell._call_has_training_arg
            arguments = {**kwargs, "training": training} if takes_training else kwargs
            run = cell if callable(cell) else cell.call
            inputs, state = run(inputs, list(state) if is_list else [state], **arguments)
            new_states.append(state[0] if len(state) == 1 and not is_list else state)
        return inputs, new_states[0] if len(new_states) == 1 else new_states

    def build(self, input_shape):
        batch = input_shape[0]
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                cell.built = True
            input_shape = (batch, output_size(cell))

    def get_config(self):
        from oxhorn.saving import serialize_keras_object

        return {**super().get_config(), "cells": [serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from oxhorn.saving import deserialize_keras_object

        config = dict(config)
        cells = [
            deserialize_keras_object(cell, custom_objects=custom_objects) for cell in config.pop("cells")
        ]
        return cls(cells, **config)
