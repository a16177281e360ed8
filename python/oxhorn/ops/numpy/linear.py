"""Products of tensors, and matrices by their diagonals."""

import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import (
    canonical_axes,
    canonical_axis,
    expand,
    is_integer,
    join_dtypes,
    move_axis,
    promote,
    take_slice,
    to_dtype,
    where,
)
from oxhorn.ops._shapes import inferring, unify, unify_broadcast


def product_operands(*xs):
    """The operands as tensors of the dtype in which their product is computed: int8 ones in int32."""
    xs = [convert_to_tensor(x) for x in xs]
    if all(x.dtype == "int8" for x in xs):
        return [_core.cast(x, "int32") for x in xs]
    dtype = join_dtypes(*(x.dtype for x in xs))
    return [to_dtype(x, dtype) for x in xs]


def _as_bool_product(multiply, xs):
    """Runs a product, of booleans by way of int32."""
    if xs[0].dtype != "bool":
        return multiply(*xs)
    return _core.cast(multiply(*(_core.cast(x, "int32") for x in xs)), "bool")


def _fill_matmul(arguments):
    x1, x2 = unify_broadcast([arguments["x1"], arguments["x2"]], skip_last=2)
    r1, r2 = len(x1.shape), len(x2.shape)
    if r1 and r2:
        x1, x2 = unify([x1, x2], [[(0, r1 - 1), (1, max(r2 - 2, 0))]])
    arguments["x1"], arguments["x2"] = x1, x2


@inferring(_fill_matmul)
def matmul(x1, x2):
    """The matrix product, over broadcast leading axes; vectors count as a row before, a column after.

    Two int8 tensors give int32.
    """
    return _as_bool_product(_core.matmul, product_operands(x1, x2))


def _fill_einsum(arguments):
    xs, groups, rests = list(arguments["operands"]), {}, {}
    for i, term in enumerate(arguments["subscripts"].replace(" ", "").split("->")[0].split(",")):
        before, dots, after = term.partition("...")
        rank = len(getattr(xs[i], "shape", ()))
        for a, label in enumerate(before):
            groups.setdefault(label, []).append((i, a))
        for a, label in enumerate(reversed(after)):
            groups.setdefault(label, []).append((i, rank - 1 - a))
        for a in range(rank - len(before) - len(after) if dots else 0):
            rests.setdefault(a, []).append((i, rank - 1 - len(after) - a))
    if any(not 0 <= a < len(getattr(xs[i], "shape", ())) for group in groups.values() for i, a in group):
        raise ValueError(f"einsum: the ranks of the operands do not fit {arguments['subscripts']!r}")
    xs = unify(xs, groups.values())
    arguments["operands"] = tuple(unify(xs, rests.values(), ignore_ones=True))


@inferring(_fill_einsum)
def _einsum(subscripts, *operands):
    return _as_bool_product(lambda *xs: _core.einsum(subscripts, *xs), product_operands(*operands))


def einsum(subscripts, *operands, **kwargs):
    """The sum of products that the subscripts describe, e.g. "bij,bjk->bik"."""
    return _einsum(subscripts, *operands)


def _plain_operands(*xs):
    return [convert_to_tensor(x) for x in promote(*(convert_to_tensor(x) for x in xs))]


def _contracted(x1, x2, axes):
    """The axes of x1 and of x2 over which `tensordot` sums."""
    r1, r2 = len(x1.shape), len(x2.shape)
    if is_integer(axes):
        return tuple(range(r1 - axes, r1)), tuple(range(axes))
    return canonical_axes(axes[0], r1), canonical_axes(axes[1], r2)


def _fill_tensordot(arguments):
    xs = [arguments["x1"], arguments["x2"]]
    pairs = zip(*_contracted(*xs, arguments["axes"]))
    arguments["x1"], arguments["x2"] = unify(xs, [[(0, a), (1, b)] for a, b in pairs])


@inferring(_fill_tensordot)
def tensordot(x1, x2, axes=2):
    """The sum of products over axes of both tensors.

    Args:
        axes: how many last axes of x1 and first axes of x2; or a pair of (lists of) axes.
    """
    x1, x2 = _plain_operands(x1, x2)
    return _tensordot(x1, x2, *_contracted(x1, x2, axes))


def _tensordot(x1, x2, axes1, axes2):
    return _as_bool_product(lambda a, b: _core.tensordot(a, b, axes1, axes2), (x1, x2))


def _fill_last(axis_of_second):
    def fill(arguments):
        xs = [arguments["x1"], arguments["x2"]]
        r1, r2 = (len(getattr(x, "shape", ())) for x in xs)
        if r1 and r2:
            xs = unify(xs, [[(0, r1 - 1), (1, axis_of_second(r2))]])
        arguments["x1"], arguments["x2"] = xs

    return fill


