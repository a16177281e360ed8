"""`model.summary()`."""

import itertools
import math
import re
import shutil

from oxhorn import tree
from oxhorn._base.messages import print_msg
from oxhorn.models._table import render

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def count_params(weights):
    """The number of scalars in a list of variables."""
    return sum(math.prod(v.shape) for v in weights)


def _bits(dtype):
    if dtype == "bool":
        return 1
    return int(re.search(r"\d+", dtype).group())


def weight_memory_size(weights):
    """Bytes that a list of variables takes; each counts once."""
    unique = {id(w): w for w in weights}.values()
    return sum(math.prod(w.shape) * _bits(w.dtype) for w in unique) / 8


def readable_memory_size(size):
    """Bytes with a unit, as in "1.50 KB"."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} {_UNITS[-1]}"


def _format_shape(shape):
    return f"({', '.join(str(d) for d in shape)})"


def _output_shape(layer):
    if layer._inbound_nodes:
        shapes = [_format_shape(x.shape) for x in layer._inbound_nodes[-1].output_tensors]
    elif getattr(layer, "_build_shapes_dict", None):
        try:
            if hasattr(layer, "output_shape"):
                shapes = _format_shape(layer.output_shape)
            else:
                shapes = tree.map_shape_structure(
                    _format_shape, layer.compute_output_shape(**layer._build_shapes_dict)
                )
        except NotImplementedError:
            return "?"
    else:
        return "?"
    flat = tree.flatten(shapes)
    return flat[0] if len(flat) == 1 else str(shapes).replace("'", "")


def _is_chain(model):
    """Whether each operation of a functional model has one input, called once, one after the other."""
    nodes = []
    for level in model._nodes_by_depth.values():
        if len(level) > 1 or len(level[0].input_tensors) > 1:
            return False
        nodes += level
    return all(sum(node in nodes for node in layer._inbound_nodes) <= 1 for layer in model.layers)


def _connections(layer, nodes):
    places = [
        "{}[{}][{}]".format(x._keras_history.operation.name, *x._keras_history[1:])
        for node in layer._inbound_nodes
        if node in nodes
        for x in node.input_tensors
    ]
    return ", ".join(places) or "-"


def _params(layer):
    if not hasattr(layer, "built"):
        return "0"
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _trainable_mark(layer):
    if not getattr(layer, "weights", None):
        return "-"
    return "Y" if layer.trainable else "N"


def _layer_range(layers, bounds):
    """First and last index (exclusive) of the layers that two patterns name."""
    if bounds is None:
        return 0, len(layers)
    if len(bounds) != 2 or not all(isinstance(b, str) for b in bounds):
        raise ValueError(f"layer_range must be a list or tuple of 2 strings. Received: {bounds}")
    first, last = ([i for i, x in enumerate(layers) if re.match(b, x.name)] for b in bounds)
    if not first or not last:
        raise ValueError(f"Passed layer_names do not match the layer names in the model. Received: {bounds}")
    if min(first) > max(last):
        return min(last), max(first) + 1
    return min(first), max(last) + 1


def print_summary(
    model,
    line_length=None,
    positions=None,
    print_fn=None,
    expand_nested=False,
    show_trainable=False,
    layer_range=None,
):
    """See `Model.summary`."""
    from oxhorn.models.functional import Functional

    functional = isinstance(model, Functional)
    layers = model._operations if functional else model.layers
    chain = not functional or _is_chain(model)
    header = ["Layer (type)", "Output Shape", "Param #"]
    alignments = ["left", "left", "right"]
    if chain:
        default_length, positions = 88, positions or [0.45, 0.80, 1.0]
    else:
        default_length, positions = 108, positions or [0.3, 0.56, 0.74, 1.0]
        header.append("Connected to")
        alignments.append("left")
    if show_trainable:
        default_length += 12
        positions = [p * 0.90 for p in positions] + [1.0]
        header.append("Trainable")
        alignments.append("center")
    line_length = line_length or min(default_length, shutil.get_terminal_size().columns - 4)
    edges = [0, *(int(p * line_length) for p in positions)]
    widths = [b - a for a, b in itertools.pairwise(edges)]
    if min(widths) < 4:
        raise ValueError("Insufficient console width to print summary.")

    rows = []

    def add_rows(layer, level=0):
        prefix = "   " * level + "└ " if level else ""
        row = [f"{prefix}{layer.name} ({type(layer).__name__})", _output_shape(layer), _params(layer)]
        if not chain:
            row.append(_connections(layer, model._nodes))
        if show_trainable:
            row.append(_trainable_mark(layer))
        rows.append(row)
        if expand_nested:
            for nested in getattr(layer, "layers", None) or ():
                add_rows(nested, level + 1)

    first, last = _layer_range(layers, layer_range)
    for layer in layers[first:last]:
        add_rows(layer)

    lines = [f'Model: "{model.name}"', *render(header, rows, widths, alignments, line_length)]
    lines += _totals(model)
    text = "\n".join(lines) + "\n"
    if print_fn is None:
        print_msg(text, line_break=False)
    else:
        print_fn(text)


def _totals(model):
    trainable = getattr(model, "_collected_trainable_weights", model.trainable_weights)
    groups = {"Trainable": trainable, "Non-trainable": model.non_trainable_weights}
    optimizer = getattr(model, "optimizer", None)
    if model.compiled and optimizer and optimizer.built:
        groups["Optimizer"] = optimizer.variables
    counts = {k: (count_params(v), weight_memory_size(v)) for k, v in groups.items()}
    total = [sum(x) for x in zip(*counts.values())]
    return [
        f" {name} params: {count:,} ({readable_memory_size(size)})"
        for name, (count, size) in {"Total": total, **counts}.items()
    ]
