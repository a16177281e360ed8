"""Models, and making them from other models and from JSON."""

from oxhorn.models.cloning import clone_model
from oxhorn.models.functional import Functional
from oxhorn.models.model import Model, model_from_json
from oxhorn.models.sequential import Sequential


def __getattr__(name):
    if name in ("load_model", "save_model"):
        from oxhorn.saving import saving_api

        return getattr(saving_api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