@inferring(_fill_last(lambda rank: max(rank - 2, 0)))
def dot(x1, x2):
    """The sum of products over the last axis of x1 and the last but one of x2 (the last of a vector)."""
    x1, x2 = _plain_operands(x1, x2)
    if not x1.ndim or not x2.ndim:
        return x1 * x2
    return _tensordot(x1, x2, (x1.ndim - 1,), (max(x2.ndim - 2, 0),))


@inferring(_fill_last(lambda rank: rank - 1))
def inner(x1, x2):
    """The sum of products over the last axes of both."""
    x1, x2 = _plain_operands(x1, x2)
    if not x1.ndim or not x2.ndim:
        return x1 * x2
    return _tensordot(x1, x2, (x1.ndim - 1,), (x2.ndim - 1,))


def _fill_flat(arguments):
    arguments.update(zip(("x1", "x2"), unify_broadcast([arguments["x1"], arguments["x2"]])))


@inferring(_fill_flat)
def vdot(x1, x2):
    """The sum of products of all elements."""
    x1, x2 = (_core.reshape(x, (-1,)) for x in _plain_operands(x1, x2))
    return _tensordot(x1, x2, (0,), (0,))


@op
def outer(x1, x2):
    """The matrix of products of the elements of both, flattened."""
    x1, x2 = _plain_operands(x1, x2)
    return _core.elementwise("multiply", _core.reshape(x1, (-1, 1)), _core.reshape(x2, (1, -1)))


@op
def kron(x1, x2):
    """The Kronecker product: x2 scaled by each element of x1."""
    x1, x2 = _plain_operands(x1, x2)
    rank = max(x1.ndim, x2.ndim)
    s1, s2 = ((1,) * (rank - x.ndim) + x.shape for x in (x1, x2))
    x1 = _core.reshape(x1, [d for n in s1 for d in (n, 1)])
    x2 = _core.reshape(x2, [d for n in s2 for d in (1, n)])
    return _core.reshape(_core.elementwise("multiply", x1, x2), [a * b for a, b in zip(s1, s2)])


def _fill_cross(arguments):
    if arguments["axis"] is None and arguments["axisa"] == arguments["axisb"] == -1:
        xs = unify_broadcast([arguments["x1"], arguments["x2"]], skip_last=1)
        # Vectors of unknown length are taken to have 3 elements.
        arguments["x1"], arguments["x2"] = (
            KerasTensor((*x.shape[:-1], 3), dtype=x.dtype)
            if isinstance(x, KerasTensor) and x.shape[-1] is None
            else x
            for x in xs
        )


@inferring(_fill_cross)
def cross(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The cross product of vectors of 2 or 3 elements along an axis.

    Args:
        axisa, axisb, axisc: where the vectors lie in x1, in x2 and in the result; `axis` sets all three.

    Two vectors of 2 elements give their product's third component only.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    x1, x2 = _plain_operands(x1, x2)
    x1, x2 = (
        move_axis(x1, canonical_axis(axisa, x1.ndim), -1),
        move_axis(x2, canonical_axis(axisb, x2.ndim), -1),
    )
    if x1.shape[-1] not in (2, 3) or x2.shape[-1] not in (2, 3):
        raise ValueError(
            f"`x1` and `x2` must have 2 or 3 elements along the axis. Received: {x1.shape}, {x2.shape}"
        )
    a, b = ([x[..., i] for i in range(x.shape[-1])] for x in (x1, x2))
    last = a[0] * b[1] - a[1] * b[0]
    if len(a) == len(b) == 2:
        return last
    a, b = ((*v, v[0] * 0) if len(v) == 2 else v for v in (a, b))
    parts = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], last]
    return move_axis(_core.concat([expand(p, -1) for p in parts], last.ndim), -1, axisc)


@op
def correlate(x1, x2, mode="valid"):
    """The cross-correlation of two vectors.

    Args:
        mode: "valid" (where they overlap wholly), "same" (as long as the longer) or "full".
    """
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"`mode` must be 'valid', 'same' or 'full'. Received: mode={mode}")
    x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
    dtype = join_dtypes(x1.dtype, x2.dtype, float)
    x1, x2 = to_dtype(x1, dtype), to_dtype(x2, dtype)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"correlate: expected vectors, got shapes {x1.shape} and {x2.shape}")
    n, m = x1.shape[0], x2.shape[0]
    swapped = n < m
    if swapped:
        x1, x2, n, m = x2, x1, m, n
    pads = {"valid": (0, 0), "full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2)}
    result = _core.conv(
        _core.reshape(x1, (1, n, 1)), _core.reshape(x2, (m, 1, 1)), (1,), (pads[mode],), (1,), (1,)
    )
    result = _core.reshape(result, (-1,))
    return _core.flip(result, (0,)) if swapped else result


@op
def diag(x, k=0):
    """The matrix with the vector x on its k-th diagonal; of a matrix, that diagonal."""
    x = convert_to_tensor(x)
    if x.ndim == 1:
        return _on_diagonal(x, k)
    if x.ndim != 2:
        raise ValueError(f"`x` must be 1-D or 2-D. Received: x.shape={x.shape}")
    return diagonal(x, offset=k)


@op
def diagflat(x, k=0):
    """The matrix with the elements of x on its k-th diagonal."""
    return _on_diagonal(_core.reshape(convert_to_tensor(x), (-1,)), k)


def _on_diagonal(x, k):
    n = x.shape[0] + abs(k)
    low, high = max(k, 0), max(-k, 0)
    column = _core.iota((n, n), 1, "int32") - _core.iota((n, n), 0, "int32")
    row = _core.pad(x, (low,), (high,), (0,), 0)
    return where(column == k, row, _core.full((), 0, x.dtype))


def _diagonal_spec(x, offset=0, axis1=0, axis2=1):
    a, b = _two_axes(x, axis1, axis2)
    rest = [d for i, d in enumerate(x.shape) if i not in (a, b)]
    rows, columns = x.shape[a], x.shape[b]
    count = None if rows is None or columns is None else _diagonal_length(rows, columns, offset)
    return KerasTensor((*rest, count), dtype=x.dtype)


def _two_axes(x, axis1, axis2):
    a, b = canonical_axis(axis1, len(x.shape)), canonical_axis(axis2, len(x.shape))
    if a == b:
        raise ValueError(f"`axis1` and `axis2` cannot be the same. Received: axis1={axis1}, axis2={axis2}")
    return a, b


def _diagonal_length(rows, columns, offset):
    return max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))


