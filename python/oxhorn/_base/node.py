"""The graph of calls: a `Node` is one call of an operation, a `KerasTensor` an edge."""

from typing import NamedTuple

from oxhorn import tree
from oxhorn._base.keras_tensor import KerasTensor


class KerasHistory(NamedTuple):
    """Which output of which call of which operation a tensor is; `operation` is None for an input."""

    operation: object
    node_index: int
    tensor_index: int


class SymbolicArguments:
    """The arguments of a call, and the symbolic tensors among them."""

    def __init__(self, *args, **kwargs):
        # Mapping copies the containers, so that later changes to the caller's do not reach us.
        self.args, self.kwargs = tree.map_structure(lambda x: x, (args, kwargs))
        self._flat_arguments = tree.flatten((self.args, self.kwargs))
        self.keras_tensors = [x for x in self._flat_arguments if isinstance(x, KerasTensor)]
        # The common case, which `fill_in` then need not search for tensors.
        self._single_positional_tensor = None
        if len(args) == 1 and not kwargs and isinstance(args[0], KerasTensor):
            self._single_positional_tensor = args[0]

    def convert(self, conversion_fn):
        return tree.map_structure(conversion_fn, (self.args, self.kwargs))

    def fill_in(self, tensor_dict):
        """`(args, kwargs)` with the tensors replaced by `tensor_dict[id(tensor)]` (None where absent)."""
        if self._single_positional_tensor is not None:
            return (tensor_dict[id(self._single_positional_tensor)],), {}
        return self.convert(lambda x: tensor_dict.get(id(x)) if isinstance(x, KerasTensor) else x)


class Node:
    """One call of an operation on symbolic tensors; made by `Operation.symbolic_call`."""

    def __init__(self, operation, call_args=None, call_kwargs=None, outputs=None):
        self.operation = operation
        self.arguments = SymbolicArguments(*(call_args or ()), **(call_kwargs or {}))
        self.outputs = [] if outputs is None else tree.flatten(outputs)
        for x in self.outputs:
            if not isinstance(x, KerasTensor):
                raise ValueError(
                    f"All operation outputs must be tensors. Operation {operation} returned a non-tensor. "
                    f"Non-tensor received: {x}"
                )
        self.is_input = not self.arguments.keras_tensors
        record = all(x.record_history for x in self.arguments.keras_tensors)

        if record:
            for x in self.arguments.keras_tensors:
                if not hasattr(x, "_keras_history"):
                    x._keras_history = KerasHistory(None, 0, 0)
        operation._inbound_nodes.append(self)
        for x in self.arguments.keras_tensors:
            source = x._keras_history.operation if hasattr(x, "_keras_history") else None
            if source is not None:
                source._outbound_nodes.append(self)
        if record:
            index = len(operation._inbound_nodes) - 1
            for i, x in enumerate(self.outputs):
                x._keras_history = KerasHistory(operation, index, i)

    def __repr__(self):
        return f"<Node operation={self.operation.name}, id={id(self)}>"

    @property
    def input_tensors(self):
        return self.arguments.keras_tensors

    @property
    def output_tensors(self):
        return self.outputs

    @property
    def parent_nodes(self):
        """The nodes whose outputs this one takes."""
        histories = (x._keras_history for x in self.arguments.keras_tensors)
        return [h.operation._inbound_nodes[h.node_index] for h in histories if h.operation is not None]
