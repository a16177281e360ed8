"""The `op` decorator: one plain function becomes a public op that also takes symbolic tensors.

    @op
    def reshape(x, newshape): ...

Called on values, it runs the body. Called with a `KerasTensor` among its tensor parameters, it makes an
instance of its operation class and records the call. The class has the name and module that Keras gives
it, because files of functional models hold them; `operation_class` finds it again.
"""

import functools
import inspect

from oxhorn._base.keras_tensor import KerasTensor, any_symbolic_tensors
from oxhorn._base.operation import Operation

_TENSOR_PARAMETERS = frozenset(("x", "x1", "x2", "xs", "inputs", "a", "b"))

# (module, class name), as in files -> definition
_DEFINITIONS = {}


def operation_class(module, name):
    """The operation class that files call `module`.`name`, or None."""
    definition = _DEFINITIONS.get((module, name))
    return None if definition is None else definition.operation_class


class FunctionOperation(Operation):
    """Base of the classes that `op` makes. `function` is the body; the parameters that are not tensors are
    the constructor's."""

    function = None
    _call_parameters = ()
    _signature = inspect.Signature()  # of the constructor, without self

    def __init__(self, *args, name=None, **kwargs):
        super().__init__(name=name)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        self._arguments = dict(bound.arguments)
        self.__dict__.update(self._arguments)

    def _merge(self, args, kwargs):
        """Arguments for the body: the call's and the constructor's."""
        merged = {**self._arguments, **kwargs}
        for p in self._call_parameters:
            if p.kind is p.VAR_POSITIONAL:
                # What stands before `*tensors` must be given by position too.
                before = []
                for q in inspect.signature(self.function).parameters.values():
                    if q.kind is q.VAR_POSITIONAL:
                        break
                    before.append(merged.pop(q.name))
                return (*before, *args), merged
            if not args:
                break
            merged[p.name], *args = args
        if args:
            raise TypeError(f"{type(self).__name__} takes {len(self._call_parameters)} tensor arguments.")
        return (), merged

    def call(self, *args, **kwargs):
        args, kwargs = self._merge(args, kwargs)
        return type(self).function(*args, **kwargs)

    def get_config(self):
        from oxhorn.saving.serialization_lib import serialize_keras_object

        return {"name": self.name, **{k: serialize_keras_object(v) for k, v in self._arguments.items()}}

    @classmethod
    def from_config(cls, config):
        from oxhorn.saving.serialization_lib import deserialize_keras_object

        return cls(**{k: deserialize_keras_object(v) for k, v in config.items()})


def _keras_module(function):
    """`oxhorn.ops.numpy.reduce` -> `keras.src.ops.numpy`."""
    return "keras.src." + ".".join(function.__module__.split(".")[1:3])


def _class_name(function):
    return "".join(part.capitalize() for part in function.__name__.split("_"))


class _Definition:
    """What `op` was told of a function. The class is made when it is first needed, since most never are."""

    def __init__(self, function, tensors, static, class_name, spec, module):
        self.function = function
        self.tensors = (_TENSOR_PARAMETERS | set(tensors)) - set(static)
        self.class_name = class_name or _class_name(function)
        self.spec = spec
        self.module = module or _keras_module(function)

    @functools.cached_property
    def signature(self):
        return inspect.signature(self.function)

    def _is_tensor(self, p):
        return p.name in self.tensors or p.kind is p.VAR_POSITIONAL

    @functools.cached_property
    def operation_class(self):
        call_parameters, constructor_parameters = [], []
        for p in self.signature.parameters.values():
            if self._is_tensor(p):
                call_parameters.append(p)
            elif p.name != "name":
                constructor_parameters.append(p)
        # A default must not precede a parameter without one.
        seen_default = False
        for i, p in enumerate(constructor_parameters):
            seen_default = seen_default or p.default is not p.empty
            if seen_default and p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD:
                constructor_parameters[i] = p.replace(kind=p.KEYWORD_ONLY)
        members = {
            "function": staticmethod(self.function),
            "_call_parameters": tuple(call_parameters),
            "_signature": inspect.Signature(sorted(constructor_parameters, key=lambda p: p.kind)),
            "_keras_module": self.module,
            "__module__": self.function.__module__,
            "__doc__": f"The operation behind `ops.{self.function.__name__}`.",
        }
        if self.spec is not None:
            spec = self.spec

            def compute_output_spec(self, *args, **kwargs):
                args, kwargs = self._merge(args, kwargs)
                return spec(*args, **kwargs)

            members["compute_output_spec"] = compute_output_spec
        return type(self.class_name, (FunctionOperation,), members)

    def call_symbolically(self, args, kwargs):
        """Makes an operation and records the call."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        call_args, call_kwargs, constructor = [], {}, {}
        for name, p in self.signature.parameters.items():
            value = bound.arguments[name]
            if not self._is_tensor(p):
                constructor[name] = value
            elif p.kind is p.VAR_POSITIONAL:
                call_args.extend(value)
            elif p.kind is p.KEYWORD_ONLY:
                call_kwargs[name] = value
            else:
                call_args.append(value)
        constructor.pop("name", None)
        return self.operation_class(**constructor).symbolic_call(*call_args, **call_kwargs)


def op(function=None, *, tensors=(), static=(), class_name=None, spec=None, module=None):
    """Makes a function an op.

    Args:
        tensors: names of further parameters that are given at the call and not to the class's constructor,
            beside x, x1, x2, xs, inputs, a, b and `*args`.
        static: names among these that are given to the constructor nevertheless.
        class_name: of the operation class; default: the function's name in CamelCase.
        spec: `spec(*args, **kwargs)`, with the function's signature, returns the outputs as `KerasTensor`s.
            Default: the body runs on traced stand-ins.
        module: Keras's module of the class; default: from the function's module.
    """
    if function is None:
        options = {"tensors": tensors, "static": static, "class_name": class_name}
        return functools.partial(op, **options, spec=spec, module=module)
    definition = _Definition(function, tensors, static, class_name, spec, module)
    _DEFINITIONS[definition.module, definition.class_name] = definition

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        for x in args:
            if isinstance(x, (KerasTensor, list, tuple, dict)) and any_symbolic_tensors((x,)):
                return definition.call_symbolically(args, kwargs)
        if kwargs and any_symbolic_tensors((), kwargs):
            return definition.call_symbolically(args, kwargs)
        return function(*args, **kwargs)

    return wrapper
