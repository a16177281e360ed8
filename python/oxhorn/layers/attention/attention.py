from oxhorn import ops, random
from oxhorn._base.dtypes import standardize_dtype
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn.layers._parameters import config_of
from oxhorn.layers.attention._masks import causal_mask
from oxhorn.layers.layer import Layer
from oxhorn.random import SeedGenerator


class Attention(Layer):
    """Dot-product attention without projections (Luong et al., 2015).

    Args:
        use_scale: whether to multiply the scores by a learned number.
        score_mode: `"dot"`: the product of query and key; `"concat"`: the sum of `tanh(query + key)`.
        dropout: share of the weights dropped while training.

    Call arguments:
        inputs: `[query, value]` or `[query, value, key]`, of shapes `(batch, Tq, dim)`, `(batch, Tv, dim)`,
            `(batch, Tv, dim)`; the key is the value by default.
        mask: `[query mask, value mask]`, boolean `(batch, Tq)` and `(batch, Tv)`.
        return_attention_scores: whether to return the weights `(batch, Tq, Tv)` after the output.
        use_causal_mask: whether a position sees only those up to its own.
    """

    def __init__(self, use_scale=False, score_mode="dot", dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                "Invalid value for argument score_mode. Expected one of {'dot', 'concat'}. "
                f"Received: score_mode={score_mode}"
            )
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        if dropout > 0:
            self.seed_generator = SeedGenerator(seed)

    def build(self, input_shape):
        self._validate_inputs(input_shape)
        self.scale = self._add_scalar("scale") if self.use_scale else None
        self.concat_score_weight = None
        if self.score_mode == "concat":
            self.concat_score_weight = self._add_scalar("concat_score_weight")

    def _add_scalar(self, name):
        return self.add_weight(name=name, shape=(), initializer="ones", dtype=self.dtype, trainable=True)

    def _calculate_scores(self, query, key):
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else ops.multiply(scores, self.scale)
        total = ops.expand_dims(query, -2) + ops.expand_dims(key, -3)
        if self.scale is not None:
            total = self.scale * total
        return self.concat_score_weight * ops.sum(ops.tanh(total), axis=-1)

    def _calculate_score_mask(self, scores, v_mask, use_causal_mask):
        """Boolean, broadcastable to the scores: false for pairs that do not count."""
        if v_mask is not None:
            v_mask = ops.expand_dims(ops.cast(v_mask, "bool"), -2)
        if not use_causal_mask:
            return v_mask
        causal = causal_mask(*scores.shape[-2:])
        return causal if v_mask is None else ops.logical_and(v_mask, causal)

    def _apply_scores(self, scores, value, scores_mask=None, training=False):
        if scores_mask is not None:
            large = 65504.0 if standardize_dtype(scores.dtype) == "float16" else 1e9
            scores = ops.where(scores_mask, scores, scores - large)
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        return ops.matmul(weights, value), weights

    def call(self, inputs, mask=None, training=False, return_attention_scores=False, use_causal_mask=False):
        self._validate_inputs(inputs, mask)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        q_mask, v_mask = mask[:2] if mask else (None, None)
        scores = self._calculate_scores(query=query, key=key)
        scores_mask = self._calculate_score_mask(scores, v_mask, use_causal_mask)
        output, weights = self._apply_scores(scores, value, scores_mask, training)
        if q_mask is not None:
            output = ops.where(ops.expand_dims(ops.cast(q_mask, "bool"), -1), output, 0)
        return (output, weights) if return_attention_scores else output

    def compute_mask(self, inputs, mask=None):
        self._validate_inputs(inputs, mask)
        if mask is None or mask[0] is None:
            return None
        return mask[0] if isinstance(mask[0], KerasTensor) else ops.convert_to_tensor(mask[0])

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(
        self, inputs, mask=None, return_attention_scores=False, training=None, use_causal_mask=False
    ):
        self._validate_inputs(inputs, mask)
        shape = self.compute_output_shape([x.shape for x in inputs])
        output = KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        scores_shape = (*inputs[0].shape[:-1], inputs[-1].shape[-2])
        return output, KerasTensor(scores_shape, dtype=self.compute_dtype)

    def _validate_inputs(self, inputs, mask=None):
        name = type(self).__name__
        if not isinstance(inputs, list) or len(inputs) not in (2, 3):
            what = (
                "must be called on a list of inputs"
                if not isinstance(inputs, list)
                else ("accepts inputs list of length 2 or 3")
            )
            raise ValueError(
                f"{name} layer {what}, namely [query, value] or [query, value, key]. "
                f"Received: inputs={inputs}."
            )
        if mask is None:
            return
        if not isinstance(mask, list):
            raise ValueError(
                f"{name} layer mask must be a list, namely [query_mask, value_mask]. Received: mask={mask}."
            )
        if len(mask) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts mask list of length 2 or 3. Received: inputs={inputs}, mask={mask}."
            )

    def get_config(self):
        names = ("use_scale", "score_mode", "dropout", "seed")
        return {**super().get_config(), **config_of(self, names)}
