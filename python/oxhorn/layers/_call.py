"""How a call's arguments, and the shapes among them, are matched with `call()`, `build()` and the like."""

import functools
import inspect

from oxhorn import tree
from oxhorn._base.convert import is_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.python_utils import is_default
from oxhorn._base.shapes import standardize_shape


def signature(method):
    """`inspect.signature` of a bound method, remembered per function."""
    return binder(method).signature


def binder(method):
    """The `Binder` of a bound method, remembered per function."""
    function = getattr(method, "__func__", None)
    return Binder(inspect.signature(method)) if function is None else _method_binder(function)


@functools.lru_cache(maxsize=4096)
def _method_binder(function):
    full = inspect.signature(function)
    return Binder(full.replace(parameters=list(full.parameters.values())[1:]))


def is_tensor_like(x, allow_none=False):
    """Whether `x` is a concrete, traced or symbolic tensor."""
    return (x is None and allow_none) or is_tensor(x) or isinstance(x, KerasTensor)


class Binder:
    """Binds arguments to a function's parameters, as `inspect.Signature.bind` does but quickly where all can
    be given by name."""

    def __init__(self, signature):
        self.signature = signature
        parameters = signature.parameters.values()
        kinds = inspect.Parameter
        named = [p for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
        catch_all = [p.name for p in parameters if p.kind is kinds.VAR_KEYWORD]
        self._quick = len(named) + len(catch_all) == len(parameters)
        self._catch_all = catch_all[0] if catch_all else None
        self._positional = [p.name for p in named if p.kind is kinds.POSITIONAL_OR_KEYWORD]
        self._defaults = {p.name: None if p.default is p.empty else p.default for p in named}
        self._required = {p.name for p in named if p.default is p.empty}

    def bind(self, args, kwargs):
        """The arguments given, and these with the defaults of the others, as dicts by name.

        Raises:
            TypeError: they do not fit.
        """
        if self._quick and len(args) <= len(self._positional):
            given = dict(zip(self._positional, args))
            others = {}
            for name, value in kwargs.items():
                if name in given:
                    break
                (given if name in self._defaults else others)[name] = value
            else:
                if self._required <= given.keys() and (not others or self._catch_all):
                    if others:
                        given[self._catch_all] = others
                    arguments = {**self._defaults, **given}
                    if self._catch_all:
                        arguments.setdefault(self._catch_all, {})
                    return given, arguments
        bound = self.signature.bind(*args, **kwargs)
        given = dict(bound.arguments)
        bound.apply_defaults()
        return given, dict(bound.arguments)


class CallSpec:
    """The arguments of one layer call, by name, and which of them are tensors.

    Args:
        binder: of `call()`.
        call_context_args: names such as "training" that are accepted even if `call()` does not take them.
    """

    def __init__(self, binder, call_context_args, args, kwargs):
        taken = binder.signature.parameters
        extra = {k: kwargs.pop(k) for k in call_context_args if k in kwargs and k not in taken}
        given, self.arguments_dict = binder.bind(args, kwargs)
        self.user_arguments_dict = {**extra, **given}
        self.tensor_arguments_dict = {}
        for name, value in self.arguments_dict.items():
            if value is None:
                continue
            if is_tensor_like(value):
                self.tensor_arguments_dict[name] = value
            elif tree.is_nested(value) and len(value) > 0:
                leaves = tree.flatten(value)
                if all(is_tensor_like(x, allow_none=True) for x in leaves):
                    self.tensor_arguments_dict[name] = value
                elif any(is_tensor_like(x) for x in leaves):
                    raise ValueError(
                        "In a nested call() argument, you cannot mix tensors and non-tensors. "
                        f"Received invalid mixed argument: {name}={value}"
                    )
        self.first_arg = next(iter(self.arguments_dict.values()), None)

    @property
    def eager(self):
        """Whether there are values, and not only shapes."""
        return all(is_tensor(x) for x in self.tensor_arguments_dict.values())


def get_shapes_dict(call_spec):
    """`{"x_shape": shape or structure of shapes}` of the tensor arguments but masks and catch-alls."""

    def shape_of(x):
        return None if x is None else standardize_shape(x.shape)

    return {
        f"{name}_shape": tree.map_structure(shape_of, value)
        for name, value in call_spec.tensor_arguments_dict.items()
        if name not in ("mask", "args", "kwargs")
    }


def shapes_for(target, shapes_dict, call_spec, class_name):
    """The entries of `shapes_dict` as keyword arguments for `build()` or `compute_output_shape()`.

    A method of one argument gets the first shape, whatever the names; one of several gets the shapes whose
    names match. Raises ValueError for names that match no argument of `call()`.
    """
    if is_default(target):
        return None
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    names = [p.name for p in signature(target).parameters.values() if p.kind in kinds]
    if len(names) == 1:
        return {names[0]: next(iter(shapes_dict.values()), None)}
    method = target.__name__
    rule = (
        f"For a `{method}()` method with more than one argument, all arguments should have a `_shape` suffix "
        f"and match an argument from `call()`. E.g. `{method}(self, foo_shape, bar_shape)` "
    )
    for name in names:
        if not name.endswith("_shape"):
            raise ValueError(
                f"{rule} For layer '{class_name}', Received `{method}()` argument `{name}`, which does not "
                "end in `_shape`."
            )
        argument = name.removesuffix("_shape")
        if argument not in call_spec.arguments_dict:
            raise ValueError(
                f"{rule} For layer '{class_name}', received `{method}()` argument `{name}`, but `call()` "
                f"does not have argument `{argument}`."
            )
    return {name: shapes_dict[name] for name in names if name in shapes_dict}


class CallContext:
    """What an outermost layer call hands down to the layers that it calls, such as `training`."""

    def __init__(self, entry_layer):
        self.entry_layer = entry_layer

    def get_value(self, arg_name, default=None):
        return getattr(self, arg_name, default)

    def set_value(self, arg_name, value):
        setattr(self, arg_name, value)
