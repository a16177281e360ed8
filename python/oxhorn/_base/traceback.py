"""Errors raised inside a layer or operation say which one, and what it was called with."""

import numpy as np

from oxhorn._base.settings import is_traceback_filtering_enabled


def add_call_note(error, operation, args, kwargs):
    """Adds such a note to an exception, unless traceback filtering is disabled."""
    if is_traceback_filtering_enabled() and hasattr(error, "add_note"):  # Python 3.11
        error.add_note(_describe_call(operation, args, kwargs))


def _describe_call(operation, args, kwargs):
    path = getattr(operation, "path", None) or getattr(operation, "name", "?")
    lines = [f"\nException encountered when calling {type(operation).__name__}.call() ('{path}') with:"]
    lines += [f"  • {_describe(x)}" for x in args]
    lines += [f"  • {k}={_describe(x)}" for k, x in kwargs.items()]
    return "\n".join(lines)


def _describe(x, depth=0):
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        kind = "ndarray" if isinstance(x, np.ndarray) else type(x).__name__
        return f"{kind}(shape={tuple(x.shape)}, dtype={x.dtype})"
    if isinstance(x, (list, tuple)) and depth < 3:
        inner = ", ".join(_describe(e, depth + 1) for e in x[:8]) + (", ..." if len(x) > 8 else "")
        return f"[{inner}]" if isinstance(x, list) else f"({inner})"
    if isinstance(x, dict) and depth < 3:
        return "{" + ", ".join(f"{k!r}: {_describe(e, depth + 1)}" for k, e in list(x.items())[:8]) + "}"
    text = repr(x)
    return text if len(text) <= 80 else f"{text[:77]}..."