@op(spec=_diagonal_spec)
def diagonal(x, offset=0, axis1=0, axis2=1):
    """The diagonals of the planes of two axes, along a new last axis."""
    x = convert_to_tensor(x)
    a, b = _two_axes(x, axis1, axis2)
    rest = [i for i in range(x.ndim) if i not in (a, b)]
    x = _core.transpose(x, (*rest, a, b))
    rows, columns = x.shape[-2:]
    start = offset if offset >= 0 else -offset * columns
    count = _diagonal_length(rows, columns, offset)
    flat = _core.reshape(x, (*x.shape[:-2], rows * columns))
    stop = min(start + (count - 1) * (columns + 1) + 1, rows * columns) if count else 0
    return take_slice(flat, -1, start if count else 0, stop, columns + 1)


@op
def trace(x, offset=0, axis1=0, axis2=1):
    """The sums of the diagonals of the planes of two axes."""
    from oxhorn.ops.numpy.reduction import sum

    return sum(diagonal(x, offset, axis1, axis2), -1)


@op
def tril(x, k=0):
    """x with the elements above the k-th diagonal of its matrices set to 0."""
    return _triangle(x, lambda distance: distance <= k)


@op
def triu(x, k=0):
    """x with the elements below the k-th diagonal of its matrices set to 0."""
    return _triangle(x, lambda distance: distance >= k)


def _triangle(x, keep):
    x = convert_to_tensor(x)
    shape = x.shape[-2:]
    distance = _core.iota(shape, 1, "int32") - _core.iota(shape, 0, "int32")
    return where(keep(distance), x, _core.full((), 0, x.dtype))


@op
def vander(x, N=None, increasing=False):
    """The Vandermonde matrix: powers N - 1, ..., 1, 0 of a vector as columns (0, 1, ... if `increasing`)."""
    x = convert_to_tensor(x)
    if x.ndim != 1:
        raise ValueError(f"Input tensor must be 1-dimensional. Received: input.shape={x.shape}")
    if N is not None and not isinstance(N, int):
        raise TypeError(f"Argument `N` must be of type `int`. Received: N={N} of type {type(N)}")
    if N is not None and N < 0:
        raise ValueError(f"Argument 'N' must be nonnegative. Received: N={N}")
    if not isinstance(increasing, bool):
        raise TypeError(
            f"Argument `increasing` must be of type `bool`. Received: increasing={increasing} of type "
            f"{type(increasing)}"
        )
    n = x.shape[0] if N is None else N
    powers = _core.iota((1, n), 1, x.dtype)
    return _core.elementwise(
        "power", _core.reshape(x, (-1, 1)), powers if increasing else _core.flip(powers, (1,))
    )


@op(tensors=("a",))
def diff(a, n=1, axis=-1):
    """The differences of neighbours along an axis, taken n times."""
    a = convert_to_tensor(a)
    for _ in range(n):
        after, before = take_slice(a, axis, 1), take_slice(a, axis, None, -1)
        a = _core.elementwise("not_equal" if a.dtype == "bool" else "subtract", after, before)
    return a


@op(spec=lambda x: KerasTensor((len(x.shape),)))  # as in Keras
def ndim(x):
    """The number of axes."""
    return len(x.shape) if hasattr(x, "shape") else convert_to_tensor(x).ndim


@op(spec=lambda x: KerasTensor((), dtype="int32"))
def size(x):
    """The number of elements."""
    return math.prod(convert_to_tensor(x).shape)


@op
def slogdet(x):
    """The sign and the natural logarithm of the absolute value of determinants: `(sign, logabsdet)`."""
    from oxhorn.ops.linalg import signed_log_determinant

    return signed_log_determinant(x)
