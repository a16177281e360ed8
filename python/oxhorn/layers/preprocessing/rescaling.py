from oxhorn import ops
from oxhorn._base.settings import image_data_format
from oxhorn.layers._same_shape import SameShape


class Rescaling(SameShape):
    """`inputs * scale + offset`, in the layer's compute dtype.

    Args:
        scale: number, or a sequence of numbers per channel.
        offset: number, or a sequence of numbers per channel.
    """

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self._allow_non_tensor_positional_args = True
        self.scale = scale
        self.offset = offset

    def call(self, inputs):
        scale = ops.cast(self.scale, self.compute_dtype)
        offset = ops.cast(self.offset, self.compute_dtype)
        if len(scale.shape) > 0 and image_data_format() == "channels_first":
            scale = ops.reshape(scale, (*scale.shape, *(1,) * (3 - len(scale.shape))))
        return ops.cast(inputs, self.compute_dtype) * scale + offset

    def get_config(self):
        from oxhorn.saving import serialize_keras_object

        return {
            **super().get_config(),
            "scale": serialize_keras_object(self.scale),
            "offset": serialize_keras_object(self.offset),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from oxhorn.saving import deserialize_keras_object

        config = dict(config)
        for name in ("scale", "offset"):
            config[name] = deserialize_keras_object(config[name], custom_objects=custom_objects)
        return cls(**config)
