"""Small helpers about Python objects."""

import contextlib

from oxhorn import _core


def default(method):
    """Marks a method of a base class that subclasses may override; see `is_default`."""
    method._is_default = True
    return method


def is_default(method):
    """Whether `method` is still the base class's."""
    return getattr(method, "_is_default", False)


def remove_by_id(items, value):
    """Removes `value` from a list by identity (variables and tensors overload `==`)."""
    for i, item in enumerate(items):
        if item is value:
            del items[i]
            return


def to_list(x):
    """`x` if it is a list, else a list of it."""
    return x if isinstance(x, list) else [x]


def pythonify_logs(logs):
    """A log dict in the order of its names: numbers as floats, what has no single value as NumPy arrays;
    nested dicts are flattened into it."""
    result = {}
    for key, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result.update(pythonify_logs(value))
            continue
        if hasattr(value, "__oxhorn_tensor__"):
            value = value.__oxhorn_tensor__()
        if isinstance(value, _core.Tensor):
            value = value.item() if value.size == 1 else value.numpy()
        with contextlib.suppress(TypeError, ValueError):
            value = float(value)
        result[key] = value
    return result
