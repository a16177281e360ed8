"""`Functional`: a model made of the graph between symbolic tensors."""

import inspect
import warnings

from oxhorn import tree
from oxhorn._base.convert import convert_to_tensor, is_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.masking import get_keras_mask, set_keras_mask
from oxhorn._base.tracking import DotNotTrackScope
from oxhorn.layers.core.input_layer import InputLayer
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.layer import Layer
from oxhorn.models.function import Function, node_of
from oxhorn.models.model import Model


def _input_layer(tensor):
    history = getattr(tensor, "_keras_history", None)
    operation = history.operation if history else None
    return operation if isinstance(operation, InputLayer) else None


class Functional(Function, Model):
    """A model of the layers between `inputs` and `outputs`; `Model(inputs, outputs)` makes one.

    Args:
        inputs: a symbolic tensor, or a list, tuple or dict of them: from `Input()`, or any others, from which
            the model then starts.
        outputs: likewise.
        name: of the model.
        trainable: whether training may change the layers.
    """

    _keras_module = "keras.src.models.functional"

    def __init__(self, inputs, outputs, name=None, **kwargs):
        trainable = kwargs.pop("trainable", None)
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        if isinstance(inputs, dict):
            for key, x in inputs.items():
                if isinstance(x, KerasTensor) and key != x.name:
                    warnings.warn(
                        "When providing `inputs` as a dict, all keys in the dict must match the names of the "
                        f"corresponding tensors. Received key '{key}' mapping to value {x} which has name "
                        f"'{x.name}'. Change the tensor name to '{key}' (via `Input(..., name='{key}')`)",
                        stacklevel=2,
                    )
        for kind, structure in (("inputs", inputs), ("outputs", outputs)):
            for x in tree.flatten(structure):
                if not isinstance(x, KerasTensor):
                    raise ValueError(
                        f"All `{kind}` values must be KerasTensors. Received: {kind}={structure} including "
                        f"invalid value {x} of type {type(x)}"
                    )
        if not all(node_of(x) is not None and node_of(x).is_input for x in tree.flatten(inputs)):
            from oxhorn.models._subgraph import clone_graph_nodes

            inputs, outputs = clone_graph_nodes(inputs, outputs)
        with DotNotTrackScope():
            Function.__init__(self, inputs, outputs, name=name)
        if trainable is not None:
            self.trainable = trainable
        for layer in self.layers:
            self._tracker.track(layer)
        self.build(None)
        self._convert_input_args = False  # each input has its own dtype
        self._allow_non_tensor_positional_args = True
        self.output_names = [x._keras_history.operation.name for x in self.outputs]

    def _lock_state(self):
        """A layer outside the graph may be attached later."""

    def _obj_type(self):
        return "Functional"

    @property
    def layers(self):
        """The layers of the graph, from the inputs on."""
        return [operation for operation in self._operations if isinstance(operation, Layer)]

    @layers.setter
    def layers(self, _):
        raise AttributeError(
            "`Model.layers` attribute is reserved and should not be used. Please use another name."
        )

    def call(self, inputs, training=None, mask=None, **kwargs):
        inputs = self._standardize_inputs(inputs)
        for x, m in zip(inputs, tree.flatten(mask)):
            if m is not None:
                set_keras_mask(x, m)
        context = {k: v for k, v in {"training": training, **kwargs}.items() if v is not None}

        def with_context(operation):
            accepted = getattr(operation, "_call_context_args", ())
            own = {k: v for k, v in context.items() if k in accepted}
            return (lambda *a, **k: operation(*a, **{**k, **own})) if own else operation

        outputs = self._run_through_graph(inputs, operation_fn=with_context)
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            return outputs[0]
        return outputs

    def compute_output_spec(self, inputs, training=None, mask=None):
        return Function.compute_output_spec(self, inputs)

    def compute_output_shape(self, input_shape):
        return Function.compute_output_shape(self, input_shape)

    def build(self, input_shape):
        self.built = True

    @property
    def input_shape(self):
        """Shape of the input, or a list of them."""
        shapes = [x.shape for x in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self):
        """Shape of the output, or a list of them."""
        shapes = [x.shape for x in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def input(self):
        """The symbolic inputs, in the structure given to the constructor."""
        return self._inputs_struct

    @property
    def output(self):
        """The symbolic outputs, in the structure given to the constructor."""
        return self._outputs_struct

    def add_loss(self, loss):
        raise NotImplementedError(
            "A functional model cannot take extra losses. Add the loss inside the `call()` of a layer of it."
        )

    # -- inputs

    def _assert_input_compatibility(self, inputs):
        for x, ref in zip(tree.flatten(inputs), self._inputs):
            if x is None:
                self._check_optional(ref)
        Layer._assert_input_compatibility(self, inputs)

    def _check_optional(self, tensor):
        layer = _input_layer(tensor)
        if layer is not None and not layer.optional:
            raise ValueError(
                f"The input '{tensor.name}' is not optional, but None was passed. Please provide a valid "
                "tensor."
            )

    def _standardize_inputs(self, inputs):
        """The inputs as a flat list of tensors of the expected dtypes and ranks."""
        struct = self._inputs_struct
        strict = False
        if isinstance(struct, list) and len(struct) == 1 and is_tensor(inputs):
            inputs = [inputs]
        elif isinstance(inputs, dict) and not isinstance(struct, dict):
            # Lists of inputs may be fed by name.
            expected = [struct] if isinstance(struct, KerasTensor) else struct
            if all(isinstance(x, KerasTensor) and x.name in inputs for x in expected):
                names = [x.name for x in expected]
                inputs = inputs[names[0]] if isinstance(struct, KerasTensor) else [inputs[n] for n in names]
            else:
                strict = True
        if isinstance(struct, dict) and not isinstance(inputs, dict) and list(struct) != sorted(struct):
            strict = True  # the order would be a guess
        self._check_structure(inputs, strict)
        flat = []
        for i, (x, ref) in enumerate(zip(tree.flatten(inputs), self._inputs)):
            if x is None:
                self._check_optional(ref)
                flat.append(None)
            else:
                y = self._adjust_rank(convert_to_tensor_like(x, ref.dtype), i)
                mask = get_keras_mask(x) if is_tensor(x) or isinstance(x, KerasTensor) else None
                if mask is not None and y is not x:
                    set_keras_mask(y, mask)
                flat.append(y)
        return flat

    def _check_structure(self, inputs, strict):
        if isinstance(self._inputs_struct, KerasTensor) and not tree.is_nested(inputs):
            return
        try:
            tree.assert_same_structure(
                tree.lists_to_tuples(inputs), tree.lists_to_tuples(self._inputs_struct)
            )
        except ValueError:
            expected = tree.map_structure(lambda x: "None" if x is None else x.name, self._inputs_struct)
            received = tree.map_structure(
                lambda x: "None" if x is None else f"Tensor(shape={tuple(getattr(x, 'shape', ()))})", inputs
            )
            message = (
                "The structure of `inputs` doesn't match the expected structure.\n"
                f"Expected: {expected}\nReceived: inputs={received}"
            )
            if strict:
                raise ValueError(message) from None
            warnings.warn(message, stacklevel=5)

    def _adjust_rank(self, x, index):
        """Adds or takes away a last dimension of 1."""
        from oxhorn import ops

        expected = self._inputs[index].shape
        excess = len(x.shape) - len(expected)
        if excess == 0:
            return x
        if excess == 1 and x.shape[-1] == 1:
            return ops.squeeze(x, axis=-1)
        if excess == -1 and expected[-1] == 1:
            return ops.expand_dims(x, axis=-1)
        path = ".".join(str(p) for p in tree.flatten_with_path(self._inputs_struct)[index][0])
        raise ValueError(
            f"Invalid input shape for input {x} with name '{self._inputs[index].name}' and path '{path}'. "
            f"Expected shape {expected}, but input has incompatible shape {tuple(x.shape)}"
        )

    @property
    def input_spec(self):
        if "_manual_input_spec" in self.__dict__:
            return self._manual_input_spec
        if isinstance(self._inputs_struct, dict):
            if not all(isinstance(x, KerasTensor) for x in self._inputs_struct.values()):
                return None  # nested deeper: no check
            return [_spec_of(self._inputs_struct[name], name) for name in sorted(self._inputs_struct)]
        return [_spec_of(x) for x in self.inputs]

    @input_spec.setter
    def input_spec(self, value):
        self._manual_input_spec = value

    def get_config(self):
        if not has_functional_constructor(type(self)):
            return Model.get_config(self)  # what its own __init__() was called with
        from oxhorn.models._functional_config import functional_to_config

        return functional_to_config(self)


def convert_to_tensor_like(x, dtype):
    """`x` as a tensor of `dtype`; symbolic tensors stay symbolic."""
    if isinstance(x, KerasTensor):
        from oxhorn import ops

        return x if x.dtype == dtype else ops.cast(x, dtype)
    return convert_to_tensor(x, dtype=dtype)


def _spec_of(tensor, name=None):
    layer = _input_layer(tensor)
    return InputSpec(
        shape=(None, *tensor.shape[1:]) if tensor.shape else (),
        allow_last_axis_squeeze=True,
        name=tensor._keras_history.operation.name if name is None else name,
        optional=layer is not None and layer.optional,
    )


def has_functional_constructor(cls):
    """Whether `cls(inputs, outputs, name=...)` works: its constructor is `Functional`'s or takes anything."""
    spec = inspect.getfullargspec(cls.__init__)
    functional = inspect.getfullargspec(Functional.__init__)
    return spec.args[1:] == functional.args[1:] or (spec.varargs is not None and spec.varkw is not None)
