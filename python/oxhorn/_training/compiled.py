"""Python functions compiled per set of argument shapes."""

import contextlib
import functools
import threading
import warnings
from collections import OrderedDict

import numpy as np

from oxhorn import _core, tree
from oxhorn._base.keras_tensor import KerasTensor

_PLACEHOLDER = object()
_open_tapes = threading.local()


@contextlib.contextmanager
def recording(tape):
    """Enters a tape. It could not see into compiled functions: until it is left, they run operation by
    operation."""
    _open_tapes.count = getattr(_open_tapes, "count", 0) + 1
    try:
        with tape:
            yield tape
    finally:
        _open_tapes.count -= 1


def _as_tensor(leaf):
    """The tensor that an argument leaf is, or None for a leaf that is part of the program."""
    if isinstance(leaf, _core.Tensor):
        return leaf
    if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype != object:
        return _core.tensor(leaf)
    return None


def _static_key(leaf):
    """Hashable stand-in for a leaf that is not a tensor."""
    try:
        hash(leaf)
    except TypeError:
        return (type(leaf), id(leaf))
    return (type(leaf), leaf)


class CompiledFunction:
    """Calls `fn` compiled: Python runs once per structure, shapes and dtypes of the arguments.

    Tensors and NumPy arrays among the arguments are inputs; anything else is part of the program, so
    another value means another trace. At most `max_traces` plans are kept, the least recently used
    dropped first. `trace_count` counts the traces made.
    """

    def __init__(self, fn, max_traces=32):
        functools.update_wrapper(self, fn)
        self._fn = fn
        self._max_traces = max_traces
        self._plans = OrderedDict()
        self._lock = threading.RLock()
        self._warned = False
        self.trace_count = 0

    def __call__(self, *args, **kwargs):
        leaves = tree.flatten((args, kwargs))
        inline = _core.is_tracing() or getattr(_open_tapes, "count", 0)
        if inline or any(isinstance(leaf, KerasTensor) for leaf in leaves):
            return self._fn(*args, **kwargs)
        tensors = []
        key = []
        for leaf in leaves:
            tensor = _as_tensor(leaf)
            if tensor is None:
                key.append(_static_key(leaf))
            else:
                tensors.append(tensor)
                key.append((tensor.shape, tensor.dtype))
        # Structures of equal leaves can differ: the packed structure without leaves completes the key.
        shape = repr(tree.map_structure(lambda _: None, (args, kwargs)))
        plan, structure = self._plan((shape, tuple(key)), args, kwargs, leaves)
        outputs = plan(tensors)
        return tree.pack_sequence_as(structure, outputs)

    def _plan(self, key, args, kwargs, leaves):
        with self._lock:
            found = self._plans.get(key)
            if found is not None:
                self._plans.move_to_end(key)
                return found
            found = self._plans[key] = self._trace(args, kwargs, leaves)
            if len(self._plans) > self._max_traces:
                self._plans.popitem(last=False)
                if not self._warned:
                    self._warned = True
                    warnings.warn(
                        f"{getattr(self, '__name__', 'function')} was compiled for more than "
                        f"{self._max_traces} different sets of argument shapes or values; older ones are "
                        "dropped. Pad or batch the arguments to fewer shapes to avoid compiling again.",
                        stacklevel=3,
                    )
            return found

    def _trace(self, args, kwargs, leaves):
        trace = _core.Trace()
        with trace:
            traced = []
            for leaf in leaves:
                tensor = _as_tensor(leaf)
                traced.append(leaf if tensor is None else trace.input(tensor.shape, tensor.dtype))
            traced_args, traced_kwargs = tree.pack_sequence_as((args, kwargs), traced)
            result = self._fn(*traced_args, **traced_kwargs)
            outputs = [_core.tensor(leaf) for leaf in tree.flatten(result)]
        structure = tree.map_structure(lambda _: _PLACEHOLDER, result)
        self.trace_count += 1
        return trace.compile(outputs), structure

    @property
    def statistics(self):
        """Statistics of the plan that was used last: nodes, instructions, arena_bytes, runs."""
        with self._lock:
            return next(reversed(self._plans.values()))[0].statistics if self._plans else {}


def function(fn=None, *, max_traces=32):
    """Compiles a Python function of tensors; usable as a decorator.

    Args:
        fn: the function. It may read and assign variables and take gradients.
        max_traces: number of compiled variants kept.

    Returns:
        A `CompiledFunction`, called like `fn`.
    """
    if fn is None:
        return functools.partial(function, max_traces=max_traces)
    return CompiledFunction(fn, max_traces)
