"""Forward-mode derivatives by reversing twice: v -> Jᵀv is linear, and its own reverse is u -> J u."""

from oxhorn import _core, tree
from oxhorn._base.convert import convert_to_tensor


def jvp(fun, primals, tangents, has_aux):
    """See `ops.linalg.jvp`."""
    flat_in = [convert_to_tensor(p) for p in tree.flatten(primals)]
    flat_tangents = [convert_to_tensor(t) for t in tree.flatten(tangents)]
    if [(p.shape, p.dtype) for p in flat_in] != [(t.shape, t.dtype) for t in flat_tangents]:
        raise ValueError("`primals` and `tangents` must have the same structure, shapes and dtypes.")
    with _core.Tape() as tape:
        flat_in = [tape.watch(p) for p in flat_in]
        outputs = fun(*tree.pack_sequence_as(primals, flat_in))
        outputs, aux = outputs if has_aux else (outputs, None)
        flat_out = [convert_to_tensor(o) for o in tree.flatten(outputs)]
        weights = [tape.watch(_core.full(o.shape, 0, o.dtype)) for o in flat_out]
        pulled = _core.gradient(flat_out, flat_in, weights)
        pairs = [(g, t) for g, t in zip(pulled, flat_tangents) if g is not None]
        pushed = _core.gradient([g for g, _ in pairs], weights, [t for _, t in pairs])
    pushed = [_core.full(o.shape, 0, o.dtype) if p is None else p for o, p in zip(flat_out, pushed)]
    result = outputs, tree.pack_sequence_as(outputs, pushed)
    return (*result, aux) if has_aux else result
