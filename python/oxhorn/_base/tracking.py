"""Finds variables, layers and metrics among attribute values, also inside lists, dicts and sets."""

import functools
import types
from collections import OrderedDict

from oxhorn._base.global_state import get_global_attribute, set_global_attribute
from oxhorn._base.python_utils import remove_by_id
from oxhorn.tree import register_tree_node_class

_NEVER_TRACKED = frozenset((bool, int, float, str, type(None), types.FunctionType))


class DotNotTrackScope:
    """Inside, attributes are stored as they are."""

    def __enter__(self):
        self.original_value = is_tracking_enabled()
        set_global_attribute("tracking_on", False)

    def __exit__(self, *args):
        set_global_attribute("tracking_on", self.original_value)


def is_tracking_enabled():
    return get_global_attribute("tracking_on", True)


def no_automatic_dependency_tracking(fn):
    """Runs the function inside a `DotNotTrackScope`."""

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        with DotNotTrackScope():
            return fn(*args, **kwargs)

    return wrapper


class Tracker:
    """Puts objects of certain kinds into stores.

    Args:
        config: `{store name: (test, list)}`; the first test that an object passes decides.
        exclusions: `{store name: names of stores}`: an object that is in one of these is not added.

    Lists, dicts and sets are replaced by subclasses that track what is put into them later.
    """

    def __init__(self, config, exclusions=None):
        self.config = config
        self.stored_ids = {name: set() for name in config}
        self.locked = False
        self._lock_violation_msg = None
        self.exclusions = exclusions or {}

    def track(self, attr):
        """`attr`, or the tracking container that is to stand in its place."""
        if type(attr) in _NEVER_TRACKED or not is_tracking_enabled():
            return attr
        for name, (is_kind, _) in self.config.items():
            if is_kind(attr):
                excluded = any(self.is_in_store(other, attr) for other in self.exclusions.get(name, ()))
                if not excluded and not self.is_in_store(name, attr):
                    self.add_to_store(name, attr)
                return attr
        if isinstance(attr, tuple):
            items = [self.track(e) for e in attr]
            return type(attr)(*items) if hasattr(attr, "_fields") else type(attr)(items)
        for plain, tracked in _CONTAINERS:
            if isinstance(attr, plain):
                return tracked(attr, self)
        return attr

    def untrack(self, value):
        for name, ids in self.stored_ids.items():
            if id(value) in ids:
                ids.remove(id(value))
                remove_by_id(self.config[name][1], value)

    def lock(self, msg=None):
        self.locked = True
        if msg is not None:
            self._lock_violation_msg = msg

    def unlock(self):
        self.locked = False

    def add_to_store(self, store_name, value):
        if self.locked:
            raise ValueError(self._lock_violation_msg)
        self.config[store_name][1].append(value)
        self.stored_ids[store_name].add(id(value))

    def is_in_store(self, store_name, value):
        return id(value) in self.stored_ids[store_name]

    def replace_tracked_value(self, store_name, old_value, new_value):
        if not self.is_in_store(store_name, old_value):
            raise ValueError(f"Unknown value: {old_value}")
        store = self.config[store_name][1]
        store[next(i for i, v in enumerate(store) if v is old_value)] = new_value
        self.stored_ids[store_name].remove(id(old_value))
        self.stored_ids[store_name].add(id(new_value))


class _Tracked:
    """Tracks what enters the container, and forgets what leaves it."""

    tracker = None

    def _in(self, value):
        return self.tracker.track(value) if self.tracker else value

    def _out(self, value):
        if self.tracker:
            self.tracker.untrack(value)


@register_tree_node_class
class TrackedList(_Tracked, list):
    def __init__(self, values=None, tracker=None):
        self.tracker = tracker
        super().__init__(self._in(v) for v in values or ())

    def append(self, value):
        super().append(self._in(value))

    def insert(self, index, value):
        super().insert(index, self._in(value))

    def extend(self, values):
        super().extend([self._in(v) for v in values])

    def __iadd__(self, values):
        self.extend(values)
        return self

    def __setitem__(self, index, value):
        old = self[index]
        value = [self._in(v) for v in value] if isinstance(index, slice) else self._in(value)
        super().__setitem__(index, value)
        for v in old if isinstance(index, slice) else [old]:
            if not any(v is kept for kept in self):
                self._out(v)

    def remove(self, value):
        self._out(value)
        remove_by_id(self, value)

    def pop(self, index=-1):
        value = super().pop(index)
        self._out(value)
        return value

    def clear(self):
        for value in self:
            self._out(value)
        super().clear()

    def __delitem__(self, index):
        old = self[index]
        super().__delitem__(index)
        for v in old if isinstance(index, slice) else [old]:
            self._out(v)

    def tree_flatten(self):
        return self, None

    @classmethod
    def tree_unflatten(cls, metadata, children):
        return cls(children)


class _TrackedMapping(_Tracked):
    def __init__(self, values=None, tracker=None):
        self.tracker = tracker
        super().__init__({k: self._in(v) for k, v in dict(values or ()).items()})

    def __setitem__(self, key, value):
        super().__setitem__(key, self._in(value))

    def update(self, mapping=(), **kwargs):
        for key, value in dict(mapping, **kwargs).items():
            self[key] = value

    def setdefault(self, key, value=None):
        if key not in self:
            self[key] = value
        return self[key]

    def pop(self, key, *default):
        present = key in self
        value = super().pop(key, *default)
        if present:
            self._out(value)
        return value

    def popitem(self, **kwargs):
        key, value = super().popitem(**kwargs)
        self._out(value)
        return key, value

    def __delitem__(self, key):
        value = self[key]
        super().__delitem__(key)
        self._out(value)

    def clear(self):
        for value in self.values():
            self._out(value)
        super().clear()

    def tree_flatten(self):
        keys = self._tree_keys()
        return [self[k] for k in keys], keys, keys

    @classmethod
    def tree_unflatten(cls, keys, values):
        return cls(zip(keys, values))


@register_tree_node_class
class TrackedDict(_TrackedMapping, dict):
    def _tree_keys(self):
        return sorted(self)


@register_tree_node_class
class TrackedOrderedDict(_TrackedMapping, OrderedDict):
    def _tree_keys(self):
        return list(self)


@register_tree_node_class
class TrackedSet(_Tracked, set):
    def __init__(self, values=None, tracker=None):
        self.tracker = tracker
        super().__init__(self._in(v) for v in values or ())

    def add(self, value):
        super().add(self._in(value))

    def update(self, values):
        super().update([self._in(v) for v in values])

    def remove(self, value):
        super().remove(value)
        self._out(value)

    def discard(self, value):
        if value in self:
            self.remove(value)

    def pop(self):
        value = super().pop()
        self._out(value)
        return value

    def clear(self):
        for value in self:
            self._out(value)
        super().clear()

    def tree_flatten(self):
        return self, None

    @classmethod
    def tree_unflatten(cls, metadata, children):
        return cls(children)


_CONTAINERS = ((list, TrackedList), (OrderedDict, TrackedOrderedDict), (dict, TrackedDict), (set, TrackedSet))
