"""Context managers that change what variables and names do."""

from oxhorn._base.dtypes import is_float_dtype, standardize_dtype
from oxhorn._base.global_state import get_global_attribute, set_global_attribute


class _GlobalScope:
    """Stands as a global attribute while entered; the one before it is put back."""

    _attribute: str

    def __enter__(self):
        # A stack, so that one scope object may be entered again inside itself.
        self.__dict__.setdefault("_outer", []).append(get_global_attribute(self._attribute))
        set_global_attribute(self._attribute, self)
        return self

    def __exit__(self, *args):
        set_global_attribute(self._attribute, self._outer.pop())


class StatelessScope(_GlobalScope):
    """Inside, variables are neither read nor written: values come from and go to a mapping.

    Args:
        state_mapping: list of `(variable, value)`; what the variables are inside the scope.
        collect_losses: gather the losses that layers add in `scope.losses`.
        initialize_variables: give the variables made inside their values when the outermost scope ends.

    `scope.get_current_value(variable)` is the value assigned inside, or the one mapped, or None.
    """

    _keras_module = "keras"
    _attribute = "stateless_scope"

    def __init__(self, state_mapping=None, collect_losses=False, initialize_variables=True):
        from oxhorn._base.convert import convert_to_tensor
        from oxhorn._base.variable import Variable

        self.collect_losses = collect_losses
        self.initialize_variables = initialize_variables
        self.losses = []
        self.state_mapping = {}
        for variable, value in state_mapping or ():
            if not isinstance(variable, Variable):
                raise ValueError(
                    "Invalid reference variable in StatelessScope: all keys in argument `mapping` must be "
                    f"Variable instances. Received instead: {variable}"
                )
            value = convert_to_tensor(value, dtype=variable.dtype)
            if variable.shape != value.shape:
                raise ValueError(
                    "Invalid variable value in StatelessScope: all values in argument `mapping` must be "
                    "tensors with a shape that matches the corresponding variable shape. For variable "
                    f"{variable}, received invalid value {value} with shape {value.shape}."
                )
            self.state_mapping[id(variable)] = value

    def add_loss(self, loss):
        self.losses.append(loss)

    def add_update(self, update):
        variable, value = update
        self.state_mapping[id(variable)] = value

    def get_current_value(self, variable):
        return self.state_mapping.get(id(variable))

    def __exit__(self, *args):
        super().__exit__(*args)
        if self.initialize_variables and not in_stateless_scope():
            from oxhorn._base.variable import initialize_all_variables

            initialize_all_variables()


def get_stateless_scope():
    return get_global_attribute("stateless_scope")


def in_stateless_scope():
    return get_stateless_scope() is not None


class SymbolicScope(_GlobalScope):
    """Open while shapes are inferred: no values, only shapes and dtypes."""

    _keras_module = "keras"
    _attribute = "symbolic_scope"


def get_symbolic_scope():
    return get_global_attribute("symbolic_scope")


def in_symbolic_scope():
    return get_symbolic_scope() is not None


class AutocastScope(_GlobalScope):
    """Inside, float variables read as `dtype` (None: as they are)."""

    _attribute = "autocast_scope"

    def __init__(self, dtype):
        if dtype is not None:
            dtype = standardize_dtype(dtype)
            if not is_float_dtype(dtype):
                raise ValueError(
                    "`AutocastScope` can only be used with a floating-point target dtype, such as 'float16'. "
                    f"Received: dtype={dtype}"
                )
        self.dtype = dtype

    def maybe_cast(self, value):
        if self.dtype is not None and value.dtype != self.dtype and is_float_dtype(value.dtype):
            from oxhorn import ops

            return ops.cast(value, self.dtype)
        return value


def get_autocast_scope():
    return get_global_attribute("autocast_scope")


class name_scope:
    """A level of the paths of the variables made inside.

    Args:
        name: the level's name, without "/".
        caller: the object that opens it. Opened again by the same caller directly inside, it adds no level;
            a caller's `_parent_path` is where its own paths start.
        deduplicate: False to treat every opening alike.
        override_parent: path to start from in place of the open scopes.
    """

    _keras_module = "keras"

    def __init__(self, name, caller=None, deduplicate=True, override_parent=None):
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name}"
            )
        self.name = name
        self.caller = caller
        self.deduplicate = deduplicate
        if override_parent is None and deduplicate:
            override_parent = getattr(caller, "_parent_path", None)
        self.override_parent = override_parent
        self._pop_on_exit = False

    def __enter__(self):
        stack = get_global_attribute("name_scope_stack", [], set_to_default=True)
        if self.deduplicate and stack and self.caller is not None:
            top = stack[-1]
            if top.caller is self.caller and top.name == self.name:
                return self
        stack.append(self)
        self._pop_on_exit = True
        return self

    def __exit__(self, *args):
        if self._pop_on_exit:
            stack = get_global_attribute("name_scope_stack")
            if stack:  # empty after clear_session()
                stack.pop()


def current_path():
    """The open name scopes, joined by "/"."""
    parts = []
    for scope in get_global_attribute("name_scope_stack") or ():
        if scope.override_parent is not None:
            parts = [p for p in scope.override_parent.split("/") if p]
        parts.append(scope.name)
    return "/".join(parts)


class device(_GlobalScope):
    """Where tensors are to be placed: "cpu", "gpu:0", ...

    The engine has one device; naming another kind than its own raises ValueError.
    """

    _keras_module = "keras"
    _attribute = "device"

    def __init__(self, device_name):
        kind = str(device_name).lower().partition(":")[0]
        if kind not in _kinds():
            raise ValueError(
                f"There is no device '{device_name}'. Expected one of {', '.join(_kinds())}, "
                'optionally with an index as in "cpu:0".'
            )
        self.name = device_name


def _kinds():
    from oxhorn import _core

    return getattr(_core, "device_kinds", lambda: ("cpu",))()


class RematScope(_GlobalScope):
    """Asks for rematerialisation of what is computed inside.

    Recorded on the layers and operations made inside, and validated as in Keras. The engine plans memory
    itself: at present the request changes nothing but what `get_current_remat_mode()` answers.
    """

    _keras_module = "keras"
    _attribute = "remat_scope"

    def __init__(self, mode="full", output_size_threshold=1024, layer_names=None):
        modes = ("full", "activations", "larger_than", "list_of_layers", None)
        if mode not in modes:
            expected = ", ".join(map(repr, modes))
            raise ValueError(f"Invalid mode '{mode}'. Supported modes are: {expected}.")
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = layer_names or []


def get_current_remat_mode():
    """The open `RematScope`, or None."""
    return get_global_attribute("remat_scope")


def remat(f):
    """`f`: what it computes is planned by the engine, which decides what to recompute."""
    return f
