"""`ops.numpy` against Keras, by tables of calls."""

import numpy as np
from parity import Case, parametrize

rng = np.random.default_rng(0)


def f(*shape, low=-2.0, high=2.0, dtype="float32"):
    return rng.uniform(low, high, shape).astype(dtype)


def i(*shape, low=-5, high=6, dtype="int32"):
    return rng.integers(low, high, shape).astype(dtype)


def words(text):
    return text.split()


def b(*shape):
    return rng.random(shape) > 0.5


NAN = np.array([[1, np.nan, 3], [-np.inf, 2, np.nan], [4, 5, np.inf]], "float32")
SPECIAL = np.array([0.0, -0.0, 1.5, -2.5, 0.5, 3.0, -1.0], "float32")
M, V = f(3, 4), f(5)

UNARY = [
    Case(name, f(2, 3))
    for name in words(
        "abs absolute fabs angle arcsinh arctan conj conjugate copy cos cosh cbrt ceil "
        "deg2rad exp exp2 expm1 floor i0 imag real isfinite isinf isnan isneginf isposinf isreal "
        "logical_not negative rad2deg reciprocal sign signbit sin sinc sinh square tan tanh trunc "
        "ravel size ndim fliplr flipud nan_to_num"
    )
]
UNARY += [
    Case(name, f(2, 3, low=0.05, high=0.95))
    for name in words("arccos arcsin arctanh log log10 log1p log2 sqrt")
]
UNARY += [Case("arccosh", f(2, 3, low=1.1, high=4.0))]
UNARY += [
    Case(name, NAN)
    for name in words("isfinite isinf isnan isneginf isposinf nan_to_num sign signbit angle isreal")
]
UNARY += [Case(name, SPECIAL) for name in words("sign signbit round trunc ceil floor sinc cbrt angle")]
UNARY += [
    Case(name, i(2, 3))
    for name in words(
        "abs bitwise_invert bitwise_not ceil trunc sign signbit square exp negative isreal conj"
    )
]
UNARY += [
    Case("nan_to_num", NAN, nan=1.0, posinf=2.0, neginf=-3.0),
    Case("round", f(6) * 100, decimals=1),
    Case("round", f(6) * 100, decimals=-1),
    Case("round", i(6) * 37, decimals=-1),
    Case("clip", M, -0.5, 1.0),
    Case("clip", i(4), 0, 2),
    Case("clip", b(4), 0, 1),
    Case("view", f(3), "int32"),
]

BINARY = [
    Case(name, f(2, 3), f(3))
    for name in words(
        "add subtract multiply divide true_divide divide_no_nan mod fmod maximum minimum fmax "
        "fmin arctan2 hypot logaddexp logaddexp2 equal not_equal less less_equal greater "
        "greater_equal logical_and logical_or logical_xor heaviside isclose allclose floor_divide "
        "nextafter"
    )
]
BINARY += [
    Case(name, i(2, 3), i(3, low=1, high=5))
    for name in words(
        "add subtract multiply divide mod fmod floor_divide power maximum bitwise_and bitwise_or "
        "bitwise_xor bitwise_left_shift left_shift bitwise_right_shift right_shift gcd lcm hypot "
        "logaddexp arctan2 isclose"
    )
]
BINARY += [
    Case("power", f(2, 3, low=0.1), f(3)),
    Case("power", f(4), 2),
    Case("add", f(4), 2),
    Case("multiply", i(4), 2.5),
    Case("add", i(4, dtype="uint8", low=0), 1),
    Case("subtract", 1, f(4)),
    Case("divide_no_nan", f(4), np.array([0, 1, 0, 2], "float32")),
    Case("divide_no_nan", i(4), np.array([0, 1, 0, 2], "int32")),
    Case("fmax", NAN, f(3)),
    Case("fmin", NAN, f(3)),
    Case("maximum", NAN, f(3)),
    Case("heaviside", SPECIAL, np.float32(0.5).reshape(())),
    Case("ldexp", f(4), i(4)),
    Case("ldexp", i(4), i(4)),
    Case("gcd", i(5, low=-40, high=40), i(5, low=-40, high=40)),
    Case("lcm", i(5, low=-40, high=40), i(5, low=-40, high=40)),
    Case("isclose", NAN, NAN, equal_nan=True),
    Case("isclose", NAN, NAN),
    Case("allclose", f(3), f(3), atol=10.0, symbolic=False, call=lambda o, x, y: o.allclose(x, y, atol=10.0)),
    Case("logical_and", i(2, 3), b(3)),
]

