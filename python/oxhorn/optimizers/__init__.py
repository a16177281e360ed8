"""How training changes weights."""

from oxhorn._base import lazy as _lazy
from oxhorn._base import lookup

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "optimizers.adadelta": "Adadelta",
        "optimizers.adafactor": "Adafactor",
        "optimizers.adagrad": "Adagrad",
        "optimizers.adam": "Adam AdamW",
        "optimizers.adamax": "Adamax",
        "optimizers.ftrl": "Ftrl",
        "optimizers.lamb": "Lamb",
        "optimizers.lion": "Lion",
        "optimizers.loss_scale_optimizer": "LossScaleOptimizer",
        "optimizers.multi_optimizer": "MultiOptimizer OptimizerMap",
        "optimizers.muon": "Muon",
        "optimizers.nadam": "Nadam",
        "optimizers.optimizer": "Optimizer",
        "optimizers.rmsprop": "RMSprop",
        "optimizers.schedule_free_adamw": "ScheduleFreeAdamW",
        "optimizers.sgd": "SGD",
    },
    submodules=("legacy", "schedules"),
)

_TABLE = lookup.NamespaceTable(__name__)
_NAMES = {name.lower(): name for name in _TABLE.classes}


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
    from oxhorn.optimizers.optimizer import Optimizer

    if isinstance(obj, Optimizer):
        return obj
    raise ValueError(f"Could not interpret optimizer identifier: {identifier}")
