"""`Sequential`: a stack of layers."""

import copy
import inspect

from oxhorn import tree
from oxhorn._base.masking import get_keras_mask
from oxhorn._base.shapes import standardize_shape
from oxhorn.layers.core.input_layer import InputLayer
from oxhorn.layers.layer import Layer
from oxhorn.models.functional import Functional
from oxhorn.models.model import Model
from oxhorn.saving.serialization_lib import deserialize_keras_object, serialize_keras_object


class Sequential(Model):
    """Layers applied one after the other.

    With an `Input` first, or an input shape on the first layer, the model is built at once; otherwise when it
    is first called, or by `build(input_shape)`.

    Args:
        layers: list of layers.
        trainable: whether training may change them.
        name: of the model.
    """

    _keras_module = "keras"

    def __init__(self, layers=None, trainable=True, name=None):
        super().__init__(trainable=trainable, name=name)
        self._functional = None
        self._layers = []
        for layer in layers or ():
            self.add(layer, rebuild=False)
        if layers:
            self._maybe_rebuild()

    def add(self, layer, rebuild=True):
        """Puts a layer on top of the stack. Raises ValueError for other objects, and a name already taken."""
        if not self._layers:
            if getattr(layer, "_input_shape_arg", None) is not None:
                self.add(InputLayer(shape=layer._input_shape_arg))
            elif getattr(layer, "_batch_input_shape_arg", None) is not None:
                self.add(InputLayer(batch_shape=layer._batch_input_shape_arg))
        history = getattr(layer, "_keras_history", None)  # what Input() returned
        if history is not None and isinstance(history.operation, InputLayer):
            layer = history.operation
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `keras.Layer` can be added to a Sequential model. "
                f"Received: {layer} (of type {type(layer)})"
            )
        if any(x.name == layer.name and x is not layer for x in self._layers):
            raise ValueError(
                "All layers added to a Sequential model should have unique names. Name "
                f"'{layer.name}' is already the name of a layer in this model. Update the `name` argument to "
                "pass a unique name."
            )
        if isinstance(layer, InputLayer) and self._layers and isinstance(self._layers[0], InputLayer):
            raise ValueError(
                f"Sequential model '{self.name}' has already been configured to use input shape "
                f"{self._layers[0].batch_shape}. You cannot add a different Input layer to it."
            )
        self._layers.append(layer)
        if rebuild:
            self._maybe_rebuild()
        else:
            self._forget_graph()

    def pop(self, rebuild=True):
        """Takes the last layer off the stack and returns it."""
        layer = self._layers.pop()
        self._forget_graph()
        if rebuild and self._layers:
            self._maybe_rebuild()
        return layer

    def _forget_graph(self):
        self.built = False
        self._functional = None
        self._drop_functions()  # they were compiled from the graph

    def _maybe_rebuild(self):
        self._forget_graph()
        if len(self._layers) > 1:
            first = self._layers[0]
            if isinstance(first, InputLayer):
                self.build(first.batch_shape)
            elif hasattr(first, "input_shape"):  # a model
                self.build(first.input_shape)

    def _lock_state(self):
        """Layers may be added after `build()`."""

    def _obj_type(self):
        return "Sequential"

    def build(self, input_shape=None):
        try:
            input_shape = standardize_shape(input_shape)
        except ValueError:
            return  # several inputs: the layers are built when they are called
        if not self._layers:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. "
                "Call `model.add(layer)`."
            )
        first = self._layers[0]
        if not isinstance(first, InputLayer):
            first = InputLayer(batch_shape=input_shape, dtype=first.compute_dtype)
            self._layers = [first, *self._layers]
        elif first.batch_shape != input_shape:
            raise ValueError(
                f"Sequential model '{self.name}' has already been configured to use input shape "
                f"{first.batch_shape}. You cannot build it with input_shape {input_shape}"
            )
        x = first.output
        for layer in self._layers[1:]:
            try:
                x = layer(x)
            except NotImplementedError:
                return  # its output shape cannot be told
            except TypeError:
                _check_signature(layer)
                raise
        self._functional = Functional(inputs=first.output, outputs=x)

    def call(self, inputs, training=None, mask=None, **kwargs):
        if self._functional:
            return self._functional.call(inputs, training=training, mask=mask, **kwargs)
        for layer in self.layers:
            own = {k: kwargs[k] for k in layer._call_has_context_arg if k in kwargs}
            if layer._call_has_mask_arg:
                own["mask"] = mask
            if layer._call_has_training_arg and training is not None:
                own["training"] = training
            inputs = layer(inputs, **own)
            mask = tree.map_structure(get_keras_mask, inputs)
        return inputs

    @property
    def layers(self):
        """The layers, without the one that stands for the input."""
        has_input = self._layers and isinstance(self._layers[0], InputLayer)
        return self._layers[1:] if has_input else self._layers[:]

    @layers.setter
    def layers(self, _):
        raise AttributeError(
            "`Sequential.layers` attribute is reserved and should not be used. Use `add()` and `pop()` to "
            "change the layers in this model."
        )

    def compute_output_spec(self, inputs, training=None, mask=None, **kwargs):
        if self._functional:
            return self._functional.compute_output_spec(inputs, training=training, mask=mask, **kwargs)
        for layer in self.layers:
            own = {"training": training} if layer._call_has_training_arg else {}
            inputs = layer.compute_output_spec(inputs, **own, **kwargs)
        return inputs

    def compute_output_shape(self, input_shape):
        if self._functional:
            return self._functional.compute_output_shape(input_shape)
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def _of_graph(self, attribute, what):
        if self._functional:
            return getattr(self._functional, attribute)
        raise AttributeError(f"Sequential model '{self.name}' has no defined {what} yet.")

    @property
    def input_shape(self):
        return self._of_graph("input_shape", "input shape")

    @property
    def output_shape(self):
        return self._of_graph("output_shape", "output shape")

    @property
    def inputs(self):
        return self._of_graph("inputs", "inputs")

    @property
    def outputs(self):
        return self._of_graph("outputs", "outputs")

    @property
    def input_dtype(self):
        if self._layers and isinstance(self._layers[0], InputLayer):
            return self._layers[0].dtype
        return super().input_dtype

    def get_config(self):
        config = Model.get_config(self)
        config["name"] = self.name
        config["layers"] = copy.deepcopy([serialize_keras_object(layer) for layer in self._layers])
        if self._functional is not None:
            config["build_input_shape"] = self._layers[0].batch_shape
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        if "name" not in config:
            raise ValueError(
                "A Sequential model configuration must be a dictionary containing the 'name' and 'layers' "
                f"keys. Received: config={config}"
            )
        model = cls(name=config["name"])
        for layer in config["layers"]:
            if not isinstance(layer, dict) or "config" not in layer:
                raise ValueError(f"Expected a dictionary containing a 'config' key. Received: {layer}")
            model.add(deserialize_keras_object(layer, custom_objects=custom_objects), rebuild=False)
        model._maybe_rebuild()
        shape = config.get("build_input_shape")
        if not model._functional and shape and isinstance(shape, (tuple, list)):
            model.build(shape)
        return model


def _check_signature(layer):
    """Raises ValueError if the layer's `call()` cannot take one positional argument."""
    positional = [
        p
        for p in inspect.signature(layer.call).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    required = [p for p in positional if p.default is p.empty]
    name = type(layer).__name__
    if not positional:
        raise ValueError(
            "Layers added to a Sequential model should have a single positional argument, the input tensor. "
            f"Layer {name} has no positional arguments."
        )
    if len(required) > 1:
        raise ValueError(
            "Layers added to a Sequential model can only have a single required positional argument, the "
            f"input tensor. Layer {name} has multiple required positional arguments: {required}"
        )
