"""Oxhorn: a deep-learning library with Keras's API, and one engine behind it.

    import oxhorn as keras

Namespaces are imported when they are first used.
"""

from oxhorn._base import lazy as _lazy

# The version of Keras whose API and files this is.
_keras_version = "3.15.1"

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "_base.keras_tensor": "KerasTensor",
        "_base.operation": "Operation",
        "_base.scopes": "RematScope StatelessScope SymbolicScope device name_scope remat",
        "_base.variable": "Variable",
        "_core": "__version__",
        "_training.gradients": "GradientTape function value_and_grad",
        "dtype_policies": "DTypePolicy FloatDTypePolicy",
        "initializers": "Initializer",
        "layers": "Input InputSpec Layer",
        "losses": "Loss",
        "metrics": "Metric",
        "models": "Model Sequential",
        "models.function": "Function",
        "optimizers": "Optimizer",
        "quantizers": "Quantizer",
        "regularizers": "Regularizer",
    },
    submodules=(
        *("activations", "applications", "backend", "callbacks", "config", "constraints", "datasets"),
        *("distillation", "distribution", "dtype_policies", "export", "initializers", "layers", "legacy"),
        *("losses", "metrics", "mixed_precision", "models", "ops", "optimizers", "preprocessing"),
        *("quantizers", "random", "regularizers", "saving", "tree", "utils", "visualization", "wrappers"),
    ),
)


def version():
    """The version of Oxhorn."""
    from oxhorn import _core

    return _core.__version__
