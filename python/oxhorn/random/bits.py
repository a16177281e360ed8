"""Floats from random bits."""

from oxhorn import _core

# How many bits of a word a float dtype takes up.
_BITS = {"float16": 11, "bfloat16": 8, "float32": 24}


def _words(key, shape):
    """Two words for each element, as float64 integers of 27 and 26 bits."""
    words = _core.random_bits(key, (2, *shape))
    high, low = _shifted(words[0], 5), _shifted(words[1], 6)
    return _core.cast(high, "float64"), _core.cast(low, "float64")


def _shifted(words, n):
    return _core.elementwise("right_shift", words, _core.full((), n, "uint32"))


def unit(key, shape, dtype):
    """Uniform floats in [0, 1), multiples of the dtype's resolution just below 1."""
    if dtype == "float64":
        high, low = _words(key, shape)
        return (high * 2.0**26 + low) * 2.0**-53
    bits = _BITS[dtype]
    return _core.cast(_shifted(_core.random_bits(key, shape), 32 - bits), dtype) * 2.0**-bits


def symmetric(key, shape, dtype):
    """Uniform floats in (-1, 1), never an end and never 0; float32 or float64."""
    if dtype == "float64":
        high, low = _words(key, shape)
        return ((high - 2.0**26) * 2.0**26 + low + 0.5) * 2.0**-52
    # k + 1/2 is exact for -2**23 <= k < 2**23.
    k = _core.cast(_shifted(_core.random_bits(key, shape), 8), "int32") - 2**23
    return (_core.cast(k, "float32") + 0.5) * 2.0**-23


def split(key, n):
    """`n` new keys."""
    words = _core.random_bits(_core.elementwise("bitwise_not", key), (n, 2))
    return [words[i] for i in range(n)]
