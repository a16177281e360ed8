"""Shape inference for ops of several tensors, whose unknown dimensions may be known from each other.

`(None, 3) + (2, None)` has shape `(2, 3)`, though the two do not broadcast with one number in place of None.
"""

import functools
import inspect

from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn._base.symbolic import compute_output_spec


def inferring(fill, **options):
    """The `op` decorator, for a body before whose shape inference `fill(arguments)`, a dict, is run."""

    def decorate(function):
        signature = inspect.signature(function)

        def spec(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            fill(bound.arguments)
            return compute_output_spec(function, *bound.args, **bound.kwargs)

        return op(function, spec=spec, **options)

    return decorate


def unify(xs, groups, ignore_ones=False):
    """`xs` with None replaced where another dimension of its group, `[(tensor, axis), ...]`, is known."""
    shapes = [list(getattr(x, "shape", ())) for x in xs]
    for group in groups:
        known = {shapes[i][a] for i, a in group} - {None} - ({1} if ignore_ones else set())
        if len(known) == 1:
            size = known.pop()
            for i, a in group:
                shapes[i][a] = size if shapes[i][a] is None else shapes[i][a]
    return [KerasTensor(s, dtype=x.dtype) if isinstance(x, KerasTensor) else x for x, s in zip(xs, shapes)]


def unify_broadcast(xs, skip_last=0):
    """`xs` with None replaced from the shapes that they broadcast with, but for the last axes."""
    ranks = [len(getattr(x, "shape", ())) for x in xs]
    groups = []
    for back in range(skip_last + 1, max(ranks, default=0) + 1):
        groups.append([(i, r - back) for i, r in enumerate(ranks) if r >= back])
    return unify(xs, groups, ignore_ones=True)


def _fill_broadcast(names, arguments):
    arguments.update(zip(names, unify_broadcast([arguments[n] for n in names])))


def broadcasting(function=None, *, tensors=("x1", "x2"), **options):
    """The `op` decorator for a function whose tensors broadcast."""
    if function is None:
        return functools.partial(broadcasting, tensors=tensors, **options)
    return inferring(functools.partial(_fill_broadcast, tensors), tensors=tensors, **options)(function)


def fill_equal_but(axis_name):
    """For a list `xs` (or `x`) of tensors that agree on all axes but the one that `axis_name` names."""

    def fill(arguments):
        name = "xs" if "xs" in arguments else "x"
        xs = list(arguments[name])
        axis = arguments.get(axis_name)
        rank = len(xs[0].shape)
        if axis is not None or axis_name is None:
            skipped = None if axis is None else axis % max(rank, 1)
            groups = [
                [(i, a) for i, x in enumerate(xs) if len(x.shape) == rank]
                for a in range(rank)
                if a != skipped
            ]
            xs = unify(xs, groups)
        arguments[name] = xs

    return fill
