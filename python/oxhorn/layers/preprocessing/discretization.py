import numpy as np

from oxhorn import ops
from oxhorn._base.convert import is_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.settings import floatx
from oxhorn.layers.layer import Layer
from oxhorn.layers.preprocessing._strings import to_array
from oxhorn.layers.preprocessing._validation import check_output_mode
from oxhorn.utils.numerical_utils import encode_categorical_inputs


class Discretization(Layer):
    """The number of the bin that each input lies in; bin `i` is `[bin_boundaries[i - 1], bin_boundaries[i])`.

    The boundaries are given, or found in data by `adapt()` so that the bins get equally many values.

    Args:
        bin_boundaries: list of numbers, ascending.
        num_bins: in place of boundaries: how many bins `adapt()` makes.
        epsilon: the error of its quantiles, as a share of the values.
        output_mode: "int", "one_hot", "multi_hot" or "count"; see `encode_categorical_inputs`.
        sparse: must be false.

    Raises:
        ValueError: for both or neither of `bin_boundaries` and `num_bins`, or an unknown mode.
    """

    def __init__(
        self,
        bin_boundaries=None,
        num_bins=None,
        epsilon=0.01,
        output_mode="int",
        sparse=False,
        dtype=None,
        name=None,
    ):
        super().__init__(name=name, dtype=dtype)
        self._allow_non_tensor_positional_args = True
        check_output_mode(self, output_mode, ("int", "one_hot", "multi_hot", "count"), sparse)
        if num_bins is not None and num_bins < 0:
            raise ValueError(
                f"`num_bins` must be greater than or equal to 0. Received: `num_bins={num_bins}`"
            )
        if num_bins is not None and bin_boundaries is not None:
            raise ValueError(
                "Both `num_bins` and `bin_boundaries` should not be set. Received: "
                f"`num_bins={num_bins}` and `bin_boundaries={bin_boundaries}`"
            )
        if num_bins is None and bin_boundaries is None:
            raise ValueError("You need to set either `num_bins` or `bin_boundaries`.")
        self.bin_boundaries = bin_boundaries
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.output_mode = output_mode
        self.sparse = sparse
        self.summary = None if bin_boundaries else _EMPTY

    @property
    def input_dtype(self):
        return floatx()

    @property
    def output_dtype(self):
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def adapt(self, data, steps=None):
        """Finds the boundaries in an array, a tensor, or an iterable of batches (at most `steps` of them)."""
        if self.num_bins is None:
            raise ValueError(
                "Cannot adapt a Discretization layer that has been initialized with `bin_boundaries`, use "
                "`num_bins` instead."
            )
        self.reset_state()
        batches = (
            [data] if isinstance(data, np.ndarray) or is_tensor(data) or not _is_iterable(data) else data
        )
        for i, batch in enumerate(batches):
            if steps is not None and i >= steps and batches is data:
                break
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data):
        """Takes in a batch of values."""
        self.summary = _merge(_summarize(to_array(data), self.epsilon), self.summary, self.epsilon)

    def finalize_state(self):
        """Makes the boundaries from what was taken in."""
        if self.num_bins is not None:
            self.bin_boundaries = _compress(self.summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def reset_state(self):
        """Forgets what was taken in."""
        if self.num_bins is not None:
            self.summary = _EMPTY

    def _depth(self):
        return self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1

    def compute_output_shape(self, input_shape):
        input_shape = tuple(input_shape)
        if self.output_mode == "int":
            return input_shape
        if self.output_mode == "one_hot":
            squeezed = len(input_shape) > 1 and input_shape[-1] == 1
            return (*(input_shape[:-1] if squeezed else input_shape), self._depth())
        return (
            (*input_shape[:1], *input_shape[2:], self._depth()) if len(input_shape) > 1 else (self._depth(),)
        )

    def compute_output_spec(self, inputs):
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.output_dtype)

    def load_own_variables(self, store):
        if len(store) == 1:  # as older versions of Keras had it
            self.summary = np.asarray(store["0"])

    def call(self, inputs):
        if self.bin_boundaries is None:
            raise ValueError(
                "You need to either pass the `bin_boundaries` argument at construction time or call "
                "`adapt(dataset)` before you can start using the `Discretization` layer."
            )
        numbers = ops.digitize(inputs, self.bin_boundaries)
        return encode_categorical_inputs(numbers, self.output_mode, self._depth(), self.output_dtype)

    def get_config(self):
        names = ("bin_boundaries", "num_bins", "epsilon", "output_mode", "sparse", "name", "dtype")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        adapted = config.get("num_bins") is not None and config.get("bin_boundaries") is not None
        boundaries = config.pop("bin_boundaries") if adapted else None
        layer = cls(**config)
        if adapted:
            layer.bin_boundaries = boundaries
        return layer


# A summary is an array of two rows: values in ascending order, and how many values each one stands for.
_EMPTY = np.zeros((2, 0), "float32")


def _is_iterable(data):
    return hasattr(data, "__iter__")


def _summarize(values, epsilon):
    """Every so many'th of the sorted values, such that there are 1 / epsilon."""
    values = np.sort(values.astype("float32").reshape(-1))
    step = max(values.size * epsilon, 1)
    chosen = values[int(step - 1) :: int(step)]
    return np.stack([chosen, np.full_like(chosen, step)])


def _merge(a, b, epsilon):
    merged = np.concatenate([a, b], axis=1)
    return _compress(merged[:, np.argsort(merged[0])], epsilon)


def _compress(summary, epsilon):
    """A summary with one entry for each share `epsilon` of the values, by linear interpolation."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    totals = summary[1].cumsum()
    values = np.interp(shares, totals / totals[-1], summary[0])
    totals = np.interp(shares, totals / totals[-1], totals)
    return np.stack([values, np.diff(totals, prepend=0)]).astype("float32")
