"""Where the internal names that Keras's own tests use live in Oxhorn.

Given to the conformance suite by `--shim`: `lookup("models.functional.Functional")` returns Oxhorn's object
or raises LookupError.
"""

import importlib
import importlib.util
import types

# Keras's internal module -> Oxhorn's, where a path does not simply carry over.
_MODULES = {
    "backend.common.backend_utils": "oxhorn.layers._spatial",
    "backend.common.dtypes": "oxhorn._base.dtypes",
    "backend.common.global_state": "oxhorn._base.global_state",
    "backend.common.keras_tensor": "oxhorn._base.keras_tensor",
    "backend.common.masking": "oxhorn._base.masking",
    "backend.common.name_scope": "oxhorn._base.scopes",
    "backend.common.remat": "oxhorn._base.scopes",
    "backend.common.stateless_scope": "oxhorn._base.scopes",
    "backend.common.symbolic_scope": "oxhorn._base.scopes",
    "backend.common.variables": "oxhorn._base.variable",
    "datasets.npz_utils": "oxhorn.datasets._files",
    "legacy.saving.legacy_h5_format": "oxhorn.saving.legacy_h5",
    "models.functional": "oxhorn.models.functional",
    "ops.function": "oxhorn.models.function",
    "ops.node": "oxhorn._base.node",
    "ops.operation": "oxhorn._base.operation",
    "ops.symbolic_arguments": "oxhorn._base.node",
    "random.seed_generator": "oxhorn.random.seed_generator",
    "trainers.compile_utils": "oxhorn._training.compile_utils",
    "trainers.data_adapters": "oxhorn._training.data_adapters",
    "trainers.data_adapters.array_data_adapter": "oxhorn._training.data_adapters.array_data_adapter",
    "trainers.data_adapters.data_adapter_utils": "oxhorn._training.data_adapters.utils",
    "trainers.data_adapters.generator_data_adapter": "oxhorn._training.data_adapters.generator_data_adapter",
    "trainers.data_adapters.py_dataset_adapter": "oxhorn._training.data_adapters.py_dataset_adapter",
    "trainers.trainer": "oxhorn._training.trainer",
    "utils.naming": "oxhorn._base.naming",
    "utils.python_utils": "oxhorn._base.python_utils",
    "utils.tracking": "oxhorn._base.tracking",
}

# Single names: Keras's -> Oxhorn's module and attribute.
_NAMES = {
    "backend.Trainer": ("oxhorn._training.trainer", "Trainer"),
    "backend.common.backend_utils.compute_conv_transpose_output_shape": (
        "oxhorn.layers._spatial",
        "transposed_window_output_shape",
    ),
    "backend.compute_output_spec": ("oxhorn._base.symbolic", "compute_output_spec"),
    "backend.AutocastScope": ("oxhorn._base.scopes", "AutocastScope"),
    "backend.common.variables.AutocastScope": ("oxhorn._base.scopes", "AutocastScope"),
    "backend.get_keras_mask": ("oxhorn._base.masking", "get_keras_mask"),
    "backend.set_keras_mask": ("oxhorn._base.masking", "set_keras_mask"),
    "backend.standardize_shape": ("oxhorn._base.shapes", "standardize_shape"),
    "backend.in_symbolic_scope": ("oxhorn._base.scopes", "in_symbolic_scope"),
    "backend.in_stateless_scope": ("oxhorn._base.scopes", "in_stateless_scope"),
    "backend.any_symbolic_tensors": ("oxhorn._base.keras_tensor", "any_symbolic_tensors"),
    "backend.name_scope": ("oxhorn._base.scopes", "name_scope"),
    "callbacks.monitor_callback.MonitorCallback": ("oxhorn.callbacks.monitor_callback", "MonitorCallback"),
    "layers.rnn.dropout_rnn_cell.DropoutRNNCell": ("oxhorn.layers.rnn.dropout_rnn_cell", "DropoutRNNCell"),
    # Keras wraps these for remote paths.
    "utils.file_utils.File": ("builtins", "open"),
    "utils.file_utils.listdir": ("os", "listdir"),
    "utils.file_utils.exists": ("os.path", "exists"),
    "utils.file_utils.isdir": ("os.path", "isdir"),
    "utils.file_utils.join": ("os.path", "join"),
    "utils.io_utils.print_msg": ("oxhorn._base.messages", "print_msg"),
    "utils.summary_utils.print_summary": ("oxhorn.models.summary", "print_summary"),
    "ops.numpy.shape_equal": ("oxhorn._base.shapes", "shape_equal"),
}

_VALUES = {
    "backend.IS_THREAD_SAFE": True,
    "backend.SUPPORTS_COMPLEX_DTYPES": False,
    "backend.SUPPORTS_RAGGED_TENSORS": False,
    "backend.SUPPORTS_SPARSE_TENSORS": False,
    "utils.removesuffix": str.removesuffix,
    "utils.python_utils.removeprefix": str.removeprefix,
    "utils.python_utils.removesuffix": str.removesuffix,
}

_ROOTS = ("oxhorn", "oxhorn._base", "oxhorn._training")


def _conv_transpose_padding(input_shape, kernel_shape, strides, padding, output_padding, dilation_rate):
    """Keras's helper for all spatial axes at once; Oxhorn's is for one."""
    from oxhorn.ops.nn.convolution import conv_transpose_padding

    def spread(value):
        rank = len(input_shape) - 2
        return [value] * rank if value is None or isinstance(value, int) else value

    axes = zip(kernel_shape, spread(strides), spread(dilation_rate), spread(output_padding), strict=False)
    return [conv_transpose_padding(k, s, d, padding, extra) for k, s, d, extra in axes]


def _index_lookup(vocabulary_dtype, **kwargs):
    """Keras's common base of the lookup layers, which it tests by itself; Oxhorn's is abstract."""
    from oxhorn import layers

    cls = layers.StringLookup if vocabulary_dtype == "string" else layers.IntegerLookup
    return cls(**kwargs)


def _operation_class(name):
    import oxhorn.ops  # noqa: F401  (registers the classes)
    from oxhorn._base.op import operation_class

    module, _, cls = name.rpartition(".")
    return operation_class(f"keras.src.{module}", cls)


def lookup(name):
    """Oxhorn's object for one of Keras's internal names, given without `keras.src.`."""
    if name == "backend.common.backend_utils.compute_conv_transpose_padding_args_for_jax":
        return _conv_transpose_padding
    if name.endswith(".IndexLookup"):
        return _index_lookup
    if name in _VALUES:
        return _VALUES[name]
    if name.startswith("ops."):
        found = _operation_class(name)
        if found is not None:
            return found
    if name in _NAMES:
        module, attribute = _NAMES[name]
        return getattr(importlib.import_module(module), attribute)
    if importlib.util.find_spec(f"keras.src.{name}"):
        raise LookupError(name)  # a module of Keras's: the suite serves it
    module, _, attribute = name.rpartition(".")
    candidates = [_MODULES[module]] if module in _MODULES else []
    candidates += [f"{root}.{module}" for root in _ROOTS] if module else list(_ROOTS)
    for candidate in candidates:
        try:
            found = getattr(importlib.import_module(candidate), attribute)
        except (ImportError, AttributeError):
            continue
        if not isinstance(found, types.ModuleType):
            return found
    raise LookupError(name)