AXES = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}, {"keepdims": True}]
REDUCTIONS = [
    Case(name, f(2, 3, 4), **kw)
    for kw in AXES
    for name in words(
        "sum prod mean var std max min amax amin all any ptp nansum nanprod nanmean nanvar nanstd "
        "nanmax nanmin median"
    )
]
REDUCTIONS += [
    Case(name, NAN, **kw)
    for kw in ({}, {"axis": 0}, {"axis": 1, "keepdims": True})
    for name in words(
        "sum max mean nansum nanprod nanmean nanmax nanmin nanmedian nanargmax nanargmin "
        "nancumsum nancumprod median"
    )
    if not (name.startswith("nancum") and "keepdims" in kw)
]
REDUCTIONS += [
    Case(name, x, **kw)
    for x in (f(3, 4), i(3, 4))
    for kw in ({}, {"axis": 0}, {"axis": 1, "keepdims": True}, {"keepdims": True})
    for name in ("argmax", "argmin")
]
REDUCTIONS += [
    Case(name, x, **kw)
    for x in (f(3, 4), i(3, 4))
    for kw in ({}, {"axis": 0}, {"axis": -1})
    for name in ("cumsum", "cumprod")
]
REDUCTIONS += [
    Case("max", f(3, 4), axis=1, initial=1.5),
    Case("min", f(3, 4), initial=-7.0),
    Case("prod", i(3), dtype="float32"),
    Case("cumsum", i(3), dtype="float32"),
    Case("count_nonzero", i(3, 4)),
    Case("count_nonzero", i(3, 4), axis=1),
    Case("average", f(3, 4)),
    Case("average", f(3, 4), axis=1, weights=f(4, low=0.1)),
    Case("average", f(3, 4), weights=f(3, 4, low=0.1)),
    Case("average", i(3, 4), axis=0),
    Case("corrcoef", f(3, 6), symbolic=False),
    Case("trapezoid", f(3, 4)),
    Case("trapezoid", f(3, 4), f(4), axis=1),
    Case("trapezoid", f(3, 4), dx=0.5, axis=0),
    Case("median", f(4, 4), axis=1),
]
REDUCTIONS += [
    Case("quantile", f(3, 5), q, axis=axis, method=m, keepdims=k)
    for q in (0.3, np.array([0.1, 0.5, 1.0], "float32"))
    for axis in (None, 1)
    for m, k in (
        ("linear", False),
        ("lower", True),
        ("higher", False),
        ("midpoint", True),
        ("nearest", False),
    )
]
REDUCTIONS += [
    Case("percentile", f(3, 5), 30.0, axis=1),
    Case("percentile", f(3, 5), np.array([10.0, 90.0], "float32")),
    Case("nanquantile", np.where(np.isinf(NAN), 0, NAN), 0.4, axis=1, keepdims=True),
    Case("nanpercentile", np.where(np.isinf(NAN), 0, NAN), np.array([40.0, 80.0], "float32")),
]

