"""Names are imported when they are used, and look like any others before."""

import importlib
import os
import subprocess
import sys

import pytest

import oxhorn
from oxhorn._base import lookup

NAMESPACES = ("layers", "ops", "ops.nn", "ops.image", "callbacks", "metrics", "optimizers", "models", "utils")


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_name_is_there(namespace):
    module = importlib.import_module(f"oxhorn.{namespace}")
    names = [name for name in dir(module) if not name.startswith("_")]
    assert len(names) >= 7 and names == sorted(names)
    for name in names:
        value = getattr(module, name)
        assert getattr(module, name) is value and vars(module)[name] is value


def test_other_names_of_a_class_are_the_class():
    assert oxhorn.layers.MaxPool2D is oxhorn.layers.MaxPooling2D
    assert oxhorn.ops.swish is oxhorn.ops.silu
    assert oxhorn.Model is oxhorn.models.Model


def test_missing_names():
    for module in (oxhorn, oxhorn.layers, oxhorn.ops):
        assert not hasattr(module, "nothing")
        with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'nothing'"):
            module.nothing  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("oxhorn.layers.nothing")


def test_star_import():
    names = {}
    exec("from oxhorn.layers import *", names)
    assert names["Dense"] is oxhorn.layers.Dense and names["AvgPool1D"] is oxhorn.layers.AveragePooling1D
    assert names["serialize"] is oxhorn.layers.serialize
    assert not [name for name in names if name.startswith("_") and name != "__builtins__"]


def test_nothing_is_imported_before_it_is_needed(tmp_path):
    code = """if True:
    import sys
    import oxhorn as keras
    assert "numpy" not in sys.modules and "oxhorn._core" not in sys.modules
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("rmsprop", "mse", metrics=["accuracy"])
    import numpy as np
    model.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0)
    model.predict(np.ones((2, 4)), verbose=0)
    unneeded = ("json", "multiprocessing", "concurrent.futures", "oxhorn.layers.rnn", "oxhorn.layers.merging",
                "oxhorn.ops.image", "oxhorn.ops.linalg", "oxhorn.optimizers.muon", "oxhorn.metrics.auc",
                "oxhorn.callbacks.model_checkpoint", "oxhorn.saving.saving_lib")
    print(*[name for name in unneeded if name in sys.modules])
    """
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}  # a configuration file would need JSON
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_tables_of_lazy_classes():
    table = lookup.NamespaceTable("oxhorn.metrics", {"mse": "MeanSquaredError"})
    assert table["MeanSquaredError"] is table["mean_squared_error"] is table["mse"]
    assert table["mse"] is oxhorn.metrics.MeanSquaredError
    assert "mse" in table and "get" not in table and table.get("nothing") is None
    assert len(table) == len(list(table)) and all(isinstance(cls, type) for cls in table.values())
