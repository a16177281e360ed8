import inspect

from oxhorn import tree
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.symbolic import compute_output_spec
from oxhorn.layers.layer import Layer
from oxhorn.saving import lambdas
from oxhorn.saving.object_registration import GLOBAL_CUSTOM_OBJECTS, scoped_custom_objects
from oxhorn.saving.serialization_lib import deserialize_keras_object, in_safe_mode, serialize_keras_object


class Lambda(Layer):
    """Wraps a function of the inputs as a layer.

    Args:
        function: called with the inputs and `arguments`, and with `mask` and `training` if it takes them.
        output_shape: shape without the batch dimension, or a function of the input shape; default: found by
            running the function on symbolic tensors.
        mask: the output's mask, or a function of inputs and mask.
        arguments: dict of further keyword arguments.

    A Python lambda is written into files but never read from them: to load such a model, pass the function
    as `custom_objects={"<layer's name>": function}`. Prefer a subclass of `Layer`.
    """

    def __init__(self, function, output_shape=None, mask=None, arguments=None, **kwargs):
        super().__init__(**kwargs)
        self.arguments = arguments or {}
        self.function = function
        self.supports_masking = mask is not None
        self.mask = mask
        self._output_shape = output_shape
        names = inspect.getfullargspec(function).args
        self._fn_expects_training_arg = "training" in names
        self._fn_expects_mask_arg = "mask" in names

    def compute_output_shape(self, input_shape):
        if self._output_shape is None:
            try:
                inputs = tree.map_shape_structure(
                    lambda x: KerasTensor(x, dtype=self.compute_dtype), input_shape
                )
                return tree.map_structure(lambda x: x.shape, compute_output_spec(self.call, inputs))
            except Exception as error:
                raise NotImplementedError(
                    "We could not automatically infer the shape of the Lambda's output. Please specify the "
                    f"`output_shape` argument for this Lambda layer. Error encountered: {error}"
                ) from error
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        batch_size = tree.flatten(input_shape)[0]
        return tree.map_shape_structure(lambda shape: (batch_size, *shape), self._output_shape)

    def call(self, inputs, mask=None, training=None):
        kwargs = dict(self.arguments)
        if self._fn_expects_mask_arg:
            kwargs["mask"] = mask
        if self._fn_expects_training_arg:
            kwargs["training"] = training
        return self.function(inputs, **kwargs)

    def compute_mask(self, inputs, mask=None):
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self):
        config = {**super().get_config(), "function": _serialize(self.function)}
        if self._output_shape is not None:
            config["output_shape"] = _serialize(self._output_shape)
        if self.mask is not None:
            config["mask"] = _serialize(self.mask)
        config["arguments"] = serialize_keras_object(self.arguments)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        """The layer of a config.

        `safe_mode=False` (default: that of the loading call, else True) lets a config of this process that
        never was in a file give the lambda that it was made of.
        """
        config = dict(config)
        if safe_mode is None:
            safe_mode = in_safe_mode()
        known = {**(custom_objects or {}), **scoped_custom_objects(), **GLOBAL_CUSTOM_OBJECTS}
        name = config.get("name")
        for key in ("function", "output_shape", "mask"):
            given_as = name if key == "function" else f"{name}/{key}"
            value = config.get(key)
            if lambdas.is_lambda_config(value):
                config[key] = lambdas.load(value, given_as, known, safe_mode)
            elif key in config:
                config[key] = deserialize_keras_object(value, custom_objects=custom_objects)
        shape = config.get("output_shape")
        if isinstance(shape, list) and all(d is None or isinstance(d, int) for d in shape):
            config["output_shape"] = tuple(shape)
        if "arguments" in config:
            config["arguments"] = deserialize_keras_object(config["arguments"], custom_objects=custom_objects)
        return cls(**config)


def _serialize(x):
    if lambdas.is_lambda(x):
        code, defaults, closure = lambdas.dump(x)
        return lambdas.lambda_config(x, {"code": code, "defaults": defaults, "closure": closure})
    return serialize_keras_object(x)