SHAPES = [
    Case("reshape", M, (4, 3)),
    Case("reshape", M, (2, -1)),
    Case("reshape", M, -1),
    Case("transpose", f(2, 3, 4)),
    Case("transpose", f(2, 3, 4), (1, 0, 2)),
    Case("moveaxis", f(2, 3, 4), 0, -1),
    Case("moveaxis", f(2, 3, 4, 5), (0, 1), (-1, 0)),
    Case("swapaxes", f(2, 3, 4), 0, 2),
    Case("expand_dims", M, 1),
    Case("expand_dims", M, (0, -1)),
    Case("squeeze", f(1, 3, 1)),
    Case("squeeze", f(1, 3, 1), 0),
    Case("broadcast_to", V, (2, 5)),
    Case("concatenate", [M, f(2, 4)]),
    Case("concatenate", [M, i(3, 2)], axis=1),
    Case("stack", [V, f(5)]),
    Case("stack", [V, f(5)], axis=-1),
    Case("append", M, f(3, 4)),
    Case("append", M, f(1, 4), axis=0),
    Case("hstack", [V, V]),
    Case("hstack", [M, M]),
    Case("vstack", [V, V], symbolic=False),
    Case("vstack", [M, M]),
    Case("dstack", [V, V]),
    Case("dstack", [M, M]),
    Case("split", f(4, 6), 2),
    Case("split", f(4, 6), [1, 4], axis=1),
    Case("split", f(4, 6), 3, axis=-1),
    Case("array_split", f(7, 2), 3),
    Case("hsplit", f(4, 6), 2),
    Case("vsplit", f(4, 6), [1, 3]),
    Case("dsplit", f(2, 2, 4), 2),
    Case("tile", M, 2),
    Case("tile", M, (2, 1, 3)),
    Case("repeat", M, 2),
    Case("repeat", M, 3, axis=1),
    Case("repeat", M, np.array([1, 0, 2]), axis=0, symbolic=False),
    Case("flip", M),
    Case("flip", M, axis=1),
    Case("flip", f(2, 3, 4), axis=(0, 2)),
    Case("roll", M, 2),
    Case("roll", M, -1, axis=1),
    Case("roll", M, (1, 2), axis=(0, 1)),
    *(Case("rot90", f(3, 4, 2), k=k, symbolic=False) for k in range(-1, 4)),
    Case("rot90", f(2, 3, 4), axes=(2, 1)),
    Case("pad", M, 1),
    Case("pad", M, (1, 2)),
    Case("pad", M, ((1, 0), (2, 3)), constant_values=2.0),
    *(Case("pad", M, ((1, 2), (2, 1)), mode=m) for m in ("reflect", "symmetric", "edge", "wrap")),
    Case("pad", i(3), 1, constant_values=7),
    Case("meshgrid", V, f(3)),
    Case("meshgrid", V, f(3), f(2), indexing="ij"),
    Case("diag", V),
    Case("diag", V, k=-2),
    Case("diag", M),
    Case("diag", M, k=1),
    Case("diag", M, k=-1),
    Case("diagflat", f(2, 2), k=1),
    Case("diagonal", f(3, 4, 5), offset=1, axis1=1, axis2=2),
    Case("diagonal", f(3, 4), offset=-1),
    Case("diagonal", f(2, 3), offset=3),
    Case("trace", f(3, 4, 5), offset=1),
    Case("trace", i(3, 3, dtype="int8")),
    Case("tril", f(2, 3, 4), k=1),
    Case("triu", M, k=-1),
    Case("vander", V),
    Case("vander", V, N=3, increasing=True),
    Case("vander", i(3)),
    Case("diff", M),
    Case("diff", M, n=2, axis=0),
    Case("diff", b(5)),
]

