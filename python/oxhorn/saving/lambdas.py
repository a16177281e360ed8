"""Lambdas in configs.

They are written as Keras writes them, so that Keras can read our files, and never read back: a config that
was made in this process still holds the function itself, and one that comes from a file does not.
"""

import codecs
import marshal
import types


class LambdaConfig(dict):
    """The config of a lambda; `function` is the lambda, as long as the config stays in this process."""

    function = None

    def __deepcopy__(self, memo):
        copy = memo[id(self)] = LambdaConfig(self)
        copy.function = self.function
        return copy


def is_lambda(x):
    return isinstance(x, types.LambdaType) and x.__name__ == "<lambda>"


def is_lambda_config(x):
    return isinstance(x, dict) and x.get("class_name") == "__lambda__"


def dump(function):
    """`(code, defaults, closure)` of a function, the code as base64."""
    code = codecs.encode(marshal.dumps(function.__code__), "base64").decode("ascii")
    closure = None
    if function.__closure__:
        closure = tuple(cell.cell_contents for cell in function.__closure__)
    return code, function.__defaults__, closure


def lambda_config(function, inner_config):
    config = LambdaConfig(class_name="__lambda__", config=inner_config)
    config.function = function
    return config


def load(config, name, custom_objects, safe_mode):
    """The function of a lambda's config.

    Args:
        name: the caller may have given the function as `custom_objects[name]`.
        safe_mode: False lets a config that never left this process give the function that it holds.

    Raises:
        ValueError: there is neither.
    """
    name = name or "<lambda>"
    if name in custom_objects:
        return custom_objects[name]
    if safe_mode is False and isinstance(config, LambdaConfig) and config.function is not None:
        return config.function
    raise ValueError(
        "Requested the deserialization of a Python lambda (mostly of a `Lambda` layer), which is stored as "
        "compiled code. Oxhorn does not run it: that would be arbitrary code execution by whoever wrote the "
        "file. Pass the function itself: "
        f'`custom_objects={{"{name}": function}}`. Better, use a layer or a named function registered with '
        "`@keras.saving.register_keras_serializable()` when you write the model."
    )
