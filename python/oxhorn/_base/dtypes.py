"""Dtype names, and the dtype of a result."""

from oxhorn import _core
from oxhorn._base.settings import floatx

BOOL_TYPES = ("bool",)
INT_TYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
FLOAT_TYPES = ("bfloat16", "float16", "float32", "float64")
COMPLEX_TYPES = ("complex64", "complex128")
# No implicit conversion from or to these.
FLOAT8_TYPES = ("float8_e4m3fn", "float8_e5m2")
WEAK_TYPES = ("int", "float")
ALLOWED_DTYPES = (
    *("float16", "float32", "float64", "uint8", "uint16", "uint32", "uint64"),
    *("int8", "int16", "int32", "int64", "bfloat16", "bool", "string"),
    *FLOAT8_TYPES,
    *COMPLEX_TYPES,
)
_ALLOWED = frozenset(ALLOWED_DTYPES)
_PYTHON_TYPES = {
    bool: "bool",
    int: "int32",
    float: "float32",
    str: "string",
    complex: "complex64",
    "int": "int32",
}


def standardize_dtype(dtype):
    """The name of a dtype given as a name, a Python type, or a dtype of NumPy, JAX, PyTorch or TensorFlow.

    None gives `floatx()`. Raises ValueError for what is not a dtype.
    """
    if dtype is None:
        return floatx()
    if type(dtype) is str and dtype in _ALLOWED:
        return dtype
    try:
        dtype = _PYTHON_TYPES.get(dtype, dtype)
    except TypeError:  # not hashable
        raise ValueError(f"Invalid dtype: {dtype}") from None
    if hasattr(dtype, "name"):
        dtype = dtype.name
    elif hasattr(dtype, "__name__"):
        dtype = dtype.__name__
    elif str(dtype).startswith(("torch.", "jax.numpy.")):
        dtype = str(dtype).rsplit(".", 1)[-1]
    if dtype not in _ALLOWED:
        raise ValueError(f"Invalid dtype: {dtype}")
    return dtype


def is_float_dtype(dtype):
    """Whether `dtype` is a real floating-point type."""
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype):
    """Whether `dtype` is a signed or unsigned integer type."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


def result_type(*dtypes):
    """The dtype that values of these dtypes promote to; the Python types `int` and `float` are weak.

    >>> result_type("bfloat16", int)
    'bfloat16'
    """
    if not dtypes:
        return floatx()
    names = [_weak_name(d) for d in dtypes]
    if any(n in FLOAT8_TYPES for n in names) and len(set(names)) > 1:
        raise ValueError(
            "There is no implicit conversions from float8 dtypes to others. "
            f"You must cast it internally. Received: {dtypes}"
        )
    # The engine resolves the weak float to float32; here it is floatx().
    if "float" in names and not any(n in FLOAT_TYPES + COMPLEX_TYPES for n in names):
        return floatx()
    return _core.result_type(*names)


def _weak_name(dtype):
    if dtype is int or dtype is float:
        return dtype.__name__
    return standardize_dtype(dtype)