PRODUCTS = [
    Case("matmul", f(3, 4), f(4, 2)),
    Case("matmul", f(4), f(4)),
    Case("matmul", f(2, 3, 4), f(4)),
    Case("matmul", f(2, 1, 3, 4), f(5, 4, 2)),
    Case("matmul", i(2, 3, dtype="int8"), i(3, 2, dtype="int8")),
    Case("matmul", i(2, 3), f(3, 2)),
    Case("matmul", b(2, 3), b(3, 2)),
    Case("dot", f(3, 4), f(4, 2)),
    Case("dot", f(2, 3, 4), f(5, 4, 2)),
    Case("dot", f(3), f(3)),
    Case("dot", f(3), 2.0),
    Case("inner", f(3, 4), f(2, 4)),
    Case("outer", f(3), f(2)),
    Case("vdot", f(2, 3), f(2, 3)),
    Case("kron", f(2, 3), f(3, 2)),
    Case("kron", f(2), f(2, 3), symbolic=False),
    Case("tensordot", f(2, 3, 4), f(3, 4, 5)),
    Case("tensordot", f(2, 3, 4), f(4, 3), axes=[[2], [0]]),
    Case("tensordot", f(3), f(2), axes=0),
    Case("cross", f(4, 3), f(4, 3)),
    Case("cross", f(4, 2), f(4, 2)),
    Case("cross", f(4, 2), f(4, 3)),
    Case("cross", f(3, 4), f(3, 4), axis=0, symbolic=False),
    Case("cross", f(3, 4), f(4, 3), axisa=0, axisc=0, symbolic=False),
    *(
        Case("correlate", f(n), f(m), mode=mode)
        for n, m in ((6, 3), (3, 6), (5, 4), (4, 5))
        for mode in ("valid", "same", "full")
    ),
    Case("correlate", i(6), i(3)),
    *(
        Case("einsum", e, *xs, rtol=1e-4)
        for e, xs in (
            ("ij,jk->ik", (f(2, 3), f(3, 4))),
            ("bij,bjk->bik", (f(2, 3, 4), f(2, 4, 5))),
            ("ij->ji", (f(2, 3),)),
            ("ii->i", (f(3, 3),)),
            ("ii", (f(3, 3),)),
            ("...ij,...jk->...ik", (f(2, 3, 4), f(2, 4, 5))),
            ("abc,cd,d->ab", (f(2, 3, 4), f(4, 5), f(5))),
            ("ij,ij->", (f(2, 3), f(2, 3))),
            ("ij,jk", (i(2, 3, dtype="int8"), i(3, 2, dtype="int8"))),
            ("btnh,bsnh->bnts", (f(2, 3, 2, 4), f(2, 5, 2, 4))),
        )
    ),
    Case("slogdet", f(2, 3, 3), symbolic=False),
    Case("slogdet", -np.eye(3, dtype="float32"), symbolic=False),
]


def counts(ops, *args, **kwargs):
    """A histogram, its counts as integers: Keras's backends differ in their dtype."""
    numbers, edges = ops.histogram(*args, **kwargs)
    return ops.cast(numbers, "int32"), edges


