"""Dtype policies: what layers compute in and keep their variables in."""

from oxhorn._base.dtypes import standardize_dtype
from oxhorn.dtype_policies.dtype_policy import (
    DTypePolicy,
    FloatDTypePolicy,
    _policy_of_name,
    dtype_policy,
    set_dtype_policy,
)
from oxhorn.dtype_policies.dtype_policy_map import DTypePolicyMap

_CLASSES = {cls.__name__: cls for cls in (DTypePolicy, FloatDTypePolicy, DTypePolicyMap)}


def serialize(dtype_policy):
    """The policy as a dict."""
    from oxhorn.saving.serialization_lib import serialize_keras_object

    return serialize_keras_object(dtype_policy)


def deserialize(config, custom_objects=None):
    """The policy that `serialize` wrote."""
    from oxhorn.saving.serialization_lib import deserialize_keras_object

    return deserialize_keras_object(config, module_objects=_CLASSES, custom_objects=custom_objects)


def get(identifier):
    """A policy from a policy, its name, its config, a dtype, or None (the global one).

    Raises:
        ValueError: it is none of these.
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return _policy_of_name(identifier)
    try:
        return DTypePolicy(standardize_dtype(identifier))
    except (ValueError, TypeError):
        raise ValueError(
            "Cannot interpret `dtype` argument. Expected a string or an instance of DTypePolicy. "
            f"Received: dtype={identifier}"
        ) from None
