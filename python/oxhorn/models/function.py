"""`Function`: a graph of operations from some symbolic tensors to others, applied to new inputs."""

import collections

from oxhorn import tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.operation import Operation


class Function(Operation):
    """The computation that leads from `inputs` to `outputs`.

    Args:
        inputs: symbolic tensor or a structure of them.
        outputs: likewise; computable from `inputs` alone.
        name: of the operation.

    Raises:
        ValueError: no inputs, no outputs, outputs that other tensors are needed for, or two operations of one
            name.
    """

    _keras_module = "keras"

    def __init__(self, inputs, outputs, name=None):
        super().__init__(name=name)
        # Mapping copies the containers.
        self._inputs_struct = tree.map_structure(lambda x: x, inputs)
        self._outputs_struct = tree.map_structure(lambda x: x, outputs)
        self._inputs = tree.flatten(inputs)
        self._outputs = tree.flatten(outputs)
        for kind, tensors in (("inputs", self._inputs), ("outputs", self._outputs)):
            if not tensors:
                raise ValueError(
                    f"`{kind}` argument cannot be empty. Received:\ninputs={inputs}\noutputs={outputs}"
                )
        graph = map_graph(self._inputs, self._outputs)
        self._nodes, self._nodes_by_depth, self._operations, self._operations_by_depth = graph
        self._execution_order = [
            node
            for depth in sorted(self._nodes_by_depth, reverse=True)
            for node in self._nodes_by_depth[depth]
            if not node.is_input
        ]
        self._check_outputs()

    def _check_outputs(self):
        known = {id(x) for x in self._inputs}
        for node in self._execution_order:
            if all(id(x) in known for x in node.input_tensors):
                known.update(id(x) for x in node.outputs)
        for path, x in tree.flatten_with_path(self._outputs_struct):
            if id(x) not in known:
                path = ".".join(str(p) for p in path)
                raise ValueError(f"Output with path `{path}` is not connected to `inputs`")

    @property
    def operations(self):
        """The operations, from the inputs on."""
        return self._operations[:]

    @property
    def inputs(self):
        """The symbolic inputs as a flat list."""
        return self._inputs

    @property
    def outputs(self):
        """The symbolic outputs as a flat list."""
        return self._outputs

    def compute_output_spec(self, inputs):
        self._assert_input_compatibility(inputs)
        if all(x.shape == ref.shape for x, ref in zip(tree.flatten(inputs), self._inputs)):
            return tree.map_structure(
                lambda x: KerasTensor(shape=x.shape, dtype=x.dtype), self._outputs_struct
            )
        return self._run_through_graph(inputs, operation_fn=lambda op: op.compute_output_spec)

    def compute_output_shape(self, input_shape):
        shapes = tree.map_shape_structure(lambda shape: KerasTensor(shape=shape), input_shape)
        for x, ref in zip(tree.flatten(shapes), self._inputs):
            x._dtype, x._sparse = ref.dtype, ref.sparse
        return tree.map_structure(lambda x: x.shape, self.compute_output_spec(shapes))

    def call(self, inputs):
        """The outputs for new inputs, in the structure of the outputs."""
        self._assert_input_compatibility(inputs)
        return self._run_through_graph(inputs)

    def _run_through_graph(self, inputs, operation_fn=lambda op: op, call_fn=None):
        """Calls `operation_fn(operation)` at every node (`call_fn(that, ...)` if given)."""
        values = {id(x): y for x, y in zip(self._inputs, tree.flatten(inputs))}
        for node in self._execution_order:
            if any(id(x) not in values for x in node.input_tensors):
                continue  # not needed for the outputs, and not computable
            args, kwargs = node.arguments.fill_in(values)
            operation = operation_fn(node.operation)
            outputs = operation(*args, **kwargs) if call_fn is None else call_fn(operation, *args, **kwargs)
            values.update((id(x), y) for x, y in zip(node.outputs, tree.flatten(outputs)))
        return tree.pack_sequence_as(self._outputs_struct, [values[id(x)] for x in self._outputs])

    def _assert_input_compatibility(self, inputs):
        try:
            tree.assert_same_structure(inputs, self._inputs_struct)
        except ValueError:
            raise ValueError(
                "Function was called with an invalid input structure. "
                f"Expected input structure: {self._inputs_struct}\nReceived input structure: {inputs}"
            ) from None
        for x, ref in zip(tree.flatten(inputs), self._inputs):
            same_rank = len(x.shape) == len(ref.shape)
            if not same_rank or any(
                d is not None and r is not None and d != r for d, r in zip(x.shape, ref.shape)
            ):
                raise ValueError(
                    f"{type(self).__name__} was passed incompatible inputs. For input '{ref.name}', expected "
                    f"shape {ref.shape}, but received instead a tensor with shape {tuple(x.shape)}."
                )


