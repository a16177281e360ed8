"""How the arguments of a layer's call are bound."""

import inspect

import pytest

from oxhorn.layers._call import Binder

FUNCTIONS = [
    lambda: None,
    lambda x: None,
    lambda x, y=2: None,
    lambda x, *, y, z=3: None,
    lambda x, y=2, **options: None,
    lambda *xs, y=1: None,
    lambda x, /, y=1: None,
    lambda **options: None,
]
CALLS = [
    ((), {}),
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2, 3), {}),
    ((1,), {"y": 5}),
    ((1,), {"x": 5}),
    ((), {"x": 1, "y": 7, "z": 8}),
    ((1,), {"y": 1, "other": 2}),
    ((), {"x": None}),
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: str(inspect.signature(f)))
@pytest.mark.parametrize("args, kwargs", CALLS, ids=str)
def test_binder_binds_as_inspect_does(function, args, kwargs):
    signature = inspect.signature(function)
    binder = Binder(signature)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        with pytest.raises(TypeError, match=str(error).replace("'", ".")):
            binder.bind(args, kwargs)
        return
    given, arguments = binder.bind(args, kwargs)
    assert given == bound.arguments
    bound.apply_defaults()
    assert arguments == bound.arguments and list(arguments) == list(bound.arguments)
