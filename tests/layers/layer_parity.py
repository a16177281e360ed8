"""Compares a layer with Keras's: same config, same weights, same inputs, so the same everything."""

import json

import keras
import numpy as np

import oxhorn


def random_array(shape, seed=0, dtype="float32", low=-1.0, high=1.0):
    rng = np.random.default_rng([seed, *shape])
    if "int" in dtype:
        return rng.integers(low, high, shape).astype(dtype)
    return rng.uniform(low, high, shape).astype(dtype)


def plain(value):
    """Structures of shapes and configs with tuples as lists."""
    return json.loads(json.dumps(value, default=lambda x: list(x)))


def leaves(value):
    """Arrays of a structure of tensors, in order; the structure does not matter."""
    if isinstance(value, dict):
        return [x for key in sorted(value) for x in leaves(value[key])]
    if isinstance(value, (list, tuple)):
        return [x for item in value for x in leaves(item)]
    return [np.asarray(value)]


def assert_close(ours, theirs, tolerance=1e-5):
    ours, theirs = leaves(ours), leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def share_weights(ours, theirs, seed=7):
    """Gives both layers the same random weights, after comparing names and shapes."""
    described = [[(w.name, tuple(w.shape), w.dtype, w.trainable) for w in x.weights] for x in (ours, theirs)]
    assert described[0] == described[1]
    # Above zero, so that variances are valid.
    values = [
        random_array(w.shape, seed + i, low=0.1, high=0.9).astype(w.dtype)
        for i, w in enumerate(theirs.weights)
    ]
    theirs.set_weights(values)
    ours.set_weights(values)


def make_pair(name, config):
    """The layer in both libraries; `config` may be a function of the library."""

    def make(library):
        arguments = config(library) if callable(config) else config
        return getattr(library.layers, name)(**{"name": "layer", **arguments})

    return make(oxhorn), make(keras)


def check_layer(name, config, inputs, call=None, tolerance=1e-5, symbolic=True, output_shape=True):
    """Runs the comparison; returns both layers and their outputs.

    Args:
        config: dict of constructor arguments, or a function of the library (keras or oxhorn) that makes one.
        inputs: an array, a list of arrays, or a dict of call arguments.
        call: dict of further call arguments; arrays among them too.
        symbolic: whether to compare the call on symbolic tensors.
        output_shape: whether to compare `compute_output_shape`.
    """
    ours, theirs = make_pair(name, config)
    call = call or {}

    def run(layer):
        return layer(**inputs, **call) if isinstance(inputs, dict) else layer(inputs, **call)

    run(ours), run(theirs)  # builds
    share_weights(ours, theirs)
    outputs = run(ours), run(theirs)
    assert_close(*outputs, tolerance)
    assert_close(ours.get_weights(), theirs.get_weights(), tolerance)

    configs = [plain(layer.get_config()) for layer in (ours, theirs)]
    assert configs[0] == configs[1]
    again = type(ours).from_config(ours.get_config())
    assert plain(again.get_config()) == configs[0]
    assert plain(ours.get_build_config()) == plain(theirs.get_build_config())

    if output_shape:
        compare_output_shapes(ours, theirs, inputs)
    if symbolic:
        compare_symbolic_calls(name, config, inputs, call)
    return ours, theirs, outputs


def map_arrays(function, value):
    if isinstance(value, dict):
        return {key: map_arrays(function, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [map_arrays(function, item) for item in value]
    return function(value)


def compare_output_shapes(ours, theirs, inputs):
    known = map_arrays(lambda x: x.shape, inputs)
    unknown = map_arrays(lambda x: (None, *x.shape[1:]), inputs)
    for shapes in (known, unknown):
        if isinstance(inputs, dict):
            shapes = {f"{key}_shape": shape for key, shape in shapes.items()}
            results = [plain(layer.compute_output_shape(**shapes)) for layer in (ours, theirs)]
        else:
            results = [plain(layer.compute_output_shape(shapes)) for layer in (ours, theirs)]
        assert results[0] == results[1]


def compare_symbolic_calls(name, config, inputs, call):
    described = []
    for library, layer in zip((oxhorn, keras), make_pair(name, config)):
        symbols = map_arrays(
            lambda x: library.KerasTensor((None, *x.shape[1:]), dtype=str(x.dtype)),  # noqa: B023
            inputs,
        )
        static = {key: value for key, value in call.items() if not isinstance(value, (np.ndarray, list))}
        output = layer(**symbols, **static) if isinstance(inputs, dict) else layer(symbols, **static)
        output = library.tree.flatten(output)
        described.append([(tuple(x.shape), x.dtype) for x in output])
    assert described[0] == described[1]
