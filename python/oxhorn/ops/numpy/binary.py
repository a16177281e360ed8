"""Element-wise functions of two tensors, which broadcast and promote."""

import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.dtypes import INT_TYPES
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn._base.symbolic import broadcast_shapes
from oxhorn.ops._common import (
    FLOATS,
    binary,
    dtype_of,
    float_binary,
    join_dtypes,
    promote,
    to_dtype,
    unary,
    where,
)
from oxhorn.ops._shapes import broadcasting
from oxhorn.ops.numpy.elementwise import isfinite, isnan


@broadcasting
def add(x1, x2):
    """x1 + x2."""
    return binary("add", x1, x2)


@broadcasting
def subtract(x1, x2):
    """x1 - x2."""
    return binary("subtract", x1, x2)


@broadcasting
def multiply(x1, x2):
    """x1 * x2."""
    return binary("multiply", x1, x2)


@broadcasting
def divide(x1, x2):
    """x1 / x2, as floats."""
    return float_binary("divide", x1, x2)


@broadcasting
def true_divide(x1, x2):
    """x1 / x2, as floats; the same as `divide`."""
    return divide(x1, x2)


@broadcasting
def divide_no_nan(x1, x2):
    """x1 / x2, and 0 where x2 is 0."""
    x1, x2 = promote(x1, x2, also=(float,))
    zero = _core.elementwise("equal", x2, 0)
    return where(zero, 0.0, _core.elementwise("divide", x1, where(zero, 1.0, x2)))


@broadcasting
def floor_divide(x1, x2):
    """The greatest integer not above x1 / x2, in the operands' dtype."""
    return binary("floor_divide", x1, x2)


@broadcasting
def mod(x1, x2):
    """The remainder of `floor_divide`: it has the sign of x2."""
    return binary("mod", x1, x2)


@broadcasting
def fmod(x1, x2):
    """The remainder of the division truncated toward zero: it has the sign of x1."""
    x1, x2 = map(convert_to_tensor, promote(x1, x2))
    if x1.dtype == "bool" or x1.dtype.startswith("uint"):
        return binary("mod", x1, x2)
    rest = _core.elementwise("mod", _core.elementwise("abs", x1), _core.elementwise("abs", x2))
    return where(x1 < 0, -rest, rest)


@broadcasting
def power(x1, x2):
    """x1 to the power x2."""
    return binary("power", x1, x2)


@broadcasting
def maximum(x1, x2):
    """The larger of the two; NaN if either is."""
    return binary("maximum", x1, x2)


@broadcasting
def minimum(x1, x2):
    """The smaller of the two; NaN if either is."""
    return binary("minimum", x1, x2)


@broadcasting
def fmax(x1, x2):
    """The larger of the two; a NaN gives way to a number."""
    return _ignoring_nan("maximum", x1, x2)


@broadcasting
def fmin(x1, x2):
    """The smaller of the two; a NaN gives way to a number."""
    return _ignoring_nan("minimum", x1, x2)


def _ignoring_nan(name, x1, x2):
    x1, x2 = map(convert_to_tensor, promote(x1, x2))
    result = _core.elementwise(name, x1, x2)
    if result.dtype not in FLOATS:
        return result
    return where(unary("isnan", x1), x2, where(unary("isnan", x2), x1, result))


@broadcasting
def arctan2(x1, x2):
    """The angle of the point (x2, x1), in [-pi, pi]."""
    return float_binary("arctan2", x1, x2)


@broadcasting
def hypot(x1, x2):
    """sqrt(x1² + x2²), without overflow in between."""
    return float_binary("hypot", x1, x2)


@broadcasting
def logaddexp(x1, x2):
    """log(exp(x1) + exp(x2)), without overflow."""
    return float_binary("logaddexp", x1, x2)


@broadcasting
def logaddexp2(x1, x2):
    """log2(2**x1 + 2**x2), without overflow."""
    x1, x2 = promote(x1, x2, also=(float,))
    return _core.elementwise("logaddexp", x1 * math.log(2), x2 * math.log(2)) * (1 / math.log(2))


@broadcasting
def nextafter(x1, x2):
    """The next float after x1 toward x2."""
    return float_binary("nextafter", x1, x2)


@broadcasting
def heaviside(x1, x2):
    """0 where x1 < 0, x2 where x1 is 0, 1 where x1 > 0."""
    x1, x2 = map(convert_to_tensor, promote(x1, x2, also=(float,)))
    return where(x1 == 0, x2, where(unary("isnan", x1), x1, _core.cast(x1 > 0, x1.dtype)))


@broadcasting
def ldexp(x1, x2):
    """x1 times 2 to the integer power x2.

    Raises:
        TypeError: if x2 is not of an integer dtype.
    """
    x1, x2 = promote(x1, also=(float,))[0], convert_to_tensor(x2)
    if x2.dtype not in INT_TYPES:
        raise TypeError(f"ldexp exponent must be an integer type. Received: x2 dtype={x2.dtype}")
    # In two steps, as 2**x2 alone may overflow where the product does not.
    half = _core.elementwise("floor_divide", x2, 2)
    x1 = convert_to_tensor(x1)
    for exponent in (half, x2 - half):
        x1 = x1 * _core.elementwise("exp2", _core.cast(exponent, x1.dtype))
    return x1


