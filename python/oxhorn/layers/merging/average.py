from functools import reduce

from oxhorn import ops
from oxhorn.layers.merging._base import Merge


class Average(Merge):
    """Mean of the inputs."""

    def _merge_function(self, inputs):
        return reduce(ops.add, inputs) / len(inputs)


def average(inputs, **kwargs):
    """`Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)