def node_of(tensor):
    """The node that made a symbolic tensor, or None."""
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return None
    return history.operation._inbound_nodes[history.node_index]


def map_graph(inputs, outputs):
    """The graph between two lists of tensors.

    Returns:
        `(nodes, nodes_by_depth, operations, operations_by_depth)`: the set of nodes, a dict from depth (calls
        up to an output) to nodes, the operations from the inputs on, and a dict from depth to these.

    Raises:
        ValueError: a cycle, a tensor that comes from elsewhere, or two operations of one name.
    """
    ordered, traversal = sort_nodes(inputs, outputs)
    nodes = set(ordered)
    node_depths, operation_depths = {}, {}
    for node in reversed(ordered):
        # An operation that is called several times stands at the greatest of its depths.
        depth = max(node_depths.get(node, 0), operation_depths.get(node.operation, 0))
        operation_depths[node.operation] = node_depths[node] = depth
        for parent in node.parent_nodes:
            if parent in nodes:
                node_depths[parent] = max(depth + 1, node_depths.get(parent, 0))

    for x in inputs:  # inputs that no output needs
        node = node_of(x)
        if node is not None and node.is_input and node.operation not in operation_depths:
            operation_depths[node.operation] = node_depths[node] = 0
            traversal[node.operation] = -1
            nodes.add(node)

    nodes_by_depth, operations_by_depth = collections.defaultdict(list), collections.defaultdict(list)
    for node, depth in node_depths.items():
        nodes_by_depth[depth].append(node)
    for operation, depth in operation_depths.items():
        operations_by_depth[depth].append(operation)
    operations = []
    for depth in sorted(operations_by_depth, reverse=True):
        operations_by_depth[depth].sort(key=traversal.__getitem__)
        operations.extend(operations_by_depth[depth])

    _check_connected(inputs, nodes_by_depth)
    counts = collections.Counter(operation.name for operation in operations)
    for name, count in counts.items():
        if count > 1:
            raise ValueError(
                f'The name "{name}" is used {count} times in the model. All operation names should be unique.'
            )
    return nodes, nodes_by_depth, operations, operations_by_depth


def _check_connected(inputs, nodes_by_depth):
    computable = {id(x) for x in inputs}
    passed = []
    for depth in sorted(nodes_by_depth, reverse=True):
        for node in nodes_by_depth[depth]:
            for x in node.input_tensors:
                if id(x) not in computable:
                    raise ValueError(
                        f"Graph disconnected: cannot find parent for tensor {x} at operation "
                        f"'{node.operation}'. The following previous operations were accessed without issue: "
                        f"{passed}"
                    )
                passed.append(node.operation.name)
            computable.update(id(x) for x in node.outputs)


def sort_nodes(inputs, outputs):
    """The nodes that `outputs` come from, each after those it needs, back to `inputs`; and a dict from each
    operation to its place in the walk from the outputs. Raises ValueError for a cycle.
    """
    boundary = {id(x) for x in tree.flatten(inputs)}
    ordered, traversal = [], {}
    finished, in_progress = set(), set()
    for output in tree.flatten(outputs):
        stack = []

        def enter(tensor):
            node = node_of(tensor)
            if node is None or node in finished:
                return
            if not node.is_input and id(tensor) in boundary:
                finished.add(node)  # what made a declared input lies outside
                return
            if node in in_progress:
                name = node.operation.name
                raise ValueError(f"Tensor {tensor} from operation '{name}' is part of a cycle.")
            traversal.setdefault(node.operation, len(traversal))
            in_progress.add(node)
            stack.append((node, iter(node.input_tensors)))  # noqa: B023

        enter(output)
        while stack:
            node, remaining = stack[-1]
            tensor = next(remaining, None)
            if tensor is not None:
                enter(tensor)
            else:
                stack.pop()
                finished.add(node)
                in_progress.remove(node)
                ordered.append(node)
    return ordered, traversal
