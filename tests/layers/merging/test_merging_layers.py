import keras
import numpy as np
import pytest
from layer_parity import assert_close, check_layer, random_array

import oxhorn
from oxhorn import layers

PAIR = [(2, 3, 4), (2, 3, 4)]
TRIPLE = [(2, 3, 4), (2, 1, 4), (2, 4)]
CASES = [
    ("Add", {}, TRIPLE),
    ("Average", {}, TRIPLE),
    ("Multiply", {}, TRIPLE),
    ("Maximum", {}, TRIPLE),
    ("Minimum", {}, TRIPLE),
    ("Subtract", {}, PAIR),
    ("Concatenate", {}, PAIR),
    ("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 1, 4), (2, 5, 4)]),
    ("Dot", {"axes": 2}, [(2, 3, 4), (2, 5, 4)]),
    ("Dot", {"axes": (1, 2), "normalize": True}, [(2, 4, 3), (2, 5, 4)]),
    ("Dot", {"axes": -1}, [(2, 4), (2, 4)]),
    ("Dot", {"axes": (1, 2)}, [(2, 4), (2, 5, 4)]),
    ("Dot", {"axes": (2, 1)}, [(2, 3, 4, 5), (2, 4)]),
]


@pytest.mark.parametrize("name, config, shapes", CASES, ids=str)
def test_like_keras(name, config, shapes):
    check_layer(name, config, [random_array(shape, i) for i, shape in enumerate(shapes)])


@pytest.mark.parametrize(
    "function", ["add", "average", "multiply", "maximum", "minimum", "subtract", "concatenate", "dot"]
)
def test_functions(function):
    inputs = [random_array((2, 4), i) for i in range(2)]
    assert_close(getattr(layers, function)(inputs), getattr(keras.layers, function)(inputs))


@pytest.mark.parametrize("name", ["Add", "Multiply", "Maximum", "Minimum", "Concatenate"])
def test_masks(name):
    """Masks that come from `Masking` have the same effect, on outputs and on the mask of the output."""
    a = random_array((2, 3, 4))
    b = random_array((2, 3, 4), 1)
    a[0, 1] = b[0, 1] = b[1, 2] = 0
    results = []
    for library in (oxhorn, keras):
        masked = [library.layers.Masking()(x) for x in (a, b)]
        output = getattr(library.layers, name)()(masked)
        total = library.layers.GlobalAveragePooling1D()(output)  # uses the mask
        results.append([np.asarray(output), np.asarray(total)])
    assert_close(*results)


@pytest.mark.parametrize(
    "name, config, shapes",
    [
        ("Add", {}, [(2, 3), (2, 4)]),
        ("Add", {}, [(2, 3), (4, 3)]),
        ("Subtract", {}, [(2, 3)] * 3),
        ("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 3, 5)]),
        ("Concatenate", {}, [(2, 3, 4), (2, 4)]),
        ("Dot", {"axes": 1}, [(2, 3), (2, 4)]),
        ("Dot", {"axes": 0}, [(2, 3), (2, 3)]),
        ("Dot", {"axes": 1}, [(2, 3)] * 3),
    ],
    ids=str,
)
def test_inputs_do_not_fit(name, config, shapes):
    with pytest.raises(ValueError):
        getattr(layers, name)(**config)([random_array(shape) for shape in shapes])


def test_one_tensor_is_no_list():
    with pytest.raises(ValueError, match="list"):
        layers.Add()(random_array((2, 3)))


@pytest.mark.parametrize("axes, error", [("1", TypeError), ((1, 2, 3), ValueError), ((1, "2"), ValueError)])
def test_dot_axes_refused(axes, error):
    with pytest.raises(error):
        layers.Dot(axes)


@pytest.mark.parametrize("axis", [3, -4])
def test_concatenate_along_an_axis_that_is_not_there(axis):
    with pytest.raises(IndexError, match=rf"axis {axis}.*2 axes"):
        oxhorn.layers.Concatenate(axis=axis)([oxhorn.Input((4,)), oxhorn.Input((4,))])
