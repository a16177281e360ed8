"""How training changes weights."""

from oxhorn._base import lookup
from oxhorn.optimizers import legacy, schedules
from oxhorn.optimizers.adadelta import Adadelta
from oxhorn.optimizers.adafactor import Adafactor
from oxhorn.optimizers.adagrad import Adagrad
from oxhorn.optimizers.adam import Adam, AdamW
from oxhorn.optimizers.adamax import Adamax
from oxhorn.optimizers.ftrl import Ftrl
from oxhorn.optimizers.lamb import Lamb
from oxhorn.optimizers.lion import Lion
from oxhorn.optimizers.loss_scale_optimizer import LossScaleOptimizer
from oxhorn.optimizers.multi_optimizer import MultiOptimizer, OptimizerMap
from oxhorn.optimizers.muon import Muon
from oxhorn.optimizers.nadam import Nadam
from oxhorn.optimizers.optimizer import Optimizer
from oxhorn.optimizers.rmsprop import RMSprop
from oxhorn.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from oxhorn.optimizers.sgd import SGD

_TABLE = {
    cls.__name__: cls
    for cls in (
        Optimizer,
        Adadelta,
        Adafactor,
        Adagrad,
        Adam,
        Adamax,
        AdamW,
        Ftrl,
        Lamb,
        Lion,
        LossScaleOptimizer,
        MultiOptimizer,
        Muon,
        Nadam,
        OptimizerMap,
        RMSprop,
        ScheduleFreeAdamW,
        SGD,
    )
}
_NAMES = {name.lower(): name for name in _TABLE}


def serialize(optimizer):
    """The configuration of an optimizer as a dict."""
    return lookup.serialize(optimizer)


def deserialize(config, custom_objects=None):
    """The optimizer that `serialize` described; the class name may be in any case."""
    name = config["class_name"]
    config = {**config, "class_name": _NAMES.get(name.lower(), name)}
    return lookup.deserialize(config, _TABLE, custom_objects)


def get(identifier):
    """An optimizer from its name, in any case, or its serialized form.

    Raises ValueError for anything else; None gives None.
    """
    if identifier is None:
        return None
    obj = identifier
    if isinstance(identifier, str):
        cls = lookup.named(_NAMES.get(identifier.lower(), identifier), _TABLE)
        obj = cls and cls()
    elif isinstance(identifier, dict):
        obj = deserialize(identifier)
    if isinstance(obj, Optimizer):
        return obj
    raise ValueError(f"Could not interpret optimizer identifier: {identifier}")