INDEXING = [
    Case("take", M, i(2, 2, low=0, high=3), axis=0),
    Case("take", M, i(3, low=0, high=12)),
    Case("take", M, 1, axis=-1),
    Case("take", M, np.array([-1, 0]), axis=1),
    Case("take_along_axis", M, i(3, 2, low=0, high=4), axis=1),
    Case("take_along_axis", M, i(5, low=0, high=12)),
    Case("take_along_axis", M, i(1, 4, low=0, high=3), axis=0),
    Case("where", b(3, 4), M, f(4)),
    Case("where", b(3), 1.0, 0.0),
    Case("where", b(3), i(3), 2.5),
    Case("where", b(3, 4), symbolic=False),
    Case("nonzero", i(3, 4), symbolic=False),
    Case("select", [b(3), b(3)], [f(3), i(3)], 7),
    Case("sort", M),
    Case("sort", M, axis=0),
    Case("sort", NAN),
    Case("argsort", M),
    Case("argsort", i(3, 8), axis=0),
    Case("argsort", M, axis=None),
    Case("argpartition", V, 2, symbolic=False, call=lambda o, x, k: o.take(x, o.argpartition(x, k))[k]),
    *(Case("searchsorted", np.sort(i(n)), i(2, 3), side=s) for n in (1, 7, 8) for s in ("left", "right")),
    Case("searchsorted", np.sort(f(9)), f(4)),
    Case("digitize", f(2, 3), np.array([-1.0, 0.0, 1.0], "float32")),
    Case("unravel_index", i(4, low=0, high=24), (2, 3, 4)),
    Case("isin", i(3, 4), i(3)),
    Case("isin", i(3), i(2), invert=True),
    Case("bincount", i(8, low=0), symbolic=False),
    Case("bincount", i(2, 8, low=0), minlength=9),
    Case("bincount", i(8, low=0), weights=f(8), symbolic=False),
    Case("bincount", i(2, 4, low=0), weights=i(2, 4), minlength=6),
    Case("histogram", f(30), symbolic=False, call=counts),
    Case("histogram", i(30), bins=4, range=(-3, 3), symbolic=False, call=counts),
    Case("unique", i(12), symbolic=False),
    Case("unique", i(4, 3, low=0, high=2), True, True, True, True, axis=0, symbolic=False),
    Case("unique", i(12), size=4, symbolic=False),
    Case("unique", i(3), size=8, fill_value=9, symbolic=False),
    *(
        Case("get_item", f(4, 5, 6), k, symbolic=False)
        for k in (
            1,
            -1,
            slice(1, 3),
            (slice(None), 2),
            (..., 1),
            (None, 0),
            slice(None, None, 2),
            slice(None, None, -1),
        )
    ),
]

CREATION = [
    Case("zeros", (2, 3)),
    Case("ones", 3, dtype="int8"),
    Case("full", (2,), 7),
    Case("full", (2, 2), f(2)),
    Case("full", (2,), 1.5, dtype="int32"),
    Case("zeros_like", i(2)),
    Case("ones_like", f(2), dtype="int32"),
    Case("full_like", i(2, 3), 4),
    Case("array", [1.0, 2.0]),
    Case("array", [1, 2]),
    Case("array", [True]),
    Case("array", i(3), dtype="float32"),
    Case("arange", 5),
    Case("arange", 1, 7, 2),
    Case("arange", 0.0, 1.0, 0.3),
    Case("arange", 5, 0, -2),
    Case("arange", 3, dtype="float32"),
    Case("arange", 0, 2, 0.5),
    Case("arange", 3, 3),
    Case("linspace", 0, 10, 5),
    Case("linspace", 0.0, 1.0, 5, endpoint=False),
    Case("linspace", f(2), f(2), 4, axis=1),
    Case("linspace", 0, 10, 5, retstep=True),
    Case("linspace", 0, 10, 4, dtype="int32"),
    Case("linspace", 1, 2, 1),
    Case("logspace", 0, 3, 5),
    Case("logspace", 0, 3, 4, base=2),
    Case("geomspace", 1, 1000, 4, rtol=1e-4),
    Case("geomspace", -1.0, -8.0, 4),
    Case("eye", 3),
    Case("eye", 2, 4, k=1),
    Case("eye", 3, k=-1, dtype="int32"),
    Case("identity", 3),
    Case("tri", 3),
    Case("tri", 3, 4, k=1),
    Case("tri", 4, 2, k=-1, dtype="int32"),
    *(Case(w, n) for w in ("bartlett", "blackman", "hamming", "hanning") for n in (1, 2, 7)),
    Case("kaiser", 7, 5.0),
    Case("kaiser", 1, 5.0),
]


@parametrize(UNARY + BINARY)
def test_elementwise(case):
    case.check()


@parametrize(REDUCTIONS)
def test_reductions(case):
    case.check()


@parametrize(SHAPES + PRODUCTS)
def test_shapes_and_products(case):
    case.check()


@parametrize(INDEXING + CREATION)
def test_indexing_and_creation(case):
    case.check()
