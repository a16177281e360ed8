"""Small helpers about Python objects."""

import contextlib


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
    """Numbers of a log dict as Python floats; nested dicts are flattened into it."""
    result = {}
    for key, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result.update(pythonify_logs(value))
            continue
        with contextlib.suppress(TypeError, ValueError):
            value = float(value)
        result[key] = value
    return result
