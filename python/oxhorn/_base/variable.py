"""`Variable`: the only thing that holds state."""

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.dtypes import is_float_dtype, standardize_dtype
from oxhorn._base.global_state import get_global_attribute, set_global_attribute
from oxhorn._base.keras_tensor import BINARY_OPERATORS, KerasTensor
from oxhorn._base.naming import auto_name
from oxhorn._base.scopes import current_path, get_autocast_scope, get_stateless_scope, in_stateless_scope
from oxhorn._base.shapes import shape_equal, standardize_shape

_AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")
_SYNCHRONIZATIONS = (None, "none", "on_read", "on_write", "auto")


def _check_choice(argument, value, choices):
    if value not in choices:
        expected = ", ".join(f"`{c!r}`" for c in choices)
        raise ValueError(
            f"Invalid value for argument `{argument}`. Expected one of {expected}. Received: "
            f"{argument}={value}"
        )
    return "none" if value is None else value


class Variable:
    """A tensor that can be assigned to: weights, optimizer slots, metric totals, seeds.

    Args:
        initializer: initial value, a function of `(shape, dtype=)` that makes it, or an initializer's name.
        shape: tuple of ints; required with a function.
        dtype: defaults to that of the value, or `floatx()`.
        trainable: whether training may change it.
        autocast: whether it reads as the compute dtype inside a layer of mixed precision.
        aggregation, synchronization: recorded, for distributed use.
        name: the last part of `path`; without "/".
        layout: recorded.

    Raises:
        ValueError: for invalid arguments, or a value given inside a `StatelessScope`.
    """

    _keras_module = "keras"
    __array_priority__ = 1500

    def __init__(
        self,
        initializer,
        shape=None,
        dtype=None,
        trainable=True,
        autocast=True,
        aggregation="none",
        synchronization="auto",
        name=None,
        layout=None,
        **kwargs,
    ):
        name = name or auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name}"
            )
        self._aggregation = _check_choice("aggregation", aggregation, _AGGREGATIONS)
        self._synchronization = _check_choice("synchronization", synchronization, _SYNCHRONIZATIONS)
        self._name = name
        parent_path = current_path()
        self._path = f"{parent_path}/{name}" if parent_path else name
        self._slot = None
        self._initializer = None
        self._regularizer = None
        self._constraint = None
        self._trainable = bool(trainable)
        self._autocast = bool(autocast)
        self._layout = layout
        self._overwrite_with_gradient = False

        if isinstance(initializer, str):
            from oxhorn import initializers

            initializer = initializers.get(initializer)
        if callable(initializer):
            if shape is None:
                raise ValueError(
                    "When creating a Variable from an initializer, the `shape` argument should be specified. "
                    f"Received: initializer={initializer} and shape={shape}"
                )
            self._dtype = standardize_dtype(dtype)
            self._shape = self._validate_shape(shape)
            self._initializer = initializer
            if in_stateless_scope():
                pending = get_global_attribute("uninitialized_variables", [], set_to_default=True)
                pending.append(self)
            else:
                self._initialize()
        else:
            if in_stateless_scope():
                raise ValueError(
                    "You are attempting to create a variable while in a stateless scope. This is disallowed: "
                    "all variables must exist before the layer or model is used. Create them in `__init__()` "
                    "or in `build(self, input_shape)`, with `self.add_weight(shape=..., initializer=...)`."
                )
            with _core.eager_scope():
                value = convert_to_tensor(initializer, dtype=dtype)
                self._dtype = value.dtype
                self._shape = self._validate_shape(value.shape)
                self._slot = _core.Slot(value)

    def _initialize(self):
        with _core.eager_scope():
            value = convert_to_tensor(self._initializer(self._shape, dtype=self._dtype), dtype=self._dtype)
            shape = tuple(value.shape)
            if shape != self._shape:
                raise ValueError(
                    f"The initializer of variable '{self.path}' returned a value of shape {shape}; "
                    f"expected {self._shape}."
                )
            self._slot = _core.Slot(value)
        self._initializer = None

    def _deferred_initialize(self):
        if self._slot is not None:
            raise ValueError(f"Variable {self.path} is already initialized.")
        if in_stateless_scope():
            raise ValueError(
                "You are attempting to initialize a variable while in a stateless scope. This is disallowed: "
                "all variables must be initialized before the layer or model is used."
            )
        self._initialize()

    def _validate_shape(self, shape):
        shape = standardize_shape(shape)
        if None in shape:
            raise ValueError(
                "Shapes used to initialize variables must be fully-defined (no `None` dimensions). "
                f"Received: shape={shape} for variable path='{self.path}'"
            )
        return shape

    # -- value

    @property
    def value(self):
        """The current value as a tensor, cast to the open `AutocastScope`'s dtype."""
        value = None
        scope = get_stateless_scope()
        if scope is not None:
            value = scope.get_current_value(self)
        if value is None:
            if self._slot is None:  # made in a stateless scope: only its shape and dtype matter yet
                value = convert_to_tensor(self._initializer(self._shape, dtype=self._dtype))
            else:
                value = self._slot.read()
        autocast = get_autocast_scope() if self._autocast else None
        return value if autocast is None else autocast.maybe_cast(value)

    def __oxhorn_tensor__(self):
        return self.value

    @property
    def _value(self):
        return None if self._slot is None else self._slot.read()

    def assign(self, value):
        """Sets the value (cast to the variable's dtype) and returns it as a tensor.

        Raises:
            ValueError: the shapes differ.
        """
        value = convert_to_tensor(value, dtype=self._dtype)
        if not shape_equal(value.shape, self._shape):
            raise ValueError(
                "The shape of the target variable and the shape of the target value in "
                f"`variable.assign(value)` must match. variable.shape={self.shape}, "
                f"Received: value.shape={tuple(value.shape)}. Target variable: {self}"
            )
        scope = get_stateless_scope()
        if scope is not None:
            scope.add_update((self, value))
        else:
            if self._slot is None:
                self._deferred_initialize()
            self._slot.write(value)
        return value

    def assign_add(self, value):
        """Adds `value` and returns the sum."""
        return self.assign(self + value)

    def assign_sub(self, value):
        """Subtracts `value` and returns the difference."""
        return self.assign(self - value)

    def numpy(self):
        """A copy of the value as a NumPy array."""
        return np.array(self.value)

    # -- properties

    @property
    def dtype(self):
        """The dtype that the variable reads as."""
        scope = get_autocast_scope() if self._autocast else None
        if scope is not None and scope.dtype is not None and is_float_dtype(self._dtype):
            return scope.dtype
        return self._dtype

    @property
    def shape(self):
        return self._shape

    @property
    def ndim(self):
        return len(self._shape)

    @property
    def name(self):
        return self._name

    @property
    def path(self):
        """Where the variable belongs: the names of its model and layers, and its own."""
        return self._path

    @property
    def aggregation(self):
        return self._aggregation

    @property
    def synchronization(self):
        return self._synchronization

    @property
    def autocast(self):
        return self._autocast

    @property
    def trainable(self):
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        self._trainable = bool(value)

    @property
    def overwrite_with_gradient(self):
        """Whether the optimizer stores the gradient itself here (scales of float8 training)."""
        return self._overwrite_with_gradient

    @overwrite_with_gradient.setter
    def overwrite_with_gradient(self, value):
        if not isinstance(value, bool):
            raise TypeError(f"`overwrite_with_gradient` must be a boolean. Received: {value}")
        self._overwrite_with_gradient = value

    @property
    def regularizer(self):
        return self._regularizer

    @regularizer.setter
    def regularizer(self, value):
        self._regularizer = _check_callable("regularizer", value)

    @property
    def constraint(self):
        return self._constraint

    @constraint.setter
    def constraint(self, value):
        self._constraint = _check_callable("constraint", value)

    def __repr__(self):
        value = ""
        if self._slot is not None:
            value = f", value={np.array(self._slot.peek())}"
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}{value}>"

    # -- as a tensor

    def __getitem__(self, index):
        return self.value[index]

    def __len__(self):
        return len(self.value)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.value, dtype)

    def _scalar(self):
        if self.ndim > 0:
            raise TypeError(f"Only scalar arrays can be converted to Python scalars. Got: shape={self.shape}")
        return self.value

    def __int__(self):
        return int(self._scalar())

    def __float__(self):
        return float(self._scalar())

    def __bool__(self):
        raise TypeError("A Keras Variable cannot be used as a boolean.")

    def __pos__(self):
        return self.value

    def __round__(self, ndigits=None):
        return _ops().round(self.value, decimals=ndigits or 0)

    # `==` is element-wise, so hashing by identity must be said again.
    __hash__ = object.__hash__


