import string

from oxhorn import ops
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.masking import get_keras_mask, set_keras_mask
from oxhorn.layers._parameters import adopt, config_of
from oxhorn.layers.attention._heads import AttentionHeads
from oxhorn.layers.core.einsum_dense import EinsumDense


class MultiHeadAttention(AttentionHeads):
    """Attention over several projections of its inputs at once (Vaswani et al., 2017).

    Args:
        num_heads: int, the number of projections.
        key_dim: int, the size of each head's query and key.
        value_dim: int, the size of each head's value; `key_dim` by default.
        dropout: share of the weights dropped while training.
        use_bias: whether the projections have a bias.
        output_shape: shape of an output after the batch and query axes; that of a query by default.
        attention_axes: axes (without the batch at 0) to attend over; all but batch and features by default.
        sliding_window: int: positions this far apart or more do not see each other.
        flash_attention: whether to insist on a fused kernel; `None` leaves the choice to the engine.
        use_gate: whether the heads' outputs are multiplied by a sigmoid of another projection of the query.
        seed: int, of the dropout.

    Call arguments:
        query: `(batch, Tq, dim)`; value: `(batch, Tv, dim)`; key: `(batch, Tv, dim)`, the value by default.
        query_mask, value_mask, key_mask: boolean `(batch, Tq)` or `(batch, Tv)`.
        attention_mask: boolean, broadcastable to `(batch, Tq, Tv)` or, with the heads, one more axis.
        return_attention_scores: whether to return the weights `(batch, heads, Tq, Tv)` after the output.
        use_causal_mask: whether a position sees only those up to its own.
    """

    _parameters = (
        "num_heads",
        "key_dim",
        "value_dim",
        "dropout",
        "use_bias",
        "use_gate",
        "output_shape",
        "attention_axes",
        "sliding_window",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        dropout=0.0,
        use_bias=True,
        output_shape=None,
        attention_axes=None,
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
        _check_size("num_heads", num_heads)
        _check_size("key_dim", key_dim)
        if value_dim is not None:
            _check_size("value_dim", value_dim, or_none=True)
        super().__init__(**kwargs)
        self.supports_masking = True
        adopt(
            self,
            _num_heads=num_heads,
            _key_dim=key_dim,
            _value_dim=value_dim or key_dim,
            _dropout=dropout,
            _use_bias=use_bias,
            _use_gate=use_gate,
            _output_shape=_standardize_output_shape(output_shape),
            _attention_axes=_standardize_attention_axes(attention_axes),
            _kernel_initializer=kernel_initializer,
            _bias_initializer=bias_initializer,
            _kernel_regularizer=kernel_regularizer,
            _bias_regularizer=bias_regularizer,
            _activity_regularizer=activity_regularizer,
            _kernel_constraint=kernel_constraint,
            _bias_constraint=bias_constraint,
        )
        self.seed = seed
        self._configure_attention(key_dim, dropout, sliding_window, flash_attention)

    num_heads = property(lambda self: self._num_heads)
    key_dim = property(lambda self: self._key_dim)
    value_dim = property(lambda self: self._value_dim)
    dropout = property(lambda self: self._dropout)
    use_bias = property(lambda self: self._use_bias)
    attention_axes = property(lambda self: self._attention_axes)
    query_dense = property(lambda self: self._query_dense)
    key_dense = property(lambda self: self._key_dense)
    value_dense = property(lambda self: self._value_dense)
    output_dense = property(lambda self: self._output_dense)

    def get_config(self):
        config = super().get_config()
        own = config_of(self, [f"_{name}" for name in self._parameters])
        config.update({name.removeprefix("_"): value for name, value in own.items()})
        config["seed"] = self.seed
        return config

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        _check_lengths(value_shape, key_shape)
        self._query_dense = self._project("query", query_shape, self._key_dim)
        self._key_dense = self._project("key", key_shape, self._key_dim)
        if self._use_gate:
            self._gate_dense = self._project("gate", query_shape, self._value_dim, activation="sigmoid")
        self._value_dense = self._project("value", value_shape, self._value_dim)
        self._build_attention(len(value_shape) + 1)
        self._output_dense = self._make_output_dense(
            query_shape, self._get_common_kwargs_for_sublayer(), "attention_output"
        )
        heads_shape = self._query_dense.compute_output_shape(query_shape)
        self._output_dense.build((*heads_shape[:-1], self._value_dim))

    def _project(self, name, shape, size, activation=None):
        """The projection `name` of inputs of `shape` to heads of `size`, built."""
        equation, bias_axes, rank = _projection_equation(len(shape) - 1, 1, 2)
        dense = EinsumDense(
            equation,
            output_shape=_known_last(rank - 1, (self._num_heads, size)),
            bias_axes=bias_axes if self._use_bias else None,
            activation=activation,
            name=name,
            **self._get_common_kwargs_for_sublayer(),
        )
        dense.build(shape)
        return dense

    def _make_output_dense(self, query_shape, common_kwargs, name=None):
        output_shape = self._output_shape or (query_shape[-1],)
        equation, bias_axes, rank = _projection_equation(len(query_shape) - 1, 2, len(output_shape))
        return EinsumDense(
            equation,
            output_shape=_known_last(rank - 1, output_shape),
            bias_axes=bias_axes if self._use_bias else None,
            name=name,
            **common_kwargs,
        )

    def _get_common_kwargs_for_sublayer(self):
        return sublayer_options(
            self,
            kernel_initializer=self._kernel_initializer,
            bias_initializer=self._bias_initializer,
            kernel_regularizer=self._kernel_regularizer,
            bias_regularizer=self._bias_regularizer,
            activity_regularizer=self._activity_regularizer,
            kernel_constraint=self._kernel_constraint,
            bias_constraint=self._bias_constraint,
        )

    def _build_attention(self, rank):
        """Prepares the products for heads of `rank` axes."""
        if self._attention_axes is None:
            self._attention_axes = tuple(range(1, rank - 2))
        else:
            self._attention_axes = tuple(a if a >= 0 else rank - 1 + a for a in self._attention_axes)
        equations = _attention_equations(rank, self._attention_axes)
        self._dot_product_equation, self._combine_equation, scores_rank = equations
        self._build_weights(tuple(range(scores_rank - len(self._attention_axes), scores_rank)))

    def _attended_axes(self):
        return len(self._attention_axes)

    def _scores(self, query, key):
        return ops.einsum(self._dot_product_equation, key, query)

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
        query_mask = get_keras_mask(query) if query_mask is None else query_mask
        # From here on masks are handled in this layer; the projections shall not see them.
        for x in (query, value, key):
            set_keras_mask(x, None)
        attention_mask, extra = self._resolve_masks(
            query,
            value,
            attention_mask,
            use_causal_mask,
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
        )
        output, scores = self._compute_attention(
            self._query_dense(query),
            self._key_dense(key),
            self._value_dense(value),
            attention_mask,
            training,
            return_attention_scores,
            **extra,
        )
        if self._use_gate:
            output = ops.multiply(output, self._gate_dense(query))
        output = self._output_dense(output)
        if query_mask is not None:
            set_keras_mask(output, query_mask)
        return (output, scores) if return_attention_scores else output

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        _check_lengths(value_shape, value_shape if key_shape is None else key_shape)
        query_shape = tuple(query_shape)
        return query_shape[:-1] + self._output_shape if self._output_shape else query_shape

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
        scores_shape = (query.shape[0], self._num_heads, query.shape[1], value.shape[1])
        return output, KerasTensor(scores_shape, dtype=self.compute_dtype)


def sublayer_options(layer, kernel_initializer, bias_initializer, **options):
    """Arguments for a projection of `layer`: initializers are copied, so that each draws its own numbers."""
    return {
        "kernel_initializer": type(kernel_initializer).from_config(kernel_initializer.get_config()),
        "bias_initializer": type(bias_initializer).from_config(bias_initializer.get_config()),
        "dtype": layer.dtype_policy,
        **options,
    }


def _check_size(name, value, or_none=False):
    if not isinstance(value, int) or value <= 0:
        raise ValueError(
            f"Received an invalid value for argument `{name}`, expected a positive integer"
            f"{' or `None`' if or_none else ''}. Received: {name}={value}"
        )


def _check_lengths(value_shape, key_shape):
    if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
        raise ValueError(
            "All dimensions of `value` and `key`, except the last one, must be equal. "
            f"Received: value_shape={value_shape} and key_shape={key_shape}"
        )


def _standardize_output_shape(output_shape):
    if not output_shape:
        return output_shape
    if isinstance(output_shape, int):
        return (output_shape,)
    try:
        return tuple(output_shape)
    except TypeError:
        raise ValueError(
            f"Invalid `output_shape`: {output_shape}. When specified, the `output_shape` should be of type "
            "tuple, list, or int."
        ) from None


def _standardize_attention_axes(axes):
    if isinstance(axes, int):
        return (axes,)
    if axes and not isinstance(axes, (list, tuple)):
        raise ValueError(f"`attention_axes` must be an int, list, or tuple. Received: attention_axes={axes}")
    return axes


def _known_last(rank, sizes):
    """A shape of `rank` axes of which only the last sizes are known."""
    return (*(None,) * (rank - len(sizes)), *sizes)


def _projection_equation(free, bound, output):
    """Einsum equation of a projection, its bias axes, and the rank of its result.

    The input has `free` axes that stay and then `bound` axes that are summed over; the kernel turns these
    into `output` axes.
    """
    letters = string.ascii_lowercase
    kept = letters[:free]
    summed = letters[free : free + bound]
    new = letters[free + bound : free + bound + output]
    return f"{kept}{summed},{summed}{new}->{kept}{new}", new, free + output


def _attention_equations(rank, attention_axes):
    """Einsum equations of scores (key, query) and of outputs (weights, value), and the rank of scores.

    Query, key and value have `rank` axes, the last of features. Scores have the axes that are not attended
    over, then those of queries, then those of keys.
    """
    query = string.ascii_lowercase[:rank]
    others = iter(string.ascii_lowercase[rank:])
    key = "".join(next(others) if i in attention_axes else letter for i, letter in enumerate(query))
    batch = "".join(query[i] for i in range(rank - 1) if i not in attention_axes)
    scores = batch + "".join(query[i] for i in attention_axes) + "".join(key[i] for i in attention_axes)
    return f"{key},{query}->{scores}", f"{scores},{key}->{query}", len(scores)
