"""What the `get`, `serialize` and `deserialize` functions of the namespaces have in common."""

import inspect
import sys
from collections.abc import Mapping

from oxhorn._base.naming import to_snake_case


def name_table(classes, aliases=()):
    """Classes under their names and these in snake case, then `aliases` (a dict or pairs)."""
    table = {cls.__name__: cls for cls in classes}
    table.update({to_snake_case(cls.__name__): cls for cls in classes})
    table.update(aliases)
    return table


class NamespaceTable(Mapping):
    """The same for the classes of a lazy namespace, which are imported when they are looked up.

    Args:
        namespace: its `__name__`; its classes are what it exports in capitals.
        aliases: dict from further names to names of classes.
    """

    def __init__(self, namespace, aliases=None):
        self._namespace = sys.modules[namespace]
        self.classes = [name for name in dir(self._namespace) if name[0].isupper()]
        snake_case = {to_snake_case(name): name for name in self.classes}
        self._classes = {**{name: name for name in self.classes}, **snake_case, **(aliases or {})}

    def __getitem__(self, name):
        return getattr(self._namespace, self._classes[name])

    def __iter__(self):
        return iter(self._classes)

    def __len__(self):
        return len(self._classes)


def serialize(obj):
    from oxhorn.saving.serialization_lib import serialize_keras_object

    return serialize_keras_object(obj)


def deserialize(config, table=None, custom_objects=None):
    """The object that `config` describes; bare class names are looked up in `table`."""
    from oxhorn.saving.serialization_lib import deserialize_keras_object

    return deserialize_keras_object(config, module_objects=table, custom_objects=custom_objects)


def named(name, table):
    """What `table`, or else the registry of custom objects, has under a name; or None."""
    from oxhorn.saving.object_registration import get_registered_object

    return table.get(name) or get_registered_object(name)


def interpret(identifier, table, kind):
    """None, an object, its name in `table`, a class or a serialized object -> None or the object.

    Custom objects are also found by the name that they are registered under. Classes are instantiated
    without arguments. Raises ValueError if the result is not callable.
    """
    if identifier is None:
        return None
    obj = identifier
    if isinstance(identifier, dict):
        obj = deserialize(identifier, table)
    elif isinstance(identifier, str):
        obj = named(identifier, table)
    if inspect.isclass(obj):
        obj = obj()
    if not callable(obj):
        raise ValueError(f"Could not interpret {kind} identifier: {identifier}")
    return obj
