from oxhorn import ops
from oxhorn.layers.merging._base import Merge


class Minimum(Merge):
    """Smallest of the inputs, at each element; masked elements do not count."""

    def _merge_function(self, inputs):
        return self._merge_where_valid(ops.minimum, inputs)


def minimum(inputs, **kwargs):
    """`Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)
