"""Linear algebra on matrices in the last two axes."""

import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.op import op
from oxhorn.ops._common import (
    canonical_axes,
    expand,
    move_axis,
    promote,
    to_dtype,
    to_float,
    unary,
    where,
)
from oxhorn.ops.numpy.linear import diagonal


def _matrices(x, square=True):
    """x as float matrices; ValueError if it holds none, or not square ones."""
    x = to_float(x)
    if x.ndim < 2:
        raise ValueError(f"Expected input to have rank >= 2. Received input with shape {x.shape}.")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"Expected a square matrix. Received non-square input with shape {x.shape}")
    return x


def _run(name, *args, **attributes):
    """The engine's routine, which knows float32 and float64, on the arguments; halves by way of float32."""
    dtype = args[0].dtype
    if dtype in ("float32", "float64"):
        return _core.linalg(name, *args, **attributes)
    outputs = _core.linalg(name, *(_core.cast(a, "float32") for a in args), **attributes)
    return tuple(_core.cast(o, dtype) if o.dtype == "float32" else o for o in outputs)


def transposed(x):
    """The matrices of x transposed."""
    return move_axis(x, -1, -2)


@op
def cholesky(x, upper=False):
    """The lower triangular L with L Lᵀ = x of positive definite matrices; the upper Lᵀ if `upper`.

    Raises:
        ValueError: if x is not positive definite (inside a compiled function the result is NaN).
    """
    (lower,) = _run("cholesky", _matrices(x))
    if not lower.is_traced and _core.reduce("any", unary("isnan", lower), range(lower.ndim)):
        raise ValueError(
            "Cholesky decomposition failed: The input might not be a valid positive definite matrix."
        )
    return transposed(lower) if upper else lower


@op
def cholesky_inverse(x, upper=False):
    """The inverse of the matrix whose Cholesky factor is x (upper triangular if `upper`)."""
    x = _matrices(x)
    identity = _core.broadcast_to(_identity(x.shape[-1], x.dtype), x.shape)
    (inverse,) = _run("triangular_solve", x, identity, lower=not upper)
    return (
        _core.matmul(inverse, inverse, False, True) if upper else _core.matmul(inverse, inverse, True, False)
    )


def _identity(n, dtype):
    return _core.cast(_core.iota((n, n), 0, "int32") == _core.iota((n, n), 1, "int32"), dtype)


@op
def det(x):
    """The determinants."""
    return _run("det", _matrices(x))[0]


def signed_log_determinant(x):
    """The sign of the determinants and the logarithm of their absolute value, from the LU decomposition."""
    x = _matrices(x)
    lu, pivots = _run("lu_factor", x)
    d = diagonal(lu, 0, -2, -1)
    swapped = pivots != _core.iota(pivots.shape, pivots.ndim - 1, pivots.dtype)
    swaps = _core.reduce("sum", _core.cast(swapped, "int32"), (pivots.ndim - 1,))
    last = (d.ndim - 1,)
    sign = _core.reduce("prod", unary("sign", d), last)
    sign = where(_core.elementwise("mod", swaps, 2) == 1, -sign, sign)
    return sign, _core.reduce("sum", unary("log", unary("abs", d)), last)


@op
def eig(x):
    """Not supported: eigenvalues of general matrices are complex. Use `eigh` for symmetric ones."""
    raise NotImplementedError(
        "eig: the eigenvalues of a general matrix are complex, and Oxhorn has no complex tensors. "
        "Use `eigh` for symmetric matrices."
    )


@op
def eigh(x):
    """Eigenvalues in ascending order and eigenvectors (as columns) of symmetric matrices."""
    return _run("eigh", _matrices(x))


@op
def inv(x):
    """The inverse matrices."""
    return _run("inv", _matrices(x))[0]


@op
def lu_factor(x):
    """The LU decomposition with row exchanges: `(lu, pivots)`; row i was exchanged with row pivots[i]."""
    return _run("lu_factor", _matrices(x, square=False))


