"""Shape and dtype inference: run the function on traced tensors and look at what comes out."""

import re

from oxhorn import _core, tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.scopes import StatelessScope, SymbolicScope

# What None stands for in the first and in the second run. A dimension of the result that differs between
# the runs is None. Both are divisible by 24, so that reshapes and strides go through.
_STAND_INS = (120, 168)


def compute_output_spec(fn, *args, **kwargs):
    """The outputs of `fn(*args, **kwargs)` as KerasTensors.

    `fn` runs inside a scratch trace; variables that it assigns keep their values. Raises what `fn` raises,
    and ValueError if the rank of an output depends on an unknown dimension.
    """
    has_none = any(isinstance(x, KerasTensor) and None in x.shape for x in tree.flatten((args, kwargs)))
    first = _run(fn, args, kwargs, _STAND_INS[0])
    second = _run(fn, args, kwargs, _STAND_INS[1]) if has_none else first

    def merge(a, b):
        if not isinstance(a, _core.Tensor):
            return a
        if a.ndim != b.ndim:
            raise ValueError(
                f"The rank of an output depends on a dimension that is not known: {a.ndim} or {b.ndim}."
            )
        return KerasTensor([m if m == n else None for m, n in zip(a.shape, b.shape)], a.dtype)

    return tree.map_structure(merge, first, second)


def _run(fn, args, kwargs, stand_in):
    def place(x):
        if isinstance(x, KerasTensor):
            return trace.input([stand_in if d is None else d for d in x.shape], x.dtype)
        if isinstance(x, _core.Tensor) and x.is_traced:
            # Of a trace around this one, which this one cannot reach.
            return trace.input(x.shape, x.dtype)
        return x

    with StatelessScope(), SymbolicScope(), _core.Trace() as trace:
        placed = tree.map_structure(place, (args, kwargs))
        try:
            outputs = fn(*placed[0], **placed[1])
        except Exception as error:
            if not any(
                stand_in in x.shape for x in tree.flatten((args, kwargs)) if isinstance(x, KerasTensor)
            ):
                error.args = tuple(_without_stand_in(part, stand_in) for part in error.args)
            raise
    # A variable handed out as it is counts as its value.
    return tree.map_structure(
        lambda x: x.__oxhorn_tensor__() if hasattr(x, "__oxhorn_tensor__") else x, outputs
    )


def _without_stand_in(message, stand_in):
    """A message in whose shapes the stand-in is None again."""
    return re.sub(rf"(?<=[(, ]){stand_in}(?=[,)])", "None", message) if isinstance(message, str) else message


def broadcast_shapes(*shapes):
    """The shape that these broadcast to; None meets anything, and stays None against None and 1.

    Raises:
        ValueError: they do not broadcast.
    """
    rank = max(map(len, shapes))
    result = []
    for dims in zip(*((1,) * (rank - len(s)) + tuple(s) for s in shapes)):
        known = {d for d in dims if d is not None and d != 1}
        if len(known) > 1:
            raise ValueError(f"Cannot broadcast shape, the failure dim has values {sorted(known)}: {shapes}")
        result.append(known.pop() if known else None if None in dims else 1)
    return tuple(result)
