from oxhorn._base.argument_validation import standardize_tuple
from oxhorn._base.settings import standardize_data_format
from oxhorn.layers._spatial import spatial_axes
from oxhorn.layers.input_spec import InputSpec
from oxhorn.layers.reshaping._rearrange import Rearrange

_ORDINALS = ("1st", "2nd", "3rd")


def standardize_margins(value, rank, name):
    """A pair (before, after) for each of `rank` axes.

    `value` is an int, a sequence of `rank` ints, or a sequence of `rank` pairs.
    """
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"`{name}` cannot be negative. Received: {name}={value}.")
        return ((value, value),) * rank
    if not hasattr(value, "__len__"):
        raise ValueError(
            f"`{name}` should be either an int, a tuple of {rank} ints (one per axis), or a tuple of {rank} "
            f"tuples of 2 ints (before and after, per axis). Received: {name}={value}."
        )
    if len(value) != rank:
        count = "two" if rank == 2 else rank
        raise ValueError(f"`{name}` should have {count} elements. Received: {name}={value}.")
    return tuple(
        standardize_tuple(pair, 2, f"{_ORDINALS[i]} entry of {name}", allow_zero=True)
        for i, pair in enumerate(value)
    )


class Margins(Rearrange):
    """Base of padding and cropping: an amount before and after each of `rank` spatial axes.

    The attribute `_name` holds the amounts as Keras stores them: a pair for rank 1, else a tuple of pairs.
    """

    rank = None
    _name = None

    def __init__(self, amounts, data_format, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        if self.rank == 1:
            setattr(self, self._name, standardize_tuple(amounts, 2, self._name, allow_zero=True))
        else:
            setattr(self, self._name, standardize_margins(amounts, self.rank, self._name))
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _margins(self):
        """Pairs for all axes of the input, zero for batch and channels."""
        amounts = getattr(self, self._name)
        pairs = [(0, 0)] * (self.rank + 2)
        axes = spatial_axes(self.rank, self.data_format)
        for axis, pair in zip(axes, [amounts] if self.rank == 1 else amounts):
            pairs[axis] = pair
        return pairs

    def get_config(self):
        config = super().get_config()
        config[self._name] = getattr(self, self._name)
        config["data_format"] = self.data_format
        return config
