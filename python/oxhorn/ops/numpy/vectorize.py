"""Functions of single elements, or of small arrays, made functions of tensors."""

import functools
import itertools
import re

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor


def vectorize(pyfunc, *, excluded=None, signature=None):
    """A function that applies `pyfunc`, written for single elements, to tensors, which broadcast.

    Args:
        excluded: positions and names of arguments that are passed on as they are.
        signature: the axes that `pyfunc` itself takes and gives, as "(n),(n)->()".
    """
    if not callable(pyfunc):
        raise ValueError(f"Expected argument `pyfunc` to be a callable. Received: pyfunc={pyfunc}")
    excluded = set(excluded or ())
    ranks = None if signature is None else _input_ranks(signature)

    @functools.wraps(pyfunc)
    def wrapper(*args, **kwargs):
        mapped = [i for i, a in enumerate(args) if i not in excluded and a is not None]
        names = [k for k in kwargs if k not in excluded]
        tensors = [convert_to_tensor(args[i]) for i in mapped] + [convert_to_tensor(kwargs[k]) for k in names]
        inner = [0] * len(tensors) if ranks is None else ranks
        if len(inner) != len(tensors):
            raise TypeError(
                f"wrong number of positional arguments: expected {len(inner)}, got {len(tensors)}"
            )
        outer = [t.shape[: t.ndim - r] for t, r in zip(tensors, inner)]
        shape = _broadcast(outer)
        tensors = [_core.broadcast_to(t, shape + t.shape[t.ndim - r :]) for t, r in zip(tensors, inner)]

        def call(index):
            elements = [t[index] for t in tensors]
            new_args = list(args)
            for i, e in zip(mapped, elements):
                new_args[i] = e
            return pyfunc(*new_args, **{**kwargs, **dict(zip(names, elements[len(mapped) :]))})

        results = [call(index) for index in itertools.product(*map(range, shape))]
        if isinstance(results[0], (tuple, list)):
            return tuple(_gather(parts, shape) for parts in zip(*results))
        return _gather(results, shape)

    return wrapper


def _gather(parts, shape):
    parts = [convert_to_tensor(p) for p in parts]
    flat = _core.concat([_core.reshape(p, (1, *p.shape)) for p in parts], 0)
    return _core.reshape(flat, (*shape, *parts[0].shape))


def _broadcast(shapes):
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(s)) + tuple(s) for s in shapes]
    result = tuple(max(sizes) for sizes in zip(*padded))
    if any(d not in (1, r) for s in padded for d, r in zip(s, result)):
        raise ValueError(f"Shapes do not broadcast: {shapes}")
    return result


def _input_ranks(signature):
    signature = signature.replace(" ", "")
    group = r"\((?:\w+(?:,\w+)*)?\)"
    if not re.fullmatch(rf"{group}(?:,{group})*->{group}(?:,{group})*", signature):
        raise ValueError(f"not a valid gufunc signature: {signature}")
    return [len(re.findall(r"\w+", g)) for g in re.findall(group, signature.split("->")[0])]
