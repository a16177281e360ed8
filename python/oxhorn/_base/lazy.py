"""Namespaces whose names are imported when they are first used (PEP 562).

__getattr__, __dir__ = lazy.namespace(__name__, {"layers.core.dense": "Dense"})
"""

import importlib
import sys


def namespace(name, places, aliases=None, submodules=()):
    """What a package's `__init__.py` needs to import its public names lazily.

    Args:
        name: the package's `__name__`.
        places: dict from modules, named from within `oxhorn`, to the names that they define, separated by
            spaces.
        aliases: dict from further names to names of the namespace.
        submodules: names of public modules of the package.

    Returns:
        `__getattr__` and `__dir__`. What a module that does not exist would hold is no attribute.
    """
    aliases = aliases or {}
    modules = {attribute: module for module, names in places.items() for attribute in names.split()}
    package = sys.modules[name]

    def directory():
        return sorted({*vars(package), *modules, *aliases, *submodules})

    def get(attribute):
        if attribute in aliases:
            value = getattr(package, aliases[attribute])
        elif attribute in modules:
            value = getattr(load(f"oxhorn.{modules[attribute]}", attribute), attribute)
        elif attribute in submodules:
            value = load(f"{name}.{attribute}", attribute)
        elif attribute == "__all__":  # asked for by `from package import *`
            return [
                public for public in directory() if not public.startswith("_") and hasattr(package, public)
            ]
        else:
            raise missing(attribute)
        setattr(package, attribute, value)
        return value

    def load(module, attribute):
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
        raise missing(attribute)

    def missing(attribute):
        return AttributeError(f"module {name!r} has no attribute {attribute!r}")

    return get, directory
