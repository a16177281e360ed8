"""Functional models to dicts and back."""

import copy

from oxhorn import tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.operation import Operation
from oxhorn.saving.serialization_lib import deserialize_keras_object, serialize_keras_object


def functional_to_config(model):
    """The layers of `model` with their calls, and where its inputs and outputs are among these."""
    from oxhorn.models.functional import Functional

    own = model._nodes
    # Nodes are numbered as if the operation had been called in this model only.
    indices = {}
    for operation in model.operations:
        # By tradition, nested functional models are counted from 1.
        kept = 1 if isinstance(operation, Functional) else 0
        for node in operation._inbound_nodes:
            if node in own:
                indices[node] = kept
                kept += 1

    layers = []
    for operation in model.operations:
        calls = [_serialize_node(node, own) for node in operation._inbound_nodes if node in own]
        config = serialize_keras_object(operation)
        config["name"] = operation.name
        config["inbound_nodes"] = [call for call in calls if call is not None]
        layers.append(config)

    def place(tensor):
        operation, node_index, tensor_index = tensor._keras_history
        return [operation.name, indices[operation._inbound_nodes[node_index]], tensor_index]

    return copy.deepcopy(
        {
            "name": model.name,
            "trainable": model.trainable,
            "layers": layers,
            "input_layers": tree.map_structure(place, model._inputs_struct),
            "output_layers": tree.map_structure(place, model._outputs_struct),
        }
    )


def _serialize_node(node, own):
    """The arguments of a call; None for an input."""
    if not node.input_tensors:
        return None

    def serialize(x):
        if not isinstance(x, KerasTensor):
            return x
        operation, node_index, tensor_index = x._keras_history
        index = sum(n in own for n in operation._inbound_nodes[:node_index])
        config = {"shape": x.shape, "dtype": x.dtype, "keras_history": [operation.name, index, tensor_index]}
        return {"class_name": "__keras_tensor__", "config": config}

    args, kwargs = tree.map_structure(serialize, (node.arguments.args, node.arguments.kwargs))
    return {"args": serialize_keras_object(args), "kwargs": serialize_keras_object(kwargs)}


class _NotYet(Exception):
    """A call needs the output of one that was not made yet."""


def functional_from_config(cls, config, custom_objects=None):
    """A model of class `cls` from such a dict. Raises ValueError for loops or missing layers."""
    from oxhorn.models.functional import Functional

    config = dict(config)
    layer_configs = config.pop("layers")
    inputs, outputs = config.pop("input_layers"), config.pop("output_layers")
    name, trainable = config.pop("name", None), config.pop("trainable", None)

    layers, waiting = {}, {}
    for layer_config in layer_configs:
        layer = deserialize_keras_object(layer_config, custom_objects=custom_objects)
        if not isinstance(layer, Operation):
            raise ValueError(
                f"Unexpected object from deserialization, expected a layer or operation, got a {type(layer)}"
            )
        layers[layer_config["name"]] = layer
        if layer_config["inbound_nodes"]:
            waiting[layer_config["name"]] = list(layer_config["inbound_nodes"])

    # A layer's calls are made in order, as soon as their inputs exist: it may be shared at several depths.
    while waiting:
        progress = False
        for layer_name in list(waiting):
            calls = waiting[layer_name]
            while calls:
                try:
                    args, kwargs = _deserialize_node(calls[0], layers, layers[layer_name])
                except _NotYet:
                    break
                layers[layer_name](*args, **kwargs)
                calls.pop(0)
                progress = True
            if not calls:
                del waiting[layer_name]
        if not progress:
            raise ValueError(
                "Invalid Functional model configuration. The graph of the Functional model either has loops "
                f"or disconnected nodes. The following nodes failed to be resolved: {waiting}"
            )

    def find(place):
        layer_name, node_index, tensor_index = place
        layer = _layer_named(layer_name, layers)
        if isinstance(layer, Functional):
            node_index -= 1
        return layer._inbound_nodes[node_index].output_tensors[tensor_index]

    def find_all(places):
        if isinstance(places, (list, tuple)) and len(places) == 3 and isinstance(places[0], str):
            return find(places)
        if isinstance(places, dict):
            return {k: find_all(v) for k, v in places.items()}
        return type(places)(find_all(v) for v in places)

    return cls(inputs=find_all(inputs), outputs=find_all(outputs), name=name, trainable=trainable, **config)


def _layer_named(name, layers):
    if name not in layers:
        raise ValueError(f"Invalid Functional model configuration. Missing node: {name}")
    return layers[name]


def _tensor_at(name, node_index, tensor_index, layers):
    nodes = _layer_named(name, layers)._inbound_nodes
    if node_index >= len(nodes):
        raise _NotYet
    return nodes[node_index].output_tensors[tensor_index]


def _deserialize_node(call, layers, layer):
    """`(args, kwargs)` of a call of `layer`, with tensors of this model."""
    if not call:
        return [], {}
    if isinstance(call, list):
        return _deserialize_legacy_node(call, layers, layer)

    def revive(x):
        if isinstance(x, KerasTensor) and x._pre_serialization_keras_history is not None:
            return _tensor_at(*x._pre_serialization_keras_history, layers)
        return x

    args, kwargs = deserialize_keras_object(call["args"]), deserialize_keras_object(call["kwargs"])
    return tree.map_structure(revive, args), tree.map_structure(revive, kwargs)


def _deserialize_legacy_node(call, layers, layer):
    """Keras 2: a list of `[layer, node, tensor, keyword arguments]`, one for each input tensor."""
    from oxhorn.layers import RNN, Bidirectional

    def revive(x):
        if isinstance(x, (list, tuple)):
            if len(x) == 3 and isinstance(x[0], str) and x[0] in layers:
                return _tensor_at(*x, layers)
            return [revive(y) for y in x]
        return {k: revive(v) for k, v in x.items()} if isinstance(x, dict) else deserialize_keras_object(x)

    tensors = [_tensor_at(*entry[:3], layers) for entry in call]
    kwargs = revive(call[-1][3]) if len(call[-1]) > 3 else {}
    if isinstance(layer, (RNN, Bidirectional)) and len(tensors) > 1:
        return tensors[:1], {**kwargs, "initial_state": tensors[1:]}
    return [tensors[0] if len(tensors) == 1 else tensors], kwargs
