from oxhorn import ops
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn.layers._parameters import adopt, config_of
from oxhorn.layers.attention._heads import AttentionHeads
from oxhorn.layers.attention.multi_head_attention import sublayer_options
from oxhorn.layers.core.einsum_dense import EinsumDense


class GroupedQueryAttention(AttentionHeads):
    """Multi-head attention in which groups of queries share keys and values (Ainslie et al., 2023).

    Exported as `GroupQueryAttention`.

    Args:
        head_dim: int, the size of each head.
        num_query_heads: int, a multiple of `num_key_value_heads`.
        num_key_value_heads: int: one for multi-query attention, as many as queries for multi-head attention.

    The other arguments, and those of a call, are those of `MultiHeadAttention`.
    """

    _keras_name = "GroupQueryAttention"

    _parameters = (
        "head_dim",
        "num_query_heads",
        "num_key_value_heads",
        "use_bias",
        "use_gate",
        "sliding_window",
        "dropout",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
        "seed",
    )

    def __init__(
        self,
        head_dim,
        num_query_heads,
        num_key_value_heads,
        dropout=0.0,
        use_bias=True,
        sliding_window=None,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        if num_query_heads % num_key_value_heads != 0:
            raise ValueError("`num_query_heads` must be divisible by `num_key_value_heads`.")
        adopt(
            self,
            head_dim=head_dim,
            num_query_heads=num_query_heads,
            num_key_value_heads=num_key_value_heads,
            dropout=dropout,
            use_bias=use_bias,
            use_gate=use_gate,
            sliding_window=sliding_window,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            seed=seed,
        )
        self.num_repeats = num_query_heads // num_key_value_heads
        self._configure_attention(head_dim, dropout, sliding_window, flash_attention)

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        self.feature_dim = query_shape[-1]
        queries, shared = self.num_query_heads, self.num_key_value_heads
        self._query_dense = self._project("query", query_shape, queries)
        self._key_dense = self._project("key", key_shape, shared)
        if self.use_gate:
            self._gate_dense = self._project("gate", query_shape, queries, activation="sigmoid")
        self._value_dense = self._project("value", value_shape, shared)
        self._build_weights(softmax_axis=-1)
        self._dot_product_equation = "bquh,bkuh->buqk"
        self._combine_equation = "buqk,bkuh->bquh"
        self._output_dense = EinsumDense(
            "bquh,uhm->bqm",
            output_shape=(None, self.feature_dim),
            bias_axes="m" if self.use_bias else None,
            name="attention_output",
            **self._get_common_kwargs_for_sublayer(),
        )
        self._output_dense.build((None, None, queries, self.head_dim))

    def _project(self, name, shape, heads, activation=None):
        """The projection `name` of inputs of `shape` to `heads` heads, built."""
        dense = EinsumDense(
            "btm,mnh->btnh",
            output_shape=(None, heads, self.head_dim),
            bias_axes="nh" if self.use_bias else None,
            activation=activation,
            name=name,
            **self._get_common_kwargs_for_sublayer(),
        )
        dense.build(shape)
        return dense

    def _get_common_kwargs_for_sublayer(self):
        return sublayer_options(
            self,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
        )

    def _scores(self, query, key):
        return ops.einsum(self._dot_product_equation, query, key)

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        key = value if key is None else key
        attention_mask, extra = self._resolve_masks(
            query,
            value,
            attention_mask,
            use_causal_mask,
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
        )
        if return_attention_scores:
            extra["return_attention_scores"] = True
        output, scores = self._compute_attention(
            self._query_dense(query),
            ops.repeat(self._key_dense(key), self.num_repeats, axis=2),
            ops.repeat(self._value_dense(value), self.num_repeats, axis=2),
            attention_mask=attention_mask,
            training=training,
            **extra,
        )
        if self.use_gate:
            output = ops.multiply(output, self._gate_dense(query))
        output = self._output_dense(output)
        return (output, scores) if return_attention_scores else output

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        if query_shape[-1] != value_shape[-1]:
            raise ValueError(
                "The last dimension of `query_shape` and `value_shape` must be equal, but are "
                f"{query_shape[-1]}, {value_shape[-1]}. Received: query_shape={query_shape}, "
                f"value_shape={value_shape}"
            )
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                "All dimensions of `value` and `key`, except the last one, must be equal. "
                f"Received: value_shape={value_shape} and key_shape={key_shape}"
            )
        return query_shape

    def compute_output_spec(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        key_shape = None if key is None else key.shape
        shape = self.compute_output_shape(query.shape, value.shape, key_shape)
        output = KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        length = (value if key is None else key).shape[1]
        scores_shape = (query.shape[0], self.num_query_heads, query.shape[1], length)
        return output, KerasTensor(scores_shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), **config_of(self, self._parameters)}
