from oxhorn import ops
from oxhorn._base.settings import is_flash_attention_enabled
from oxhorn.layers.activations.softmax import Softmax
from oxhorn.layers.attention._masks import all_of, causal_mask, sliding_window_mask
from oxhorn.layers.layer import Layer
from oxhorn.layers.regularization.dropout import Dropout


class AttentionHeads(Layer):
    """What attention layers with projections share: masks, weights, and products over all heads.

    Subclasses have `dropout` and `seed`, call `_configure_attention` and, in `build()`, `_build_weights`;
    they set `_combine_equation`, the einsum of weights and value, and define `_scores(query, key)`.
    """

    def _configure_attention(self, head_size, dropout, sliding_window, flash_attention):
        if sliding_window is not None and (not isinstance(sliding_window, int) or sliding_window <= 0):
            raise ValueError(
                "`sliding_window` must be `None` or a positive integer. "
                f"Received: sliding_window={sliding_window}"
            )
        self._sliding_window = sliding_window
        self._score_scale = float(head_size) ** -0.5
        self._flash_attention = flash_attention or is_flash_attention_enabled()
        if self._flash_attention and dropout > 0.0:
            raise ValueError(
                "Dropout is not supported when flash attention is enabled. Please set dropout to 0.0 to use "
                "flash attention."
            )

    def _attended_axes(self):
        """How many axes of the scores, for queries and for keys each, the weights run over."""
        return 1

    def _build_weights(self, softmax_axis):
        self._softmax = Softmax(axis=softmax_axis, dtype=self.dtype_policy)
        self._dropout_layer = Dropout(rate=self.dropout, dtype=self.dtype_policy, seed=self.seed)

    def _compute_causal_mask(self, query, value=None):
        return causal_mask(query.shape[1], (query if value is None else value).shape[1])

    def _compute_sliding_window_mask(self, query, value=None):
        value = query if value is None else value
        return sliding_window_mask(query.shape[1], value.shape[1], self._sliding_window)

    def _compute_attention_mask(
        self,
        query,
        value,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        use_causal_mask=False,
    ):
        """One mask, broadcastable to `(batch, Tq, Tv)`, from those given, or `None`."""
        masks = [attention_mask]
        if query_mask is not None:
            masks.append(ops.expand_dims(query_mask, -1))
        masks += [ops.expand_dims(mask, -2) for mask in (value_mask, key_mask) if mask is not None]
        if use_causal_mask:
            masks.append(self._compute_causal_mask(query, value))
        if self._sliding_window is not None:
            masks.append(self._compute_sliding_window_mask(query, value))
        return all_of(masks)

    def _resolve_masks(self, query, value, attention_mask, use_causal_mask, **masks):
        """The mask for `_compute_attention`, and arguments that stand for masks it does not contain.

        A causal mask alone is left to the fused kernels, unless a subclass has its own `_compute_attention`.
        """
        given = (attention_mask, self._sliding_window, *masks.values())
        inherited = type(self)._compute_attention is AttentionHeads._compute_attention
        if use_causal_mask and inherited and all(mask is None for mask in given):
            return None, {"use_causal_mask": True}
        mask = self._compute_attention_mask(
            query, value, attention_mask=attention_mask, use_causal_mask=use_causal_mask, **masks
        )
        return mask, {}

    def _add_head_axes(self, mask, rank):
        """`mask` with axes for the heads, before those for queries and keys."""
        axis = -2 * self._attended_axes() - 1
        while len(mask.shape) < rank:
            mask = ops.expand_dims(mask, axis)
        return mask

    def _masked_softmax(self, attention_scores, attention_mask=None):
        if attention_mask is not None:
            attention_mask = self._add_head_axes(attention_mask, len(attention_scores.shape))
        return self._softmax(attention_scores, mask=attention_mask)

    def _compute_attention(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        """Output of all heads, and the weights (`None` when a fused kernel may be used).

        `use_causal_mask` stands for a mask that `attention_mask` does not contain.
        """
        if self._flash_attention and return_attention_scores:
            raise ValueError(
                "Returning attention scores is not supported when flash attention is enabled. Please disable "
                "flash attention to access attention scores."
            )
        if not (self.dropout > 0.0 or return_attention_scores or len(query.shape) != 4):
            if attention_mask is not None:
                attention_mask = ops.cast(self._add_head_axes(attention_mask, 4), "bool")
            output = ops.dot_product_attention(
                query,
                key,
                value,
                mask=attention_mask,
                scale=self._score_scale,
                is_causal=use_causal_mask,
                flash_attention=self._flash_attention,
            )
            return output, None
        if use_causal_mask:
            attention_mask = all_of([attention_mask, self._compute_causal_mask(query, value)])
        scores = self._scores(ops.multiply(query, ops.cast(self._score_scale, query.dtype)), key)
        scores = self._masked_softmax(scores, attention_mask)
        weights = self._dropout_layer(scores, training=training) if self.dropout > 0.0 else scores
        return ops.einsum(self._combine_equation, weights, value), scores
