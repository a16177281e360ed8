from oxhorn import ops
from oxhorn.layers.merging._base import Merge


class Maximum(Merge):
    """Largest of the inputs, at each element; masked elements do not count."""

    def _merge_function(self, inputs):
        return self._merge_where_valid(ops.maximum, inputs)


def maximum(inputs, **kwargs):
    """`Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)