def _check_callable(attribute, value):
    if value is not None and not callable(value):
        raise ValueError(
            f"Invalid value for attribute `{attribute}`. Expected a callable (such as a "
            f"`keras.{attribute}s.{attribute.capitalize()}` instance) or `None`. Received: "
            f"{attribute}={value}"
        )
    return value


def _ops():
    from oxhorn import ops

    return ops


def _unary(function):
    return lambda self: getattr(_ops(), function)(self.value)


def _binary(function):
    def method(self, other):
        if isinstance(other, KerasTensor):
            return NotImplemented
        return getattr(_ops(), function)(self.value, other)

    return method


def _reflected(function):
    return lambda self, other: getattr(_ops(), function)(other, self.value)


for _name, _function in (("neg", "negative"), ("abs", "absolute"), ("invert", "logical_not")):
    setattr(Variable, f"__{_name}__", _unary(_function))
for _name, _function in (
    ("eq", "equal"),
    ("ne", "not_equal"),
    ("lt", "less"),
    ("le", "less_equal"),
    ("gt", "greater"),
    ("ge", "greater_equal"),
):
    setattr(Variable, f"__{_name}__", _binary(_function))
for _name, _function in BINARY_OPERATORS.items():
    setattr(Variable, f"__{_name}__", _binary(_function))
    setattr(Variable, f"__r{_name}__", _reflected(_function))


def initialize_all_variables():
    """Gives the variables made inside a `StatelessScope` their values."""
    pending = get_global_attribute("uninitialized_variables")
    if pending:
        set_global_attribute("uninitialized_variables", [])
        for variable in pending:
            if variable._slot is None:
                variable._deferred_initialize()
