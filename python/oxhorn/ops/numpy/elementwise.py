"""Element-wise functions of one tensor."""

import functools
import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.op import op
from oxhorn._base.settings import floatx
from oxhorn.ops._common import FLOATS, binary, float_max, float_unary, to_dtype, to_float, unary, where

_SIGNED_BITS = {"float16": "int16", "bfloat16": "int16", "float32": "int32", "float64": "int64"}


@op
def absolute(x):
    """|x|."""
    x = convert_to_tensor(x)
    return x if x.dtype == "bool" or x.dtype.startswith("uint") else unary("abs", x)


def abs(x):
    """|x|: the short name of `absolute`."""
    return absolute(x)


@op
def fabs(x):
    """|x| as floats."""
    return float_unary("abs", x)


@op
def angle(x):
    """The argument of a number: 0 for x >= 0, pi for x < 0, NaN for NaN."""
    x = to_float(x)
    return where(unary("isnan", x), x, where(signbit(x), math.pi, 0.0))


@op
def arccos(x):
    """Inverse cosine, in [0, pi]."""
    return float_unary("arccos", x)


@op
def arccosh(x):
    """Inverse hyperbolic cosine; NaN below 1."""
    return float_unary("arccosh", x)


@op
def arcsin(x):
    """Inverse sine, in [-pi/2, pi/2]."""
    return float_unary("arcsin", x)


@op
def arcsinh(x):
    """Inverse hyperbolic sine."""
    return float_unary("arcsinh", x)


@op
def arctan(x):
    """Inverse tangent, in [-pi/2, pi/2]."""
    return float_unary("arctan", x)


@op
def arctanh(x):
    """Inverse hyperbolic tangent; NaN outside [-1, 1]."""
    return float_unary("arctanh", x)


@op
def bitwise_invert(x):
    """Every bit flipped; logical not for booleans."""
    x = convert_to_tensor(x)
    return unary("logical_not" if x.dtype == "bool" else "bitwise_not", x)


@op
def bitwise_not(x):
    """Every bit flipped; the same as `bitwise_invert`."""
    return bitwise_invert(x)


@op
def cbrt(x):
    """The real cube root, also of negative numbers."""
    x = to_float(x)
    return _core.elementwise("sign", x) * _core.elementwise("power", _core.elementwise("abs", x), 1 / 3)


@op
def ceil(x):
    """The least integer not below x, as float."""
    return float_unary("ceil", x)


@op
def conjugate(x):
    """The complex conjugate: x itself, as tensors are real."""
    return convert_to_tensor(x)


def conj(x):
    """The short name of `conjugate`."""
    return conjugate(x)


@op
def copy(x):
    """A tensor with the same values. (Tensors never change, so it is the same one.)"""
    return convert_to_tensor(x)


@op
def cos(x):
    """Cosine."""
    return float_unary("cos", x)


@op
def cosh(x):
    """Hyperbolic cosine."""
    return float_unary("cosh", x)


@op
def deg2rad(x):
    """Degrees to radians."""
    return to_float(x) * (math.pi / 180)


@op
def rad2deg(x):
    """Radians to degrees."""
    return to_float(x) * (180 / math.pi)


@op
def exp(x):
    """e to the power x."""
    return float_unary("exp", x)


@op
def exp2(x):
    """2 to the power x."""
    return float_unary("exp2", x)


@op
def expm1(x):
    """exp(x) - 1, precise for small x."""
    return float_unary("expm1", x)


@op
def floor(x):
    """The greatest integer not above x, as float."""
    return float_unary("floor", x)


@op
def i0(x):
    """The modified Bessel function of the first kind, order 0.

    Polynomials of Abramowitz and Stegun 9.8.1 and 9.8.2; relative error below 2e-7 in float32.
    """
    x = _core.elementwise("abs", to_float(x))
    small = _polynomial(
        _core.elementwise("square", x / 3.75),
        (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813),
    )
    safe = _core.elementwise("maximum", x, 3.75)
    large = _polynomial(
        3.75 / safe,
        (0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281)
        + (-0.02057706, 0.02635537, -0.01647633, 0.00392377),
    )
    large = large * _core.elementwise("exp", safe) * _core.elementwise("rsqrt", safe)
    return where(x <= 3.75, small, large)


def _polynomial(x, coefficients):
    result = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        result = x * result + c
    return result


@op
def imag(x):
    """The imaginary part: zeros, as tensors are real."""
    x = convert_to_tensor(x)
    return _core.full(x.shape, 0, x.dtype)


@op
def real(x):
    """The real part: x itself."""
    return convert_to_tensor(x)


@op
def isfinite(x):
    """Whether x is neither infinite nor NaN."""
    return unary("isfinite", x)


@op
def isinf(x):
    """Whether x is positive or negative infinity."""
    return unary("isinf", x)


@op
def isnan(x):
    """Whether x is NaN."""
    return unary("isnan", x)


@op
def isneginf(x):
    """Whether x is negative infinity."""
    x = convert_to_tensor(x)
    return _core.elementwise("logical_and", unary("isinf", x), x < 0)


@op
def isposinf(x):
    """Whether x is positive infinity."""
    x = convert_to_tensor(x)
    return _core.elementwise("logical_and", unary("isinf", x), x > 0)


@op
def isreal(x):
    """Whether x has no imaginary part: True everywhere."""
    return _core.full(convert_to_tensor(x).shape, True, "bool")


@op
def log(x):
    """The natural logarithm."""
    return float_unary("log", x)


@op
def log10(x):
    """The logarithm to base 10."""
    return float_unary("log10", x)


@op
def log1p(x):
    """log(1 + x), precise for small x."""
    return float_unary("log1p", x)


