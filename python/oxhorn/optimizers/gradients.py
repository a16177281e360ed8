"""Norms and clipping of gradients."""

from oxhorn import ops


def clip_by_norm(gradient, limit):
    """Scales the gradient down if its L2 norm exceeds `limit`."""
    total = ops.sum(ops.square(gradient))
    is_positive = total > 0  # The derivative of sqrt at 0 is infinite.
    norm = ops.where(is_positive, ops.sqrt(ops.where(is_positive, total, 1)), total)
    return gradient * limit / ops.maximum(norm, limit)


def global_norm(gradients):
    """The L2 norm of all gradients together; None counts as 0."""
    return ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients if g is not None))


def clip_by_global_norm(gradients, limit):
    """Scales all gradients alike if their common L2 norm exceeds `limit`; an infinite norm gives NaN."""
    norm = global_norm(gradients)
    scale = limit * ops.minimum(1.0 / norm, 1.0 / limit) + (norm - norm)
    return [g if g is None else g * scale for g in gradients]
