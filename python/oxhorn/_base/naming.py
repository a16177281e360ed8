"""Names of objects: `Conv2D` is `conv2d`, the second one `conv2d_1`."""

import collections
import re

from oxhorn._base.global_state import get_global_attribute, set_global_attribute


def to_snake_case(name):
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _counters():
    return get_global_attribute("object_name_uids", collections.defaultdict(int), set_to_default=True)


def uniquify(name):
    """`name` at its first use, then `name_1`, `name_2`, ..."""
    counters = _counters()
    count = counters[name]
    counters[name] += 1
    return f"{name}_{count}" if count else name


def auto_name(prefix):
    return uniquify(to_snake_case(prefix))


def get_uid(prefix=""):
    """A counter per prefix: 1 at the first call, then 2, ..."""
    counters = _counters()
    counters[prefix] += 1
    return counters[prefix]


def reset_uids():
    set_global_attribute("object_name_uids", collections.defaultdict(int))


def get_object_name(obj):
    """The name that metrics and losses are logged under."""
    if hasattr(obj, "name"):
        return obj.name
    if hasattr(obj, "__name__"):
        return to_snake_case(obj.__name__)
    return to_snake_case(type(obj).__name__)
