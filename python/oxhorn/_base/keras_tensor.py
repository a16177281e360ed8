"""Symbolic tensors: a shape and a dtype, and the call that made them."""

from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.naming import auto_name
from oxhorn._base.shapes import standardize_shape


class KerasTensor:
    """A placeholder with a shape and a dtype but no value; what `Input()` returns.

    Layers, models and `ops` called on one return new ones, and remember the call in a graph from which
    functional models and `Function`s are made.

    Args:
        shape: tuple of ints and Nones.
        dtype: name of the dtype.
        sparse, ragged: recorded; not both.
        record_history: whether calls on this tensor are remembered.
        name: defaults to `keras_tensor`, `keras_tensor_1`, ...
    """

    _keras_module = "keras"
    __array_priority__ = 2000  # NumPy arrays leave `array + tensor` to us

    def __init__(
        self, shape, dtype="float32", sparse=False, ragged=False, record_history=True, name=None, **kwargs
    ):
        ragged_rank = kwargs.pop("ragged_rank", None)
        row_splits_dtype = kwargs.pop("row_splits_dtype", None)
        if kwargs:
            raise TypeError(f"Unexpected keyword arguments: {', '.join(kwargs)}")
        self._shape = standardize_shape(shape)
        self._dtype = standardize_dtype(dtype)
        self._sparse = bool(sparse)
        self._ragged = bool(ragged)
        if self._sparse and self._ragged:
            raise ValueError("KerasTensor cannot have `sparse=True` and `ragged=True` at the same time.")
        self._ragged_rank = None if ragged_rank is None else int(ragged_rank)
        self._row_splits_dtype = None if row_splits_dtype is None else standardize_dtype(row_splits_dtype)
        self.name = name or auto_name(type(self).__name__)
        self.record_history = record_history

    @property
    def ndim(self):
        return len(self._shape)

    def reshape(self, newshape):
        return _ops().reshape(self, newshape)

    def squeeze(self, axis=None):
        return _ops().squeeze(self, axis)

    def __repr__(self):
        return (
            f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse={self.sparse}, "
            f"ragged={self.ragged}, name={self.name}>"
        )

    def __iter__(self):
        raise NotImplementedError("Iterating over a symbolic KerasTensor is not supported.")

    def __bool__(self):
        raise TypeError("A symbolic KerasTensor cannot be used as a boolean.")

    def __getitem__(self, key):
        return _ops().get_item(self, key)

    def __round__(self, ndigits=None):
        return _ops().round(self, decimals=ndigits or 0)

    # Equality stays identity: tensors are keys of the graph's tables.
    __hash__ = object.__hash__


def _ops():
    from oxhorn import ops

    return ops


def _read_only(name):
    def get(self):
        return getattr(self, f"_{name}")

    def refuse(self, value):
        raise AttributeError(
            f"The `{name}` attribute of KerasTensor is immutable. One should create a new instance of "
            "KerasTensor for this."
        )

    return property(get, refuse)


def _no_value(what):
    def method(self, *args, **kwargs):
        raise ValueError(
            "A KerasTensor is symbolic: it's a placeholder for a shape and a dtype. It doesn't have any "
            f"actual numerical value. You cannot convert it to {what}. Use operations of `oxhorn.ops`, or "
            "put the code that needs values into the `call()` of a layer."
        )

    return method


def _unary(function):
    return lambda self: getattr(_ops(), function)(self)


def _binary(function):
    return lambda self, other: getattr(_ops(), function)(self, other)


def _reflected(function):
    return lambda self, other: getattr(_ops(), function)(other, self)


for _name in ("shape", "dtype", "sparse", "ragged", "ragged_rank", "row_splits_dtype"):
    setattr(KerasTensor, _name, _read_only(_name))
_CONVERSIONS = {"int": "an int", "float": "a float", "index": "an index", "array": "a NumPy array"}
for _name, _what in _CONVERSIONS.items():
    setattr(KerasTensor, f"__{_name}__", _no_value(_what))
for _name, _function in (("neg", "negative"), ("abs", "absolute"), ("invert", "logical_not")):
    setattr(KerasTensor, f"__{_name}__", _unary(_function))
for _name, _function in (
    ("lt", "less"),
    ("le", "less_equal"),
    ("gt", "greater"),
    ("ge", "greater_equal"),
    ("ne", "not_equal"),
):
    setattr(KerasTensor, f"__{_name}__", _binary(_function))
# The operators that also have a reflected form; the same table serves `Variable`.
BINARY_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "matmul": "matmul",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}
for _name, _function in BINARY_OPERATORS.items():
    setattr(KerasTensor, f"__{_name}__", _binary(_function))
    setattr(KerasTensor, f"__r{_name}__", _reflected(_function))


def is_keras_tensor(x):
    """Whether `x` is a symbolic tensor, as `Input()` returns."""
    return isinstance(x, KerasTensor)


def _is_symbolic(x):
    if isinstance(x, KerasTensor):
        return True
    if isinstance(x, (list, tuple)):
        return any(_is_symbolic(e) for e in x)
    return isinstance(x, dict) and any(_is_symbolic(e) for e in x.values())


def any_symbolic_tensors(args=None, kwargs=None):
    """Whether a `KerasTensor` is among the arguments, at any depth."""
    for x in args or ():
        if _is_symbolic(x):
            return True
    if kwargs:
        for x in kwargs.values():
            if _is_symbolic(x):
                return True
    return False
