"""Classes and functions of the user, by the names that files hold."""

import inspect

from oxhorn._base.global_state import get_global_attribute, set_global_attribute

GLOBAL_CUSTOM_OBJECTS = {}
GLOBAL_CUSTOM_NAMES = {}


def scoped_custom_objects():
    """The mapping of the open `CustomObjectScope`."""
    return get_global_attribute("custom_objects_scope_dict", {})


class CustomObjectScope:
    """Makes the objects of a dict known to loading functions called inside.

    Args:
        custom_objects: `{name: class or function}`.
    """

    def __init__(self, custom_objects):
        self.custom_objects = custom_objects or {}
        self._outer = []

    def __enter__(self):
        self._outer.append(scoped_custom_objects())
        set_global_attribute("custom_objects_scope_dict", dict(self.custom_objects))
        return self

    def __exit__(self, *args):
        set_global_attribute("custom_objects_scope_dict", self._outer.pop())


custom_object_scope = CustomObjectScope


def get_custom_objects():
    """The dict of registered objects itself; changing it registers and forgets objects."""
    return GLOBAL_CUSTOM_OBJECTS


def register_keras_serializable(package="Custom", name=None):
    """Decorator: registers a class or function as `package>name`, so that files that hold it can be loaded.

    Args:
        package: who it belongs to.
        name: defaults to the object's name.

    Raises:
        ValueError: a class without `get_config()`.
    """

    def decorator(arg):
        if inspect.isclass(arg) and not hasattr(arg, "get_config"):
            raise ValueError("Cannot register a class that does not have a get_config() method.")
        registered_name = f"{package}>{name if name is not None else arg.__name__}"
        GLOBAL_CUSTOM_OBJECTS[registered_name] = arg
        GLOBAL_CUSTOM_NAMES[arg] = registered_name
        return arg

    return decorator


def get_registered_name(obj):
    """The name that `obj` is registered under, or its own name."""
    if obj in GLOBAL_CUSTOM_NAMES:
        return GLOBAL_CUSTOM_NAMES[obj]
    return obj.__name__


def get_registered_object(name, custom_objects=None, module_objects=None):
    """The object called `name`: of the open scope, registered, or in one of the dicts; else None."""
    for table in (scoped_custom_objects(), GLOBAL_CUSTOM_OBJECTS, custom_objects, module_objects):
        if table and name in table:
            return table[name]
    return None
