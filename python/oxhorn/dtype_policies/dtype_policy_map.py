"""Policies by layer path."""

import re
from collections.abc import MutableMapping

from oxhorn.dtype_policies.dtype_policy import DTypePolicy


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """A mapping from layer paths, or regular expressions of them, to policies.

    `map[path]` is the policy stored for exactly this path; else that of the only pattern that matches all of
    it; else the default. Two matching patterns are a ValueError.

    Args:
        default_policy: a `DTypePolicy` or its name; None for the global policy.
        policy_map: dict of policies to start with.
    """

    _keras_module = "keras.dtype_policies"

    def __init__(self, default_policy=None, policy_map=None):
        from oxhorn import dtype_policies

        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("`default_policy` cannot be a `DTypePolicyMap`.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(
                f"If specified, `policy_map` must be a dict. Received: policy_map={policy_map} "
                f"of type {type(policy_map)}"
            )
        self._default_policy_arg = default_policy
        self._default_policy = dtype_policies.get(default_policy)
        self._policy_map = policy_map or {}

    @property
    def name(self):
        return f"map_{self.default_policy._name}"

    @property
    def _name(self):
        return self.name

    @property
    def default_policy(self):
        return self._default_policy

    @property
    def variable_dtype(self):
        return self.default_policy.variable_dtype

    @property
    def compute_dtype(self):
        return self.default_policy.compute_dtype

    @property
    def quantization_mode(self):
        return self.default_policy.quantization_mode

    def __getitem__(self, key):
        if key in self._policy_map:
            return self._policy_map[key]
        matches = [pattern for pattern in self._policy_map if re.fullmatch(pattern, key)]
        if len(matches) > 1:
            raise ValueError(
                f"Path '{key}' matches multiple dtype policy specification keys: {matches}. Please make sure "
                "each path only matches at most one dtype policy specification key in the DTypePolicyMap."
            )
        return self._policy_map[matches[0]] if matches else self.default_policy

    def __setitem__(self, key, policy):
        from oxhorn import dtype_policies

        if key in self._policy_map:
            raise ValueError(
                f"{key} already exist in the DTypePolicyMap with value {self._policy_map[key]}. Please make "
                "sure to not use duplicated keys."
            )
        try:
            self._policy_map[key] = dtype_policies.get(policy)
        except Exception as error:
            raise ValueError(
                "Cannot interpret the assigned value by `keras.dtype_policies.get`. "
                f"Received: {policy} of type {type(policy)}"
            ) from error

    def __delitem__(self, key):
        del self._policy_map[key]

    def __contains__(self, key):
        return key in self._policy_map

    def __len__(self):
        return len(self._policy_map)

    def __iter__(self):
        return iter(self._policy_map)

    def get_config(self):
        from oxhorn.saving.serialization_lib import serialize_keras_object

        policies = serialize_keras_object(self._policy_map)
        if self._default_policy_arg is None:
            # The policies follow the global one of the session that loads them.
            for policy in policies.values():
                key = "name" if "name" in policy["config"] else "source_name"
                policy["config"][key] = None
        default = self._default_policy_arg
        return {"default_policy": default, "policy_map": policies}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from oxhorn.saving.serialization_lib import deserialize_keras_object

        policies = deserialize_keras_object(config["policy_map"], custom_objects=custom_objects)
        return cls(**{**config, "policy_map": policies})

    def __repr__(self):
        mapping = [(k, v.name) for k, v in self._policy_map.items()]
        return f"<DTypePolicyMap default_policy={self._default_policy.name}, mapping={mapping}>"

    __eq__ = MutableMapping.__eq__
    __hash__ = object.__hash__
