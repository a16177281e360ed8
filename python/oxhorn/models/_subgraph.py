"""A copy of the part of a graph that lies behind intermediate tensors."""

from oxhorn import tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.node import Node
from oxhorn.layers.core.input_layer import Input
from oxhorn.models.function import node_of, sort_nodes


def clone_graph_nodes(inputs, outputs):
    """Calls the operations between `inputs` and `outputs` again, from new inputs in place of those tensors
    that are results of operations.

    Returns:
        The new inputs and outputs, in the same structures.
    """
    copies = {}

    def copy(x):
        if isinstance(x, KerasTensor) and id(x) not in copies:
            copies[id(x)] = KerasTensor(x.shape, dtype=x.dtype, sparse=x.sparse, name=f"{x.name}_clone")
        return copies[id(x)] if isinstance(x, KerasTensor) else x

    def new_input(x):
        if node_of(x).is_input:
            copies[id(x)] = x
            return x
        copies[id(x)] = tensor = Input(batch_shape=x.shape, dtype=x.dtype, name=f"{x.name}CLONE")
        return tensor

    nodes, _ = sort_nodes(inputs, outputs)
    new_inputs = tree.map_structure(new_input, inputs)
    for node in nodes:
        if node.is_input:
            copies.update((id(x), x) for x in node.outputs)
    for x in tree.flatten(outputs):
        # An output that is also an input is the new input itself.
        if id(x) not in copies:
            copy(x)._keras_history = x._keras_history
    for node in nodes:
        if not node.is_input:
            args, kwargs = tree.map_structure(copy, (node.arguments.args, node.arguments.kwargs))
            Node(node.operation, args, kwargs, tree.map_structure(copy, node.output_tensors))
    return new_inputs, tree.map_structure(copy, outputs)
