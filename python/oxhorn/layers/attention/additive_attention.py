from oxhorn import ops
from oxhorn.layers.attention.attention import Attention


class AdditiveAttention(Attention):
    """Attention whose scores are the sum of `scale * tanh(query + key)` (Bahdanau et al., 2015).

    Args:
        use_scale: whether `scale` is learned, one number per feature, instead of 1.
        dropout: share of the weights dropped while training.

    See `Attention` for the call arguments.
    """

    def __init__(self, use_scale=True, dropout=0.0, **kwargs):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape):
        self._validate_inputs(input_shape)
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight(
                name="scale",
                shape=(input_shape[0][-1],),
                initializer="glorot_uniform",
                dtype=self.dtype,
                trainable=True,
            )

    def _calculate_scores(self, query, key):
        scores = ops.tanh(ops.expand_dims(query, -2) + ops.expand_dims(key, -3))
        return ops.sum(scores if self.scale is None else self.scale * scores, axis=-1)

    def get_config(self):
        config = super().get_config()
        del config["score_mode"]
        return config
