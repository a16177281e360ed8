"""Random tensors.

Every function takes `seed`: an int (the same numbers each time), a `SeedGenerator` (new ones each time) or
None (from the global generator, which `utils.set_random_seed` resets).
"""

import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.dtypes import is_float_dtype, is_int_dtype, standardize_dtype
from oxhorn.ops._common import HALVES, canonical_axis, expand, nested_shape, to_dtype, to_float, unary, where
from oxhorn.random.bits import split, symmetric, unit
from oxhorn.random.seed_generator import draw_seed

# Rounds of rejection sampling, done side by side. Each accepts with a chance above 0.85; where none does,
# with a chance below 1e-13, a sample is put in its middle.
_ROUNDS = 16


def _wide(dtype):
    """The dtype to compute in."""
    return "float32" if dtype in HALVES else dtype


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Uniform floats in [minval, maxval).

    Raises:
        ValueError: if dtype is not a float dtype.
    """
    if dtype and not is_float_dtype(dtype):
        raise ValueError(
            f"`keras.random.uniform` requires a floating point `dtype`. Received: dtype={dtype} "
        )
    dtype = standardize_dtype(dtype)
    sample = unit(draw_seed(seed), nested_shape(shape), dtype)
    low, high = (v if isinstance(v, (int, float)) else to_dtype(v, dtype) for v in (minval, maxval))
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        return sample if (low, high) == (0, 1) else sample * float(high - low) + float(low)
    return sample * (high - low) + low


def _normal(key, shape, dtype):
    return unary("erfinv", symmetric(key, shape, _wide(dtype))) * math.sqrt(2)


def _scaled(sample, mean, stddev, dtype):
    sample = to_dtype(sample, dtype)
    sample = sample if isinstance(stddev, float) and stddev == 1.0 else sample * _operand(stddev, dtype)
    return sample if isinstance(mean, float) and mean == 0.0 else sample + _operand(mean, dtype)


def _operand(value, dtype):
    return value if isinstance(value, (int, float)) else to_dtype(value, dtype)


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normal floats of that mean and standard deviation."""
    dtype = standardize_dtype(dtype)
    return _scaled(_normal(draw_seed(seed), nested_shape(shape), dtype), mean, stddev, dtype)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normal floats within two standard deviations of the mean."""
    dtype = standardize_dtype(dtype)
    u = symmetric(draw_seed(seed), nested_shape(shape), _wide(dtype)) * math.erf(math.sqrt(2))
    sample = unary("erfinv", u) * math.sqrt(2)
    sample = _core.elementwise("minimum", _core.elementwise("maximum", sample, -2.0), 2.0)
    return _scaled(sample, mean, stddev, dtype)


def randint(shape, minval, maxval, dtype="int32", seed=None):
    """Uniform integers from minval up to but without maxval.

    Raises:
        ValueError: if dtype is not an integer dtype.
    """
    if dtype and not is_int_dtype(dtype):
        raise ValueError(f"`keras.random.randint` requires an integer `dtype`. Received: dtype={dtype} ")
    dtype, shape, key = standardize_dtype(dtype or "int32"), nested_shape(shape), draw_seed(seed)
    if dtype in ("int64", "uint64"):
        words = _core.cast(_core.random_bits(key, (2, *shape)), "uint64")
        bits, signed, unsigned = words[0] * 2**31 * 2 + words[1], "int64", "uint64"
    else:
        bits, signed, unsigned = _core.random_bits(key, shape), "int32", "uint32"
    work = unsigned if dtype.startswith("uint") else signed
    low, high = to_dtype(minval, work), to_dtype(maxval, work)
    span = _core.elementwise("maximum", _core.bitcast(high - low, unsigned), _core.full((), 1, unsigned))
    offset = _core.bitcast(_core.elementwise("mod", bits, span), work)
    return to_dtype(offset + low, dtype)


def categorical(logits, num_samples, dtype="int32", seed=None):
    """Class numbers, `(batch, num_samples)`, with the chances softmax(logits) of each row.

    Args:
        logits: `(batch, classes)`.
    """
    logits = to_float(logits)
    if logits.ndim != 2:
        raise ValueError(
            f"`logits` should be a 2-D tensor with shape [batch_size, num_classes]. Received: logits={logits}"
        )
    # The largest of logits with Gumbel noise is distributed so.
    batch, classes = logits.shape
    compute = _wide(logits.dtype)
    u = (symmetric(draw_seed(seed), (batch, num_samples, classes), compute) + 1.0) * 0.5
    # Below 1 after rounding, too.
    u = _core.elementwise("minimum", u, 1.0 - 2.0**-24)
    noise = -unary("log", -unary("log", u))
    return to_dtype(
        _core.arg_reduce("argmax", expand(to_dtype(logits, compute), 1) + noise, 2), standardize_dtype(dtype)
    )


def dropout(inputs, rate, noise_shape=None, seed=None):
    """`inputs` with a share `rate` of the elements set to 0 and the others scaled by 1 / (1 - rate).

    Args:
        noise_shape: shape of the choice, which broadcasts; None in it stands for the input's dimension.
    """
    inputs = convert_to_tensor(inputs)
    if rate == 1.0:
        return _core.full(inputs.shape, 0, inputs.dtype)
    if rate == 0.0:
        return inputs
    shape = (
        inputs.shape
        if noise_shape is None
        else tuple(d if n is None else int(n) for n, d in zip(noise_shape, inputs.shape))
    )
    kept = unit(draw_seed(seed), shape, "float32") < 1.0 - rate
    return where(kept, inputs * (1.0 / (1.0 - rate)), 0.0)


def shuffle(x, axis=0, seed=None):
    """x with the elements along an axis in random order, each vector by itself."""
    x = convert_to_tensor(x)
    axis = canonical_axis(axis, x.ndim)
    order = _core.sort(_core.random_bits(draw_seed(seed), x.shape), axis)[1]
    return _core.take_along_axis(x, order, axis)


def _first_accepted(accepted, candidates, default):
    """Of candidates along the first axis, the first that is accepted."""
    index = _core.arg_reduce("argmax", _core.cast(accepted, "int32"), 0, True)
    chosen = _core.take_along_axis(candidates, index, 0)[0]
    return where(_core.reduce("any", accepted, (0,)), chosen, default)


def _gamma(key, shape, alpha, dtype):
    """By Marsaglia and Tsang, "A simple method for generating gamma variables" (2000)."""
    keys = split(key, 3)
    alpha = _core.broadcast_to(to_dtype(alpha, dtype), shape)
    boosted = alpha < 1.0
    d = where(boosted, alpha + 1.0, alpha) - 1 / 3
    x = _normal(keys[0], (_ROUNDS, *shape), dtype)
    root = 1.0 + x * unary("rsqrt", d * 9.0)
    v = root * root * root
    positive = v > 0
    v = where(positive, v, 1.0)
    bound = 0.5 * x * x + d * (1.0 - v + unary("log", v))
    u = 1.0 - unit(keys[1], (_ROUNDS, *shape), dtype)
    accepted = _core.elementwise("logical_and", positive, unary("log", u) < bound)
    sample = _first_accepted(accepted, v, 1.0) * d
    # Of alpha + 1 to of alpha.
    shrink = _core.elementwise("power", 1.0 - unit(keys[2], shape, dtype), 1.0 / alpha)
    return where(boosted, sample * shrink, sample)


def gamma(shape, alpha, dtype=None, seed=None):
    """Floats of the gamma distribution of shape parameter alpha (a number or tensor) and scale 1."""
    dtype = standardize_dtype(dtype)
    return to_dtype(_gamma(draw_seed(seed), nested_shape(shape), alpha, _wide(dtype)), dtype)


def beta(shape, alpha, beta, dtype=None, seed=None):
    """Floats of the beta distribution of parameters alpha and beta (numbers or tensors)."""
    dtype, shape = standardize_dtype(dtype), nested_shape(shape)
    keys = split(draw_seed(seed), 2)
    a, b = (_gamma(k, shape, p, _wide(dtype)) for k, p in zip(keys, (alpha, beta)))
    total = a + b
    # Both may underflow for tiny parameters.
    return to_dtype(where(total > 0, a / where(total > 0, total, 1.0), 0.5), dtype)


def binomial(shape, counts, probabilities, dtype=None, seed=None):
    """How many of `counts` trials succeed, each with chance `probabilities` (numbers or tensors); floats."""
    dtype, shape = standardize_dtype(dtype), nested_shape(shape)
    compute = _wide(dtype)
    n, p = (_core.broadcast_to(to_dtype(v, compute), shape) for v in (counts, probabilities))
    keys = split(draw_seed(seed), 3)
    q = _core.elementwise("minimum", p, 1.0 - p)
    many = n * q >= 10.0
    sample = where(
        many, _binomial_many(keys[:2], shape, n, where(many, q, 0.5)), _binomial_few(keys[2], shape, n, q)
    )
    sample = where(p > 0.5, n - sample, sample)
    valid = _core.elementwise("logical_and", n >= 0, _core.elementwise("logical_and", p >= 0, p <= 1))
    return to_dtype(where(valid, sample, math.nan), dtype)


def _binomial_few(key, shape, n, p):
    """Counts the successes by the waits between them, which are geometric; for n p < 10."""
    p = _core.elementwise("minimum", _core.elementwise("maximum", p, 1e-30), 0.5)
    u = 1.0 - unit(key, (64, *shape), n.dtype)
    waits = unary("floor", unary("log", u) / unary("log1p", -p)) + 1.0
    ends = _core.cumulative("sum", waits, 0)
    return _core.reduce("sum", _core.cast(ends <= n, n.dtype), (0,))


def _binomial_many(keys, shape, n, p):
    """BTRS of Hormann, "The generation of binomial random variates" (1993); for n p >= 10, p <= 1/2."""
    dtype = n.dtype
    n = _core.elementwise("maximum", n, 20.0)
    spread = unary("sqrt", n * p * (1.0 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = n * p + 0.5
    v_r = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * spread
    u = unit(keys[0], (_ROUNDS, *shape), dtype) - 0.5
    v = 1.0 - unit(keys[1], (_ROUNDS, *shape), dtype)
    us = _core.elementwise("maximum", 0.5 - unary("abs", u), 1e-7)
    k = unary("floor", (2.0 * a / us + b) * u + c)
    inside = _core.elementwise("logical_and", k >= 0, k <= n)
    fast = _core.elementwise("logical_and", us >= 0.07, v <= v_r)
    mode = unary("floor", (n + 1.0) * p)
    safe = where(inside, k, mode)
    odds = unary("log", p / (1.0 - p))
    density = (
        _log_factorial(mode)
        + _log_factorial(n - mode)
        - _log_factorial(safe)
        - _log_factorial(n - safe)
        + (safe - mode) * odds
    )
    slow = unary("log", v * alpha / (a / (us * us) + b)) <= density
    accepted = _core.elementwise("logical_and", inside, _core.elementwise("logical_or", fast, slow))
    return _first_accepted(accepted, k, mode)


def _log_factorial(k):
    return unary("lgamma", k + 1.0)