@op(spec=lambda x1, x2: _bits_spec(x1, x2))
def gcd(x1, x2):
    """The greatest common divisor of integers."""
    x1, x2 = map(convert_to_tensor, promote(x1, x2))
    _check_integers("gcd", x1)
    return _gcd(*(x + _core.full(_core.elementwise("add", x1, x2).shape, 0, x.dtype) for x in (x1, x2)))


def _gcd(x1, x2):
    x1, x2 = (x if x.dtype.startswith("uint") else _core.elementwise("abs", x) for x in (x1, x2))

    def euclid(carry):
        a, b = carry
        rest = _core.elementwise("mod", a, _core.elementwise("maximum", b, 1))
        return [where(b == 0, a, b), where(b == 0, b, rest)]

    def unfinished(carry):
        return _core.reduce("any", carry[1] != 0, range(carry[1].ndim))

    return _core.while_loop(unfinished, euclid, [x1, x2])[0]


@op(spec=lambda x1, x2: _bits_spec(x1, x2))
def lcm(x1, x2):
    """The least common multiple of integers; 0 if either is 0."""
    x1, x2 = map(convert_to_tensor, promote(x1, x2))
    _check_integers("lcm", x1)
    divisor = _core.elementwise("maximum", gcd(x1, x2), 1)
    result = _core.elementwise("floor_divide", x1, divisor) * x2
    return result if result.dtype.startswith("uint") else _core.elementwise("abs", result)


def _check_integers(name, x):
    if x.dtype not in INT_TYPES:
        raise TypeError(f"{name}: expected integers, got {x.dtype}")


@broadcasting
def equal(x1, x2):
    """x1 == x2, as bool."""
    return binary("equal", x1, x2)


@broadcasting
def not_equal(x1, x2):
    """x1 != x2, as bool."""
    return binary("not_equal", x1, x2)


@broadcasting
def less(x1, x2):
    """x1 < x2, as bool."""
    return binary("less", x1, x2)


@broadcasting
def less_equal(x1, x2):
    """x1 <= x2, as bool."""
    return binary("less_equal", x1, x2)


@broadcasting
def greater(x1, x2):
    """x1 > x2, as bool."""
    return binary("greater", x1, x2)


@broadcasting
def greater_equal(x1, x2):
    """x1 >= x2, as bool."""
    return binary("greater_equal", x1, x2)


@broadcasting
def logical_and(x1, x2):
    """Whether both are true (not zero)."""
    return _logical("logical_and", x1, x2)


@broadcasting
def logical_or(x1, x2):
    """Whether one of the two is true (not zero)."""
    return _logical("logical_or", x1, x2)


@broadcasting
def logical_xor(x1, x2):
    """Whether exactly one of the two is true (not zero)."""
    return _logical("logical_xor", x1, x2)


def _logical(name, x1, x2):
    return _core.elementwise(name, to_dtype(x1, "bool"), to_dtype(x2, "bool"))


def _bits_spec(x, y):
    shapes = [getattr(v, "shape", ()) for v in (x, y)]
    return KerasTensor(broadcast_shapes(*shapes), dtype=join_dtypes(dtype_of(x), dtype_of(y)))


@op(tensors=("x", "y"), spec=_bits_spec)
def bitwise_and(x, y):
    """The bits set in both."""
    return binary("bitwise_and", x, y)


@op(tensors=("x", "y"), spec=_bits_spec)
def bitwise_or(x, y):
    """The bits set in either."""
    return binary("bitwise_or", x, y)


@op(tensors=("x", "y"), spec=_bits_spec)
def bitwise_xor(x, y):
    """The bits set in exactly one."""
    return binary("bitwise_xor", x, y)


@op(tensors=("x", "y"), spec=_bits_spec)
def bitwise_left_shift(x, y):
    """The bits of x moved y places up."""
    return binary("left_shift", x, y)


@op(tensors=("x", "y"), spec=_bits_spec)
def left_shift(x, y):
    """The bits of x moved y places up; the same as `bitwise_left_shift`."""
    return bitwise_left_shift(x, y)


@op(tensors=("x", "y"), spec=_bits_spec)
def bitwise_right_shift(x, y):
    """The bits of x moved y places down; signed integers keep their sign."""
    return binary("right_shift", x, y)


@op(tensors=("x", "y"), spec=_bits_spec)
def right_shift(x, y):
    """The bits of x moved y places down; the same as `bitwise_right_shift`."""
    return bitwise_right_shift(x, y)


@broadcasting(tensors=("x1", "x2", "rtol", "atol"))
def isclose(x1, x2, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether |x1 - x2| <= atol + rtol |x2|; infinities are close to themselves only."""
    x1, x2 = map(convert_to_tensor, promote(x1, x2, also=(float,)))
    near = _core.elementwise("abs", x1 - x2) <= _core.elementwise("abs", x2) * rtol + atol
    both_finite = logical_and(isfinite(x1), isfinite(x2))
    result = logical_or(logical_and(near, both_finite), x1 == x2)
    return logical_or(result, logical_and(isnan(x1), isnan(x2))) if equal_nan else result


@broadcasting(class_name="AllClose")
def allclose(x1, x2, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close in the sense of `isclose`; a bool scalar."""
    result = isclose(x1, x2, rtol, atol, equal_nan)
    return _core.reduce("all", result, range(result.ndim))
