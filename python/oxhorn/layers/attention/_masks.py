from functools import reduce

from oxhorn import ops


def _positions(query_length, value_length):
    """Query positions as a column and value positions as a row, under an axis for the batch."""
    rows = ops.reshape(ops.arange(query_length, dtype="int32"), (1, query_length, 1))
    columns = ops.reshape(ops.arange(value_length, dtype="int32"), (1, 1, value_length))
    return rows, columns


def causal_mask(query_length, value_length):
    """Boolean (1, query_length, value_length): true where the value is not later than the query."""
    rows, columns = _positions(query_length, value_length)
    return ops.greater_equal(rows, columns)


def sliding_window_mask(query_length, value_length, width):
    """Boolean (1, query_length, value_length): true where query and value are less than `width` apart."""
    rows, columns = _positions(query_length, value_length)
    return ops.less(ops.abs(rows - columns), width)


def all_of(masks):
    """The conjunction of masks, without those that are `None`; `None` if there are none."""
    masks = [ops.cast(mask, "bool") for mask in masks if mask is not None]
    return reduce(ops.logical_and, masks) if masks else None
