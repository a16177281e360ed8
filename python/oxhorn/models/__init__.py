"""Models, and making them from other models and from JSON."""

from oxhorn._base import lazy as _lazy

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "models.cloning": "clone_model",
        "models.functional": "Functional",
        "models.model": "Model model_from_json",
        "models.sequential": "Sequential",
        "saving.saving_api": "load_model save_model",
    },
)