@op
def log2(x):
    """The logarithm to base 2."""
    return float_unary("log2", x)


@op
def logical_not(x):
    """Whether x is zero (or False)."""
    return _core.elementwise("logical_not", to_dtype(x, "bool"))


@op
def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """NaN and the infinities replaced; by 0 and the dtype's largest and smallest numbers by default."""
    x = convert_to_tensor(x)
    if x.dtype not in FLOATS:
        return x
    largest = float_max(x.dtype)
    posinf = largest if posinf is None else posinf
    neginf = -largest if neginf is None else neginf
    x = where(unary("isnan", x), nan, x)
    return where(x == math.inf, posinf, where(x == -math.inf, neginf, x))


@op
def negative(x):
    """-x."""
    return unary("negative", x)


@op
def reciprocal(x):
    """1 / x."""
    return float_unary("reciprocal", x)


@op
def round(x, decimals=0):
    """Rounded to `decimals` places (of the integer part if negative), halves to even."""
    x = convert_to_tensor(x)
    if x.dtype == "bool":
        return _core.cast(x, floatx()) if decimals else x
    if x.dtype not in FLOATS:
        if decimals >= 0:
            return x
        factor = 10.0**decimals
        return _core.cast(_core.elementwise("round", _core.cast(x, floatx()) * factor) / factor, x.dtype)
    if decimals == 0:
        return _core.elementwise("round", x)
    factor = 10.0**decimals
    return _core.elementwise("round", x * factor) / factor


@op
def sign(x):
    """-1, 0 or 1; NaN for NaN."""
    x = convert_to_tensor(x)
    return x if x.dtype == "bool" else unary("sign", x)


@op
def signbit(x):
    """Whether the sign bit is set: true for x < 0 and for -0.0."""
    x = convert_to_tensor(x)
    if x.dtype in FLOATS:
        return _core.bitcast(x, _SIGNED_BITS[x.dtype]) < 0
    if x.dtype.startswith("int"):
        return x < 0
    return _core.full(x.shape, False, "bool")


@op
def sin(x):
    """Sine."""
    return float_unary("sin", x)


@op
def sinc(x):
    """sin(pi x) / (pi x); 1 at 0."""
    x = to_float(x) * math.pi
    safe = where(x == 0, 1.0, x)
    return where(x == 0, 1.0, _core.elementwise("sin", safe) / safe)


@op
def sinh(x):
    """Hyperbolic sine."""
    return float_unary("sinh", x)


@op
def sqrt(x):
    """The square root; NaN below 0."""
    return float_unary("sqrt", x)


@op
def square(x):
    """x times x. Booleans become int32."""
    x = convert_to_tensor(x)
    return unary("square", _core.cast(x, "int32") if x.dtype == "bool" else x)


@op
def tan(x):
    """Tangent."""
    return float_unary("tan", x)


@op
def tanh(x):
    """Hyperbolic tangent."""
    return float_unary("tanh", x)


@op
def trunc(x):
    """The integer part, toward zero; integers stay as they are."""
    x = convert_to_tensor(x)
    return unary("trunc", x) if x.dtype in FLOATS else x


@op
def clip(x, x_min, x_max):
    """x limited to [x_min, x_max]. Booleans become int32."""
    x = convert_to_tensor(x)
    if x.dtype == "bool":
        x = _core.cast(x, "int32")
    if x_min is not None:
        x = binary("maximum", x, x_min)
    return x if x_max is None else binary("minimum", x, x_max)


@op
def view(x, dtype=None):
    """The same bits read as another dtype; a change of item size changes the last axis.

    Raises:
        ValueError: if the last axis does not hold a whole number of the new items.
    """
    x = convert_to_tensor(x)
    dtype = x.dtype if dtype is None else standardize_dtype(dtype)
    if dtype == x.dtype:
        return x
    old, new = _bytes(x.dtype), _bytes(dtype)
    if old == new:
        return _core.bitcast(x, dtype)
    if not x.ndim or x.shape[-1] * old % new:
        raise ValueError(
            f"view: the last axis must hold a whole number of items. Received: x.shape={x.shape}, "
            f"x.dtype={x.dtype}, dtype={dtype}"
        )
    # By way of unsigned integers, whose parts are joined or taken apart, the lowest first.
    small, large = f"uint{8 * min(old, new)}", f"uint{8 * max(old, new)}"
    places = [8 * min(old, new) * i for i in range(max(old, new) // min(old, new))]
    if old < new:
        parts = _core.reshape(_core.cast(_bits(x, small), large), (*x.shape[:-1], -1, len(places)))
        words = (
            _core.elementwise("left_shift", parts[..., i], _core.full((), n, large))
            for i, n in enumerate(places)
        )
        return _bits(functools.reduce(lambda a, b: a + b, words), dtype)
    word = _core.reshape(_bits(x, large), (*x.shape, 1))
    parts = [_core.elementwise("right_shift", word, _core.full((), n, large)) for n in places]
    parts = [_core.elementwise("bitwise_and", p, _core.full((), 2 ** (8 * new) - 1, large)) for p in parts]
    parts = _core.reshape(_core.concat(parts, x.ndim), (*x.shape[:-1], -1))
    return _bits(_core.cast(parts, small), dtype)


def _bytes(dtype):
    return 1 if dtype == "bool" else int("".join(c for c in dtype if c.isdigit())) // 8


def _bits(x, dtype):
    """x as, or of, unsigned integers of the same size; booleans have no bits of their own."""
    return _core.cast(x, dtype) if "bool" in (x.dtype, dtype) else _core.bitcast(x, dtype)
