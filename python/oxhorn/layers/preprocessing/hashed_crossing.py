import numpy as np

from oxhorn import _core
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn.layers.layer import Layer
from oxhorn.layers.preprocessing._strings import to_array, to_strings
from oxhorn.layers.preprocessing._validation import check_choice
from oxhorn.utils.numerical_utils import encode_categorical_inputs

_KEY = 0xDECAFCAFFE
_MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)


class HashedCrossing(Layer):
    """Puts the combinations of several features into bins by their hash, the same on every machine.

    Works on values, not inside compiled functions: use it where data is prepared.

    Args:
        num_bins: number of bins.
        output_mode: "int" or "one_hot".
        sparse: must be false.

    Call arguments:
        inputs: list of at least two arrays of strings or integers, each of shape `()`, `(batch,)` or
            `(batch, 1)`.

    Raises:
        ValueError: an unknown mode, or inputs of other shapes or dtypes.
    """

    def __init__(self, num_bins, output_mode="int", sparse=False, name=None, dtype=None, **kwargs):
        if output_mode == "int" and dtype is None:
            dtype = "int64"
        super().__init__(name=name, dtype=dtype)
        if sparse:
            raise ValueError("`sparse=True` can only be used with the TensorFlow backend.")
        check_choice(self, "output_mode", output_mode, ("int", "one_hot"))
        self.num_bins = num_bins
        self.output_mode = output_mode
        self.sparse = sparse
        self._allow_non_tensor_positional_args = True
        self._convert_input_args = False
        self.supports_jit = False

    def compute_output_shape(self, input_shape):
        if len(input_shape) != 2 or not all(isinstance(shape, tuple) for shape in input_shape):
            raise ValueError(
                f"Expected as input a list/tuple of 2 tensors. Received input_shape={input_shape}"
            )
        first, second = input_shape
        if first[-1:] != second[-1:]:
            raise ValueError(
                f"Expected the two input tensors to have identical shapes. Received input_shape={input_shape}"
            )
        if self.output_mode == "int":
            return tuple(first)
        return (*(first[:-1] if first[-1:] == (1,) else first), self.num_bins)

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape([tuple(x.shape) for x in inputs])
        return KerasTensor(shape, dtype=self.dtype)

    def call(self, inputs):
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(
                f"`HashedCrossing` should be called on a list or tuple of inputs. Received: inputs={inputs}"
            )
        if len(inputs) < 2:
            raise ValueError(
                f"`HashedCrossing` should be called on at least two inputs. Received: inputs={inputs}"
            )
        arrays = [to_array(x) for x in inputs]
        self._check(arrays, inputs)
        crossed = np.full(arrays[0].shape, _KEY, dtype="uint64")
        for array in arrays:
            crossed = _concatenate(crossed, _fingerprints(array))
        numbers = (crossed % np.uint64(self.num_bins)).astype("int64")
        return encode_categorical_inputs(numbers, self.output_mode, self.num_bins, self.compute_dtype)

    def _check(self, arrays, inputs):
        shape = arrays[0].shape
        if len(shape) > 2 or (len(shape) == 2 and shape[-1] != 1):
            raise ValueError(
                "All `HashedCrossing` inputs should have shape `()`, `(batch_size)` or `(batch_size, 1)`. "
                f"Received: inputs={inputs}"
            )
        if any(array.shape != shape for array in arrays):
            raise ValueError(
                f"All `HashedCrossing` inputs should have equal shape. Received: inputs={inputs}"
            )
        if any(array.dtype.kind not in "iuUSOT" for array in arrays):
            raise ValueError(
                "All `HashedCrossing` inputs should have an integer or string dtype. Received: "
                f"inputs={inputs}"
            )

    def get_config(self):
        names = ("num_bins", "output_mode", "sparse", "name", "dtype")
        return {name: getattr(self, name) for name in names}


def _fingerprints(array):
    if array.dtype.kind in "iu":
        return array.astype("int64").view("uint64")
    texts = [text.encode() for text in to_strings(array).ravel().tolist()]
    return _core.fingerprint64(texts).reshape(array.shape)


def _concatenate(a, b):
    """TensorFlow's `FingerprintCat64`: the hash of two hashes."""

    def mix(x):
        return x ^ (x >> np.uint64(47))

    result = a ^ _MULTIPLIER ^ (mix(b * _MULTIPLIER) * _MULTIPLIER)
    result = mix(result * _MULTIPLIER) * _MULTIPLIER
    return mix(result)
