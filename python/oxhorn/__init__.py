"""Oxhorn: a deep-learning library with Keras's API, and one engine behind it.

    import oxhorn as keras

Namespaces are imported when they are first used.
"""

import importlib

# The version of Keras whose API and files this is.
_keras_version = "3.15.1"

_NAMESPACES = frozenset(
    (
        *("activations", "applications", "backend", "callbacks", "config", "constraints", "datasets"),
        *("distillation", "distribution", "dtype_policies", "export", "initializers", "layers", "legacy"),
        *("losses", "metrics", "mixed_precision", "models", "ops", "optimizers", "preprocessing"),
        *("quantizers", "random", "regularizers", "saving", "tree", "utils", "visualization", "wrappers"),
    )
)

# Public names at the top: where each one is defined.
_NAMES = {
    "DTypePolicy": "dtype_policies",
    "FloatDTypePolicy": "dtype_policies",
    "Function": "models.function",
    "GradientTape": "_training.gradients",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "_base.keras_tensor",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Operation": "_base.operation",
    "Optimizer": "optimizers",
    "Quantizer": "quantizers",
    "Regularizer": "regularizers",
    "RematScope": "_base.scopes",
    "Sequential": "models",
    "StatelessScope": "_base.scopes",
    "SymbolicScope": "_base.scopes",
    "Variable": "_base.variable",
    "__version__": "_core",
    "device": "_base.scopes",
    "function": "_training.gradients",
    "name_scope": "_base.scopes",
    "remat": "_base.scopes",
    "value_and_grad": "_training.gradients",
}


def version():
    """The version of Oxhorn."""
    from oxhorn import _core

    return _core.__version__


def __getattr__(name):
    module = f"{__name__}.{name if name in _NAMESPACES else _NAMES.get(name)}"
    try:
        if name in _NAMESPACES:
            return importlib.import_module(module)
        if name in _NAMES:
            value = globals()[name] = getattr(importlib.import_module(module), name)
            return value
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_NAMESPACES, *_NAMES})
