"""Learning rates that change with the step."""

from oxhorn._base import lookup
from oxhorn.optimizers.schedules.learning_rate_schedule import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

_TABLE = {
    cls.__name__: cls
    for cls in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        LearningRateSchedule,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(learning_rate_schedule):
    """The configuration of a schedule as a dict."""
    return lookup.serialize(learning_rate_schedule)


def deserialize(config, custom_objects=None):
    """The schedule that `serialize` described."""
    return lookup.deserialize(config, _TABLE, custom_objects)
