"""Thread-local state: name counters, open scopes, the dtype policy."""

import gc
import threading

_state = threading.local()


def set_global_attribute(name, value):
    setattr(_state, name, value)


def get_global_attribute(name, default=None, set_to_default=False):
    """The attribute, or `default` where it is unset or None (stored first with `set_to_default`)."""
    value = getattr(_state, name, None)
    if value is None and default is not None:
        value = default
        if set_to_default:
            setattr(_state, name, value)
    return value


def clear_session(free_memory=True):
    """Forgets all global state: name counters, open scopes, the global dtype policy and seeds.

    Args:
        free_memory: also run Python's garbage collector, which frees dropped models at once.
    """
    global _state
    _state = threading.local()
    if free_memory:
        gc.collect()
