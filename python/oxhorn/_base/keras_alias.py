"""Makes `import keras` and `from tensorflow import keras` mean Oxhorn."""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from multiprocessing import spawn

_PREFIXES = ("tensorflow.keras", "tensorflow.python.keras", "tf_keras", "keras")


def _target(name):
    """The Oxhorn module that a Keras module's name stands for, or None."""
    for prefix in _PREFIXES:
        if name == prefix or name.startswith(prefix + "."):
            return "oxhorn" + name[len(prefix) :]
    return None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves Keras's module names from Oxhorn's modules."""

    def __init__(self):
        self._own = {}

    def find_spec(self, fullname, path=None, target=None):
        if fullname == "tensorflow" or _target(fullname) is not None:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        if spec.name == "tensorflow":
            return _TensorFlow("tensorflow")
        try:
            module = importlib.import_module(_target(spec.name))
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"No module named {spec.name!r} (Oxhorn has no {error.name})") from None
        # The import system is about to write the alias's spec into the module.
        self._own[spec.name] = (module.__spec__, module.__loader__)
        return module

    def exec_module(self, module):
        """Puts the module's own spec back; the module itself has run under its own name."""
        name = module.__spec__.name
        if name in self._own:
            module.__spec__, module.__loader__ = self._own.pop(name)


class _TensorFlow(types.ModuleType):
    """`tensorflow` as far as scripts reach Keras through it."""

    __path__ = ()

    def __getattr__(self, name):
        if name == "keras":
            return importlib.import_module("oxhorn")
        if name == "GradientTape":
            return importlib.import_module("oxhorn").GradientTape
        if name == "function":
            return _function
        raise AttributeError(f"Oxhorn stands in for tensorflow.keras only; tensorflow.{name} is not there.")


def _function(func=None, **options):
    """`tf.function`; its options choose what is always so here (`jit_compile`) or never needed."""
    function = importlib.import_module("oxhorn").function
    return function if func is None else function(func)


class _Installed:
    """Installs the aliases where it is unpickled."""

    def __reduce__(self):
        return install, ()


def install():
    """Installs the aliases, ahead of installed packages of those names, here and in processes that this one
    starts."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    # A process of `multiprocessing` runs the script anew. What it needs before that comes as a pickled dict,
    # of which it leaves alone what it does not know.
    prepare = spawn.get_preparation_data
    spawn.get_preparation_data = lambda name: {**prepare(name), "keras_alias": _Installed()}
