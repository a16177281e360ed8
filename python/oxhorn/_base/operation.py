"""`Operation`: something that is called on tensors, concrete or symbolic, and can be written to a file."""

import functools
import inspect

from oxhorn import tree
from oxhorn._base.keras_tensor import any_symbolic_tensors
from oxhorn._base.naming import auto_name
from oxhorn._base.node import Node
from oxhorn._base.python_utils import default, is_default
from oxhorn._base.saveable import KerasSaveable
from oxhorn._base.scopes import get_current_remat_mode
from oxhorn._base.symbolic import compute_output_spec
from oxhorn._base.traceback import add_call_note

_HOW_TO_WRITE_A_CONFIG = """

class CustomLayer(keras.layers.Layer):
    def __init__(self, arg1, arg2, **kwargs):
        super().__init__(**kwargs)
        self.arg1 = arg1
        self.arg2 = arg2

    def get_config(self):
        config = super().get_config()
        config.update({"arg1": self.arg1, "arg2": self.arg2})
        return config
"""


@functools.lru_cache(maxsize=4096)
def _signature(function):
    return inspect.signature(function)


class Operation(KerasSaveable):
    """A named function of tensors. Subclasses write `call()`, and `compute_output_spec()` if shapes and
    dtypes cannot be found by running `call()` on stand-ins.
    """

    _keras_module = "keras"

    def __init__(self, name=None):
        if name is None:
            name = auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                "Argument `name` must be a string and cannot contain character `/`. "
                f"Received: name={name} (of type {type(name)})"
            )
        self.name = name
        self._inbound_nodes = []
        self._outbound_nodes = []
        self._remat_mode = get_current_remat_mode()

    def __new__(cls, *args, **kwargs):
        # Keeps the constructor's arguments, so that simple subclasses need no get_config().
        instance = super().__new__(cls)
        instance.__dict__["_auto_config"] = _capture_arguments(cls, args, kwargs)
        return instance

    def __call__(self, *args, **kwargs):
        symbolic = any_symbolic_tensors(args, kwargs)
        function = self.symbolic_call if symbolic else self.call
        try:
            return function(*args, **kwargs)
        except Exception as error:
            add_call_note(error, self, args, kwargs)
            raise

    def symbolic_call(self, *args, **kwargs):
        """Infers the outputs' shapes and dtypes and records the call in the graph."""
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(operation=self, call_args=args, call_kwargs=kwargs, outputs=outputs)
        return outputs

    def call(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} has no `call()` method.")

    def rematerialized_call(self, layer_call, *args, **kwargs):
        """`layer_call`: see `RematScope`."""
        return layer_call

    def compute_output_spec(self, *args, **kwargs):
        try:
            return compute_output_spec(self.call, *args, **kwargs)
        except Exception as error:
            name = type(self).__name__
            message = (
                f"Could not automatically infer the output shape / dtype of '{self.name}' (of type {name}). "
                f"Either the `{name}.call()` method is incorrect, or you need to implement the "
                f"`{name}.compute_output_spec() / compute_output_shape()` method. "
                f"Error encountered:\n\n{error}"
            )
            if type(error).__init__ is not Exception.__init__ and type(error).__module__ != "builtins":
                raise  # a class of its own, whose constructor we do not know
            raise type(error)(message).with_traceback(error.__traceback__) from None

    @default
    def get_config(self):
        """The constructor's arguments, as a dict that can be written as JSON.

        Raises:
            NotImplementedError: they are not plain values and the class has no `get_config()` of its own.
        """
        config = {"name": self.name}
        if not is_default(self.get_config):
            return config
        auto_config = getattr(self, "_auto_config", None)
        if isinstance(auto_config, _AutoConfig):
            config.update(auto_config.config)
            parameters = _signature(type(self).__init__).parameters
            takes_kwargs = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
            if "name" not in parameters and not takes_kwargs:
                del config["name"]
            return config
        reason = auto_config or "non-serializable argument values"
        raise NotImplementedError(
            f"Object {type(self).__name__} was created by passing {reason} in `__init__()`, and therefore "
            "the object must override `get_config()` in order to be serializable. Please implement "
            f"`get_config()`.\n\nExample:{_HOW_TO_WRITE_A_CONFIG}"
        )

    @classmethod
    def from_config(cls, config):
        """The object that `get_config()` described."""
        if isinstance(config.get("dtype"), dict):
            from oxhorn import dtype_policies

            policy = dtype_policies.deserialize(config["dtype"])
            if not isinstance(policy, dtype_policies.DTypePolicyMap) and policy.quantization_mode is None:
                policy = policy.name  # subclasses may expect a string
            config = {**config, "dtype": policy}
        try:
            return cls(**config)
        except Exception as error:
            raise TypeError(
                f"Error when deserializing class '{cls.__name__}' using config={config}.\n\n"
                f"Exception encountered: {error}"
            ) from error

    def __repr__(self):
        return f"<Operation name={self.name}>"

    @property
    def input(self):
        """The symbolic input of the first call: a tensor, or a list of several."""
        return self._get_node_attribute_at_index(0, "input_tensors", "input")

    @property
    def output(self):
        """The symbolic output of the first call: a tensor, or a list of several."""
        return self._get_node_attribute_at_index(0, "output_tensors", "output")

    def _get_node_attribute_at_index(self, node_index, attr, attr_name):
        if not self._inbound_nodes:
            raise AttributeError(
                f"The layer {self.name} has never been called and thus has no defined {attr_name}."
            )
        if node_index >= len(self._inbound_nodes):
            raise ValueError(
                f"Asked to get {attr_name} at node {node_index}, but the operation has only "
                f"{len(self._inbound_nodes)} inbound nodes."
            )
        values = getattr(self._inbound_nodes[node_index], attr)
        return values[0] if len(values) == 1 else values

    def _obj_type(self):
        return "Operation"


class _AutoConfig:
    """Constructor arguments that are plain values."""

    def __init__(self, arguments):
        self._arguments = arguments

    @property
    def config(self):
        from oxhorn.saving.serialization_lib import serialize_keras_object

        return {k: serialize_keras_object(v) for k, v in self._arguments.items()}


_PLAIN = (str, int, float, bool, type(None))


def _capture_arguments(cls, args, kwargs):
    """An `_AutoConfig`, or None or a reason (str) why there can be none."""
    signature = _signature(cls.__init__)
    parameters = list(signature.parameters.values())
    if not parameters:
        return None
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:  # the call itself will say so
        return None
    variadic = "positional only or variadic positional arguments (e.g., `*args`)"
    if any(p.kind is p.POSITIONAL_ONLY for p in parameters[1:]):
        return variadic
    bound.apply_defaults()
    arguments = bound.arguments
    if parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        arguments.pop(parameters[0].name)
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            extra = arguments.pop(p.name, ())
            if len(extra) > (parameters[0] is p):  # `*args` may hold self
                return variadic
        elif p.kind is p.VAR_KEYWORD:
            arguments.update(arguments.pop(p.name, {}))
    arguments.pop("name", None)
    if not all(isinstance(x, _PLAIN) for x in tree.flatten(arguments)):
        return None
    return _AutoConfig(arguments)
