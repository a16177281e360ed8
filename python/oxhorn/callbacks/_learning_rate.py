"""Learning rates of a model's optimizer, or of several in a `MultiOptimizer`."""

import numpy as np


def optimizers_of(model):
    """Pairs of a label, "" for a single optimizer, and an optimizer that has a learning rate.

    Raises:
        ValueError: if one has none.
    """
    inner = getattr(model.optimizer, "optimizers", None)
    pairs = [("", model.optimizer)] if inner is None else [(f"{each.name} ", each) for each in inner]
    if not all(hasattr(optimizer, "learning_rate") for _, optimizer in pairs):
        raise ValueError('Optimizer must have a "learning_rate" attribute.')
    return pairs


def rate_of(optimizer):
    return float(np.asarray(optimizer.learning_rate))


def log_rates(model, logs):
    """Adds "learning_rate", or one "learning_rate_<name>" per inner optimizer, to the logs."""
    for label, optimizer in optimizers_of(model):
        suffix = f"_{label.strip()}" if label else ""
        logs[f"learning_rate{suffix}"] = rate_of(optimizer)
