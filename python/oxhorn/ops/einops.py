"""Rearranging axes by a pattern, as the einops library does."""

import re

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op


def _parse(side, rest):
    """ "b (h c) ... 1" -> [["b"], ["h", "c"], ["...0"], ["...1"], []], for `rest` = ["...0", "...1"]."""
    groups = []
    for token in re.findall(r"\([^()]*\)|\S+", side):
        names = token[1:-1].split() if token.startswith("(") else [token]
        if any(not (n.isidentifier() or n in ("1", "...")) for n in names):
            raise ValueError(f"Invalid part of a pattern: {token!r}")
        names = [e for n in names for e in (rest if n == "..." else [] if n == "1" else [n])]
        groups.extend([[e] for e in names] if token == "..." else [names])
    return groups


@op(tensors=("tensor", "pattern", "axes_lengths"), class_name="Rearrange")
def _rearrange(tensor, pattern, axes_lengths):
    x = convert_to_tensor(tensor)
    if pattern.count("->") != 1:
        raise ValueError(f"A pattern has two sides, e.g. 'b h w c -> b (h w) c'. Received: {pattern}")
    left, right = pattern.split("->")
    rest = [f"...{i}" for i in range(x.ndim - len(_parse(left, [])))] if "..." in left else []
    left, right = _parse(left, rest), _parse(right, rest)
    if len(left) != x.ndim:
        raise ValueError(f"The pattern {pattern!r} has {len(left)} axes, the tensor {x.ndim}: {x.shape}")
    sizes = dict(axes_lengths)
    for group, d in zip(left, x.shape):
        unknown = [n for n in group if n not in sizes]
        known = 1
        for n in group:
            known *= sizes.get(n, 1)
        if len(unknown) > 1 or (d % known if unknown else d != known):
            raise ValueError(f"Axis ({' '.join(group)}) of length {d} does not divide by {axes_lengths}.")
        if unknown:
            sizes[unknown[0]] = d // known
    names = [n for group in left for n in group]
    wanted = [n for group in right for n in group]
    if sorted(names) != sorted(wanted) or len(set(names)) != len(names):
        raise ValueError(f"Both sides of a pattern must name the same axes, each once. Received: {pattern}")
    x = _core.transpose(_core.reshape(x, [sizes[n] for n in names]), [names.index(n) for n in wanted])
    shape = []
    for group in right:
        size = 1
        for n in group:
            size *= sizes[n]
        shape.append(size)
    return _core.reshape(x, shape)


def rearrange(tensor, pattern, **axes_lengths):
    """Axes split, reordered and joined by a pattern.

    >>> rearrange(images, "b (h p) (w q) c -> b (h w) (p q c)", p=8, q=8)

    Args:
        pattern: names of the axes before and after; parentheses join axes, "..." stands for any others.
        axes_lengths: lengths that the shape alone does not tell.
    """
    return _rearrange(tensor, pattern, axes_lengths)
