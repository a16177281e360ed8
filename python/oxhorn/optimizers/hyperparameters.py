"""The decorator of optimizers' constructors."""

import functools
import inspect
from typing import TypedDict

from oxhorn.optimizers.optimizer import Optimizer

_BASE = [
    parameter
    for name, parameter in inspect.signature(Optimizer.__init__).parameters.items()
    if name not in ("self", "learning_rate", "kwargs")
]


class BaseArguments(TypedDict, total=False):
    """The arguments of `Optimizer` besides the learning rate, for type checkers."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


def hyperparameters(init):
    """Lets a constructor name only the arguments that are its own.

    Those of `Optimizer` follow its positional ones, in the order of `Optimizer`, and reach it in
    `**kwargs`; they can be given by position too, and so can arguments after a `*`, which come last.
    `Optimizer.get_config` writes the own arguments from the attributes of their names.
    """
    signature = inspect.signature(init)
    *own, var_keywords = signature.parameters.values()
    first = [p for p in own if p.kind is p.POSITIONAL_OR_KEYWORD]
    base = [p for p in _BASE if p.name not in signature.parameters]
    last = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in own if p.kind is p.KEYWORD_ONLY]
    parameters = [*first, *base, *last]
    names = [p.name for p in parameters]

    @functools.wraps(init)
    def wrapper(self, *args, **kwargs):
        if len(args) >= len(names):
            raise TypeError(f"{type(self).__name__} takes at most {len(names) - 1} positional arguments.")
        for name, value in zip(names[1:], args, strict=False):
            if name in kwargs:
                raise TypeError(f"{type(self).__name__} got multiple values for argument '{name}'")
            kwargs[name] = value
        init(self, **kwargs)

    wrapper.__signature__ = signature.replace(parameters=[*parameters, var_keywords])
    inherited = {"self", "learning_rate", *(p.name for p in _BASE)}
    wrapper.hyperparameters = [p.name for p in own if p.name not in inherited]
    return wrapper
