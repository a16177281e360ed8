import numpy as np

from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.settings import floatx
from oxhorn.layers.layer import Layer
from oxhorn.layers.preprocessing._strings import bins, to_array, to_strings
from oxhorn.layers.preprocessing._validation import two_salts
from oxhorn.utils.numerical_utils import encode_categorical_inputs

_MODES = ("int", "one_hot", "multi_hot", "count")


class Hashing(Layer):
    """Puts strings or integers into bins by their hash, the same on every machine.

    Works on values, not inside compiled functions: use it where data is prepared.

    Args:
        num_bins: number of bins, one of which is for `mask_value`, if there is one.
        mask_value: input that always goes to bin 0.
        salt: one or two integers: hash with SipHash under this key in place of FarmHash.
        output_mode: "int", "one_hot", "multi_hot" or "count"; see `encode_categorical_inputs`.
        sparse: must be false.

    Raises:
        ValueError: arguments out of their ranges.
    """

    def __init__(self, num_bins, mask_value=None, salt=None, output_mode="int", sparse=False, **kwargs):
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else floatx()
        super().__init__(**kwargs)
        if num_bins is None or num_bins <= 0:
            raise ValueError(
                "The `num_bins` for `Hashing` cannot be `None` or non-positive values. "
                f"Received: num_bins={num_bins}."
            )
        if output_mode == "int" and self.dtype_policy.name not in ("int32", "int64"):
            raise ValueError(
                "When `output_mode=\"int\"`, `dtype` should be an integer type, 'int32' or 'int64'. "
                f"Received: dtype={kwargs['dtype']}"
            )
        if output_mode not in _MODES:
            raise ValueError(
                f"Invalid value for argument `output_mode`. Expected one of {_MODES}. "
                f"Received: output_mode={output_mode}"
            )
        if sparse:
            if output_mode == "int":
                raise ValueError(
                    '`sparse` may only be true if `output_mode` is `"one_hot"`, `"multi_hot"`, or `"count"`. '
                    f"Received: sparse={sparse} and output_mode={output_mode}"
                )
            raise ValueError("`sparse=True` cannot be used with backend oxhorn")
        self.num_bins = num_bins
        self.mask_value = mask_value
        self.strong_hash = salt is not None
        self.output_mode = output_mode
        self.sparse = sparse
        self.salt = two_salts(salt, self)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False

    def compute_output_shape(self, input_shape):
        if self.output_mode == "int":
            return tuple(input_shape)
        return (*input_shape[:-1], self.num_bins)

    def compute_output_spec(self, inputs):
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.dtype)

    def call(self, inputs):
        values = to_array(inputs)
        if values.dtype.kind not in "iub":
            values = values.astype("int64") if values.dtype.kind == "f" else to_strings(values)
        if self.output_mode == "one_hot" and values.ndim > 0 and values.shape[-1] == 1:
            values = values[..., 0]
        return encode_categorical_inputs(
            self._bins(values), self.output_mode, self.num_bins, self.dtype, self.sparse
        )

    def _bins(self, values):
        if self.mask_value is None or self.num_bins == 1:
            return bins(values, self.num_bins, self.salt)
        found = bins(values, self.num_bins - 1, self.salt) + 1
        return np.where(values == self.mask_value, 0, found)

    def get_config(self):
        names = ("num_bins", "salt", "mask_value", "output_mode", "sparse")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