@op
def qr(x, mode="reduced"):
    """`(q, r)` with x = q r, q orthonormal and r upper triangular; q square if mode is "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(
            f"`mode` argument value not supported. Expected one of {{'reduced', 'complete'}}. Received: "
            f"mode={mode}"
        )
    return _run("qr", _matrices(x, square=False), complete=mode == "complete")


def _system(a, b):
    a, b = (to_float(v) for v in promote(convert_to_tensor(a), convert_to_tensor(b), also=(float,)))
    a = _matrices(a)
    if b.ndim < 1:
        raise ValueError(f"Expected input to have rank >= 1. Received scalar input {b}.")
    vector = b.ndim == a.ndim - 1
    rows = b.shape[-1] if vector else b.shape[-2] if b.ndim >= 2 else None
    if rows is not None and (vector or a.ndim == b.ndim) and a.shape[-2] != rows:
        raise ValueError(
            "Incompatible shapes between `a` and `b`. Expected `a.shape[-2] == b.shape[-2]`. "
            f"Received: a.shape={a.shape}, b.shape={b.shape}"
        )
    return a, expand(b, -1) if vector else b, vector


def _solution(x, vector):
    return x[..., 0] if vector else x


@op
def solve(a, b):
    """x with a x = b, for square matrices a and vectors or matrices b."""
    a, b, vector = _system(a, b)
    return _solution(_run("solve", a, b)[0], vector)


@op
def solve_triangular(a, b, lower=False):
    """x with a x = b, where only the upper (or `lower`) triangle of a counts."""
    a, b, vector = _system(a, b)
    return _solution(_run("triangular_solve", a, b, lower=bool(lower))[0], vector)


@op(class_name="SVD")
def svd(x, full_matrices=True, compute_uv=True):
    """The singular value decomposition `(u, s, vh)`, x = u diag(s) vh; s alone if not `compute_uv`."""
    u, s, vh = _run("svd", _matrices(x, square=False), full_matrices=bool(full_matrices and compute_uv))
    return (u, s, vh) if compute_uv else s


def _tolerance(x, s, relative):
    """The size under which singular values count as zero, and the values themselves for comparison."""
    if relative is None:
        relative = max(x.shape[-2:]) * {"float64": 2.220446049250313e-16}.get(x.dtype, 1.1920928955078125e-07)
    return _core.reduce("max", s, (s.ndim - 1,), True) * relative


@op
def lstsq(a, b, rcond=None):
    """The x of least norm that minimises |b - a x|, for one matrix a and a vector or matrix b.

    Args:
        rcond: singular values below this part of the largest count as zero.
    """
    a, b = promote(convert_to_tensor(a), convert_to_tensor(b), also=(float,))
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise ValueError(
            f"lstsq: expected a matrix and a vector or matrix, got shapes {a.shape} and {b.shape}"
        )
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"Leading dimensions of input arrays must match. Received: {a.shape}, {b.shape}")
    inverse = _pseudo_inverse(a, rcond)
    return _core.matmul(inverse, b)


@op
def pinv(x, rcond=None):
    """The Moore-Penrose pseudo-inverses.

    Args:
        rcond: singular values below this part of the largest count as zero.
    """
    x = _matrices(x, square=False)
    if rcond is None:
        rcond = (
            10.0 * max(x.shape[-2:]) * {"float64": 2.220446049250313e-16}.get(x.dtype, 1.1920928955078125e-07)
        )
    return _pseudo_inverse(x, rcond)


def _pseudo_inverse(x, rcond):
    u, s, vh = _run("svd", x, full_matrices=False)
    kept = s > _tolerance(x, s, rcond)
    inverse = where(kept, 1.0 / where(kept, s, 1.0), 0.0)
    return _core.matmul(transposed(vh), expand(inverse, -1) * transposed(u))


@op
def matrix_rank(x, tol=None):
    """The ranks: how many singular values exceed `tol` (the largest's rounding error by default); int32."""
    x = _matrices(x, square=False)
    s = svd(x, compute_uv=False)
    limit = _tolerance(x, s, None) if tol is None else expand(to_dtype(tol, s.dtype), -1)
    return _core.reduce("sum", _core.cast(s > limit, "int32"), (s.ndim - 1,))


@op
def norm(x, ord=None, axis=None, keepdims=False):
    """The norm of vectors or matrices.

    Args:
        ord: None (Euclidean, Frobenius); for vectors a number, inf, -inf; for matrices 1, -1, 2, -2, inf,
            -inf, "fro" or "nuc".
        axis: an int for vectors, a pair for matrices; None: x as one vector, or x itself by its rank if ord
            is given.
    """
    x = to_float(x)
    if axis is None:
        if ord is None:
            total = _core.reduce("sum", unary("square", x), range(x.ndim), bool(keepdims))
            return unary("sqrt", total)
        axis = tuple(range(x.ndim))
    axes = canonical_axes(axis, x.ndim)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, bool(keepdims))
    if len(axes) != 2:
        raise ValueError(f"Improper number of axes for norm: {axis}. Pass one axis or a pair.")
    return _matrix_norm(x, ord, axes, bool(keepdims))


def _vector_norm(x, order, axes, keepdims):
    def reduce(kind, v):
        return _core.reduce(kind, v, axes, keepdims)

    if order is None or order == 2:
        return unary("sqrt", reduce("sum", unary("square", x)))
    if isinstance(order, str):
        raise ValueError(f"Invalid `ord` argument for vector norm. Received: ord={order}")
    size = unary("abs", x)
    if math.isinf(order):
        return reduce("max" if order > 0 else "min", size)
    if order == 0:
        return reduce("sum", _core.cast(x != 0, x.dtype))
    if order == 1:
        return reduce("sum", size)
    return _core.elementwise(
        "power", reduce("sum", _core.elementwise("power", size, float(order))), 1.0 / order
    )


def _matrix_norm(x, order, axes, keepdims):
    row, column = axes
    if order is None or order == "fro":
        return unary("sqrt", _core.reduce("sum", unary("square", x), axes, keepdims))
    if order in (1, -1, math.inf, -math.inf):
        summed, rest = (row, column) if order in (1, -1) else (column, row)
        sums = _core.reduce("sum", unary("abs", x), (summed,), True)
        result = _core.reduce("max" if order > 0 else "min", sums, (rest,), True)
    elif order in (2, -2, "nuc"):
        order_of_axes = [a for a in range(x.ndim) if a not in axes]
        s = svd(_core.transpose(x, (*order_of_axes, row, column)), compute_uv=False)
        result = _core.reduce({2: "max", -2: "min", "nuc": "sum"}[order], s, (s.ndim - 1,))
        result = _core.reshape(result, [1 if a in axes else d for a, d in enumerate(x.shape)])
    else:
        raise ValueError(f"Invalid `ord` argument for matrix norm. Received: ord={order}")
    return result if keepdims else _core.reshape(result, [d for a, d in enumerate(x.shape) if a not in axes])


@op(tensors=("fun", "primals", "tangents"), class_name="JVP")
def jvp(fun, primals, tangents, has_aux=False):
    """`fun(*primals)` and its derivative along `tangents`: `(outputs, output tangents)`.

    Args:
        has_aux: fun returns `(outputs, aux)`; aux comes as a third result.
    """
    from oxhorn.ops._jvp import jvp as compute

    return compute(fun, primals, tangents, has_aux)
