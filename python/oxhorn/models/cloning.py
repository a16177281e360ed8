"""`clone_model`."""

from oxhorn import tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn.layers.core.input_layer import Input, InputLayer
from oxhorn.models.functional import Functional, has_functional_constructor
from oxhorn.models.sequential import Sequential
from oxhorn.saving.serialization_lib import SafeModeScope, deserialize_keras_object, serialize_keras_object


def clone_model(
    model, input_tensors=None, clone_function=None, call_function=None, recursive=False, **kwargs
):
    """A copy of a model with new layers and newly initialised weights.

    Args:
        model: functional, sequential, or of a class with `get_config()`.
        input_tensors: symbolic tensors to build the copy on, in the structure of the model's inputs.
        clone_function: makes the copy of a layer; default: `from_config(get_config())`. Input layers are
            always new.
        call_function: called as `call_function(layer, *args, **kwargs)` in place of the new layers;
            functional models only.
        recursive: copy nested sequential and functional models layer by layer too.

    Raises:
        ValueError: arguments that this kind of model does not take.
    """
    cache = kwargs.pop("cache", None)
    if kwargs:
        raise ValueError(f"Unexpected keyword argument(s): {tuple(kwargs)}")
    kind = type(model).__name__
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError(
                "`call_function` argument is not supported with Sequential models. In a Sequential model, "
                "layers aren't called at model-construction time (they're merely listed). Use "
                f"`call_function` with Functional models only. Received model of type '{kind}', with "
                f"call_function={call_function}"
            )
        clone = _Cloner(clone_function, None, recursive, cache)
        return _copy_compilation(model, _clone_sequential(model, clone, input_tensors))
    if isinstance(model, Functional):
        clone = _Cloner(clone_function, call_function, recursive, cache)
        return _copy_compilation(model, _clone_functional(model, clone, call_function, input_tensors))
    for name, value in (
        ("clone_function", clone_function),
        ("input_tensors", input_tensors),
        ("call_function", call_function),
    ):
        if value:
            raise ValueError(
                f"Argument `{name}` is only supported for Functional models (and, but for `call_function`, "
                f"Sequential models). Received model of type '{kind}', with {name}={value}"
            )
    return deserialize_keras_object(serialize_keras_object(model), custom_objects={kind: type(model)})


def _copy_compilation(model, copy):
    if model.compiled:
        copy.compile_from_config(model.get_compile_config())
    return copy


def _clone_layer(layer):
    with SafeModeScope(False):  # the config comes from the layer itself
        return type(layer).from_config(layer.get_config())


class _Cloner:
    """Clones each layer once."""

    def __init__(self, clone_function, call_function, recursive, cache):
        self.clone_function = clone_function or _clone_layer
        self.call_function = call_function
        self.recursive = recursive
        self.cache = {} if cache is None else cache

    def __call__(self, layer):
        if id(layer) not in self.cache:
            self.cache[id(layer)] = self._clone(layer)
        return self.cache[id(layer)]

    def _clone(self, layer):
        if self.recursive and isinstance(layer, (Sequential, Functional)):
            call_function = self.call_function if isinstance(layer, Functional) else None
            return clone_model(
                layer,
                clone_function=self.clone_function,
                call_function=call_function,
                recursive=True,
                cache=self.cache,
            )
        return self.clone_function(layer)


def _clone_sequential(model, clone, input_tensors):
    layers = [clone(layer) for layer in model.layers]
    first = model._layers[0] if model._layers else None
    first = first if isinstance(first, InputLayer) else None
    name = {} if first is None else {"name": first.name, "optional": first.optional}
    if input_tensors is not None:
        tensors = input_tensors if isinstance(input_tensors, (list, tuple)) else [input_tensors]
        if len(tensors) != 1:
            raise ValueError("Argument `input_tensors` must contain a single tensor.")
        if not isinstance(tensors[0], KerasTensor):
            raise ValueError(
                "Argument `input_tensors` must be a KerasTensor. "
                f"Received invalid value: input_tensors={tensors[0]}"
            )
        layers.insert(0, Input(tensor=tensors[0], **name))
    elif first is not None:
        layers.insert(0, Input(batch_shape=first.batch_shape, dtype=first.dtype, **name))
    return Sequential(layers, name=model.name, trainable=model.trainable)


def _clone_functional(model, clone, call_function, input_tensors):
    if input_tensors is None:
        input_tensors = tree.map_structure(
            lambda x: Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), model.input
        )
    else:
        if not all(isinstance(x, KerasTensor) for x in tree.flatten(input_tensors)):
            raise ValueError(
                "All entries in `input_tensors` must be KerasTensors. "
                f"Received invalid values: inputs_tensors={input_tensors}"
            )
        try:
            tree.assert_same_structure(input_tensors, model.input)
        except ValueError as error:
            raise ValueError(
                "`input_tensors` must have the same structure as model.input\n"
                f"Reference structure: {model.input}\nReceived structure: {input_tensors}"
            ) from error
    outputs = model._run_through_graph(input_tensors, operation_fn=clone, call_fn=call_function)
    cls = type(model) if has_functional_constructor(type(model)) else Functional
    return cls(input_tensors, outputs, name=model.name)
