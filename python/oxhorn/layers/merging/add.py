from functools import reduce

from oxhorn import ops
from oxhorn.layers.merging._base import Merge


class Add(Merge):
    """Sum of the inputs."""

    def _merge_function(self, inputs):
        return reduce(ops.add, inputs)


def add(inputs, **kwargs):
    """`Add(**kwargs)(inputs)`."""
    return Add(**kwargs)(inputs)
