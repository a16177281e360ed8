from oxhorn import ops
from oxhorn._base.masking import set_keras_mask
from oxhorn.layers.layer import Layer
from oxhorn.saving.serialization_lib import deserialize_keras_object


class Masking(Layer):
    """Marks time steps to be skipped: those whose features all equal `mask_value`.

    Input and output `(batch, time, features)`; skipped steps become 0 and are False in the mask.
    """

    def __init__(self, mask_value=0.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(mask_value, dict) and mask_value.get("config"):
            mask_value = deserialize_keras_object(mask_value)
        self.mask_value = mask_value
        self.supports_masking = True
        self._build_at_init()

    def compute_mask(self, inputs, mask=None):
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs):
        kept = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        outputs = ops.where(kept, inputs, 0)
        set_keras_mask(outputs, ops.squeeze(kept, axis=-1))
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mask_value": self.mask_value}
