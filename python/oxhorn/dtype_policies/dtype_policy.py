"""The dtypes that a layer computes in and keeps its variables in."""

from oxhorn._base.convert import convert_to_tensor, is_tensor
from oxhorn._base.dtypes import is_float_dtype, standardize_dtype
from oxhorn._base.global_state import get_global_attribute, set_global_attribute
from oxhorn._base.keras_tensor import is_keras_tensor
from oxhorn._base.settings import floatx

QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")


class DTypePolicy:
    """A compute dtype and a variable dtype.

    Args:
        name: a dtype's name for both; "mixed_float16" or "mixed_bfloat16" to compute in 16 bits with float32
            variables; None for the global policy.

    Raises:
        TypeError: `name` is not a string.
        ValueError: `name` names no dtype.
    """

    _keras_module = "keras"

    def __init__(self, name=None):
        if name is None:
            name = dtype_policy().name
        self._name = name
        self._compute_dtype, self._variable_dtype = self._parse_name(name)
        self._quantization_mode = None

    def _parse_name(self, name):
        if not isinstance(name, str):
            raise TypeError(
                f"'name' must be a string, such as 'mixed_float16'. Received: name={name} (of type "
                f"{type(name)})"
            )
        if name in ("mixed_float16", "mixed_bfloat16"):
            return name.removeprefix("mixed_"), "float32"
        try:
            dtype = standardize_dtype(name)
        except ValueError:
            raise ValueError(
                f"Cannot convert '{name}' to a mixed precision DTypePolicy. Valid policies include "
                "'mixed_float16', 'mixed_bfloat16', and the name of any float dtype such as 'float32'."
            ) from None
        return dtype, dtype

    @property
    def variable_dtype(self):
        """The dtype of the variables."""
        return self._variable_dtype

    @property
    def compute_dtype(self):
        """The dtype of inputs, computations and outputs."""
        return self._compute_dtype

    @property
    def name(self):
        return self._name

    @property
    def quantization_mode(self):
        """None: this policy does not quantize."""
        return self._quantization_mode

    def convert_input(self, x, autocast, dtype):
        """`x` as a tensor if it is an array; floats cast to `dtype` if `autocast`."""
        dtype = standardize_dtype(dtype)
        if not (is_tensor(x) or is_keras_tensor(x)):
            if not (hasattr(x, "__array__") or hasattr(x, "__oxhorn_tensor__")):
                return x
            x = convert_to_tensor(x)
        if self._should_cast(x, autocast, dtype):
            from oxhorn import ops

            x = ops.cast(x, dtype)
        return x

    def _should_cast(self, x, autocast, dtype):
        return bool(autocast and x.dtype != dtype and is_float_dtype(x.dtype))

    def get_config(self):
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        kind = "DTypePolicy" if type(self) is FloatDTypePolicy else type(self).__name__
        return f'<{kind} "{self._name}">'

    def __eq__(self, other):
        plain = (DTypePolicy, FloatDTypePolicy)
        same = type(other) in plain if type(self) in plain else type(other) is type(self)
        return same and self._name == other._name

    def __hash__(self):
        return hash(self._name)


class FloatDTypePolicy(DTypePolicy):
    """The same as `DTypePolicy`."""

    _keras_module = "keras"


def set_dtype_policy(policy):
    """Sets the policy of layers that are given none: a `DTypePolicy` or its name."""
    if isinstance(policy, str):
        policy = _policy_of_name(policy)
    if not isinstance(policy, DTypePolicy):
        raise ValueError(
            "Invalid `policy` argument. Expected the string name of a policy (such as 'mixed_float16') or a "
            f"`DTypePolicy` instance. Received: policy={policy} (of type {type(policy)})"
        )
    set_global_attribute("dtype_policy", policy)


def dtype_policy():
    """The policy of layers that are given none."""
    policy = get_global_attribute("dtype_policy")
    if policy is None:
        policy = DTypePolicy(floatx())
        set_dtype_policy(policy)
    return policy


def _policy_of_name(name):
    if name.startswith(tuple(f"{mode}_from_" for mode in QUANTIZATION_MODES) + ("int4/", "gptq/", "awq/")):
        raise NotImplementedError(f"Quantized dtype policies are not there yet. Received: '{name}'")
    return DTypePolicy(name)
