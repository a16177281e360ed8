"""Attention."""

import math

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import dtype_of, float_max, join_dtypes, to_dtype, where


def _check_ranks(query, key, value):
    if not len(query.shape) == len(key.shape) == len(value.shape) == 4:
        raise ValueError(
            "`dot_product_attention` only supports 4D inputs. Received: "
            f"query.shape={query.shape}, key.shape={key.shape}, value.shape={value.shape}."
        )


def _spec(query, key, value, *args, **kwargs):
    _check_ranks(query, key, value)
    dtype = join_dtypes(*(dtype_of(v) for v in (query, key, value)))
    return KerasTensor((*query.shape[:-1], value.shape[-1]), dtype=dtype)


@op(tensors=("query", "key", "value", "bias", "mask", "scale"), spec=_spec)
def dot_product_attention(
    query,
    key,
    value,
    bias=None,
    mask=None,
    scale=None,
    is_causal=False,
    flash_attention=None,
    attn_logits_soft_cap=None,
):
    """softmax(query keyᵀ * scale + bias) value, for several heads at once.

    Args:
        query: `(batch, targets, heads, depth)`.
        key, value: `(batch, sources, key_heads, depth)`; key_heads divides heads.
        bias: added to the logits; broadcast to `(batch, heads, targets, sources)`.
        mask: True where attention is allowed; broadcast likewise.
        scale: 1 / sqrt(depth) by default.
        is_causal: no target attends to later sources.
        flash_attention: accepted; the engine chooses how to compute.
        attn_logits_soft_cap: not supported.
    """
    if attn_logits_soft_cap is not None:
        raise ValueError("attn_logits_soft_cap is only supported for JAX on TPU.")
    dtype = join_dtypes(*(dtype_of(v) for v in (query, key, value)))
    query, key, value = (to_dtype(v, dtype) for v in (query, key, value))
    _check_ranks(query, key, value)
    batch, targets, heads, depth = query.shape
    sources, key_heads = key.shape[1:3]
    if heads % key_heads:
        raise ValueError(f"The query's {heads} heads must be a multiple of the key's {key_heads}.")
    # (batch, key_heads, group, ...): the heads of a group share a key and a value.
    group = heads // key_heads
    query = _core.reshape(query, (batch, targets, key_heads, group, depth))
    query = _core.transpose(query, (0, 2, 3, 1, 4))
    key, value = (
        _core.reshape(_core.transpose(v, (0, 2, 1, 3)), (batch, key_heads, 1, sources, v.shape[-1]))
        for v in (key, value)
    )
    logits = to_dtype(_core.matmul(query, key, False, True), join_dtypes(dtype, "float32"))
    logits = logits * (1 / math.sqrt(depth) if scale is None else scale)
    logits = _core.reshape(logits, (batch, heads, targets, sources))
    if bias is not None:
        logits = logits + to_dtype(convert_to_tensor(bias), logits.dtype)
    allowed = None if mask is None else to_dtype(mask, "bool")
    if is_causal:
        shape = (targets, sources)
        past = _core.iota(shape, 0, "int32") >= _core.iota(shape, 1, "int32")
        allowed = past if allowed is None else _core.elementwise("logical_and", allowed, past)
    if allowed is not None:
        logits = where(allowed, logits, -0.7 * float_max(logits.dtype))
    weights = to_dtype(_core.softmax(logits, 3), dtype)
    weights = _core.reshape(weights, (batch, key_heads, group, targets, sources))
    result = _core.transpose(_core.matmul(weights, value), (0, 3, 1, 2, 4))
    return _core.reshape(result, (batch, targets, heads, value.shape[-1]))
