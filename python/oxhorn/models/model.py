"""`Model`: a layer that can be trained, evaluated, and saved."""

import warnings

from oxhorn._base.python_utils import default, is_default
from oxhorn._training.trainer import Trainer
from oxhorn.layers.layer import Layer


def _is_functional_call(args, kwargs):
    """Whether a constructor was called with inputs and outputs."""
    return len(args) == 2 or ("outputs" in kwargs and (len(args) == 1 or "inputs" in kwargs))


def _inject_functional(cls):
    """Puts `Functional` in the place of `Model` among the bases of `cls`, at any depth."""
    from oxhorn.models.functional import Functional

    if cls is Model:
        return Functional
    if cls is object or not issubclass(cls, Model):
        return cls
    if not issubclass(cls, Functional):
        cls.__bases__ = tuple(_inject_functional(base) for base in cls.__bases__)
    return cls


class Model(Trainer, Layer):
    """Layers with a training loop around them.

    `Model(inputs, outputs)` makes a `Functional` model of the graph between symbolic tensors. A subclass
    makes its layers in `__init__()` and calls them in `call()`.
    """

    _keras_module = "keras"

    def __new__(cls, *args, **kwargs):
        if cls is Model and _is_functional_call(args, kwargs):
            from oxhorn.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args, **kwargs):
        Trainer.__init__(self)
        if _is_functional_call(args, kwargs):
            from oxhorn.models.functional import Functional

            _inject_functional(type(self))
            Functional.__init__(self, *args, **kwargs)
        else:
            Layer.__init__(self, *args, **kwargs)

    @default
    def call(self, *args, **kwargs):
        raise NotImplementedError(f"Model {type(self).__name__} does not have a `call()` method implemented.")

    @property
    def layers(self):
        """The layers directly inside the model."""
        return self._flatten_layers(include_self=False, recursive=False)

    @layers.setter
    def layers(self, _):
        raise AttributeError(
            "`Model.layers` attribute is reserved and should not be used. Please use another name."
        )

    def get_layer(self, name=None, index=None):
        """The layer of this name, or at this place in `layers`. Raises ValueError if there is none."""
        if index is not None and name is not None:
            raise ValueError(
                f"Provide only a layer name or a layer index. Received: index={index}, name={name}."
            )
        if index is not None:
            if index >= len(self.layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(self.layers)} "
                    "layers."
                )
            return self.layers[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[x.name for x in self.layers]}.")

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
    ):
        """Prints the layers with the shapes of their outputs and the numbers of their parameters.

        Args:
            line_length: int, width of the table.
            positions: where the columns end, as fractions of it.
            print_fn: called with the text, in place of printing it.
            expand_nested: show the layers of nested models.
            show_trainable: show which layers are trainable.
            layer_range: two names or patterns: the first and the last layer to show.
        """
        from oxhorn.models.summary import print_summary

        print_summary(
            self,
            line_length=line_length,
            positions=positions,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    # -- files

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Writes architecture, weights and training state to a `.keras` file; see `saving.save_model`."""
        from oxhorn.saving import saving_api

        return saving_api.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Writes the weights to a `.weights.h5` file; see `saving.save_weights`."""
        from oxhorn.saving import saving_api

        return saving_api.save_weights(self, filepath, overwrite=overwrite, max_shard_size=max_shard_size)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Sets the weights from a file; see `saving.load_weights`."""
        from oxhorn.saving import saving_api

        saving_api.load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def to_json(self, **kwargs):
        """The architecture as JSON; `kwargs` go to `json.dumps`. See `model_from_json`."""
        import json

        from oxhorn.saving.serialization_lib import serialize_keras_object

        return json.dumps(serialize_keras_object(self), **kwargs)

    def build_from_config(self, config):
        """Makes the variables as `get_build_config()` says; warns if that cannot be done."""
        if not config:
            return
        positional = "input_shape" in config
        shapes = config if positional else config.get("shapes_dict")
        built, reason = False, ""
        if is_default(self.build):
            names = [k.removesuffix("_shape") for k in shapes]
            if positional:
                names = self.call_signature_parameters
            built = self._build_by_run(**dict(zip(names, shapes.values())))
        else:
            try:
                self.build(*shapes.values()) if positional else self.build(**shapes)
                built = True
            except Exception as error:
                reason = f" The error was: {error}"
        self._build_shapes_dict = shapes
        if not built:
            warnings.warn(
                f"Model '{self.name}' had a build config, but the model cannot be built automatically in "
                "`build_from_config(config)`. You should implement `def build_from_config(self, config)`, "
                "and you might also want to implement the method that generates the config at saving time, "
                "`def get_build_config(self)`. The method `build_from_config()` is meant to create the state "
                f"of the model (i.e. its variables) upon deserialization.{reason}",
                stacklevel=2,
            )

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from oxhorn.models._functional_config import functional_from_config
        from oxhorn.models.functional import Functional, has_functional_constructor

        is_graph = all(k in config for k in ("name", "layers", "input_layers", "output_layers"))
        if is_graph and (cls in (Functional, Model) or has_functional_constructor(cls)):
            return functional_from_config(cls, config, custom_objects=custom_objects)
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(
                "Unable to revive model from config. When overriding the `get_config()` method, make sure "
                "that the returned config contains all items used as arguments in the constructor to "
                f"{cls}, which is the default behavior. You can override this default behavior by defining a "
                "`from_config(cls, config)` class method to specify how to create an instance of "
                f"{cls.__name__} from its config.\n\nReceived config={config}\n\n"
                f"Error encountered during deserialization: {error}"
            ) from error

    # -- state as a tree

    def get_state_tree(self, value_format="backend_tensor"):
        """All variables as nested dicts by path, under "trainable_variables", "non_trainable_variables",
        "optimizer_variables" and "metrics_variables".

        Args:
            value_format: "backend_tensor" or "numpy_array".
        """
        if value_format not in ("backend_tensor", "numpy_array"):
            raise ValueError(
                "Invalid `value_format` argument. Expected one of {'numpy_array', 'backend_tensor'}. "
                f"Received: value_format={value_format}"
            )
        return {kind: _nest(variables, value_format) for kind, variables in self._state_variables().items()}

    def set_state_tree(self, state_tree):
        """Sets variables from nested dicts as `get_state_tree` returns; what is missing stays."""
        variables = self._state_variables()
        for kind, nested in state_tree.items():
            if kind not in variables:
                raise ValueError(f"Unknown variable name: {kind}")
            by_path = {v.path: v for v in variables[kind]}
            for path, value in _flatten(nested):
                if path in by_path:
                    by_path[path].assign(value)

    def _state_variables(self):
        optimizer = getattr(self, "optimizer", None)
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": [] if optimizer is None else optimizer.variables,
            "metrics_variables": self.metrics_variables,
        }


def _nest(variables, value_format):
    root, seen = {}, set()
    for v in variables:
        if v.path in seen:
            raise ValueError(
                f"The following variable path is found twice in the model: '{v.path}'. `get_state_tree()` "
                "can only be called when all variable paths are unique. Make sure to give unique names to "
                "your layers (and other objects)."
            )
        seen.add(v.path)
        *parents, name = v.path.split("/")
        level = root
        for parent in parents:
            level = level.setdefault(parent, {})
        level[name] = v.value if value_format == "backend_tensor" else v.numpy()
    return root


def _flatten(nested, prefix=""):
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def model_from_json(json_string, custom_objects=None):
    """The model (not compiled, new weights) that `to_json()` wrote.

    Raises:
        ValueError: the text is not JSON, or nested too deeply.
        TypeError: it names classes that are neither built in nor in `custom_objects`.
    """
    from oxhorn.saving import legacy_config
    from oxhorn.saving.serialization_lib import deserialize_keras_object

    return deserialize_keras_object(legacy_config.loads(json_string), custom_objects=custom_objects)
