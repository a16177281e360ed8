"""Constructor arguments that become attributes, and attributes that become config entries.

Most layers take an activation, initializers, regularizers and constraints, in any of the forms that
`get` accepts, and write them back with `serialize`. What an argument is can be told from the last
word of its name, so it is said once, here.
"""

from types import FunctionType

from oxhorn import activations, constraints, initializers, regularizers

_NAMESPACES = {
    "activation": activations,
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
}


def _namespace(name):
    return _NAMESPACES.get(name.rsplit("_", 1)[-1])


def adopt(layer, **arguments):
    """Sets each argument as an attribute of `layer`, resolved by its namespace's `get`."""
    for name, value in arguments.items():
        namespace = _namespace(name)
        setattr(layer, name, value if namespace is None else namespace.get(value))


def config_of(layer, names):
    """Config entries for the attributes `names` of `layer`."""
    config = {}
    for name in names:
        namespace = _namespace(name)
        value = getattr(layer, name)
        config[name] = value if namespace is None else namespace.serialize(value)
    return config


def with_defaults(**defaults):
    """Class decorator: the inherited `__init__`, with other default values.

    For families that differ in rank only, where Keras spells a default stride `1`, `(1, 1)` or
    `(1, 1, 1)`. The arguments given must be among the inherited ones.
    """

    def decorate(cls):
        inherited = cls.__init__
        code = inherited.__code__
        names = code.co_varnames[1 : code.co_argcount]
        old = inherited.__defaults__ or ()
        merged = {**dict(zip(names[len(names) - len(old) :], old)), **defaults}
        in_order = tuple(merged[name] for name in names if name in merged)
        init = FunctionType(code, inherited.__globals__, "__init__", in_order, inherited.__closure__)
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        init.__module__ = cls.__module__
        init.__kwdefaults__ = inherited.__kwdefaults__
        cls.__init__ = init
        return cls

    return decorate
