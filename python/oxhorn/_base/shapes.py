"""Shapes: tuples of ints, None for a dimension that is not known."""


def standardize_shape(shape):
    """`shape` as a tuple of non-negative ints and Nones; ValueError for what cannot be one."""
    if shape is None:
        raise ValueError("Undefined shapes are not supported.")
    if not hasattr(shape, "__iter__"):
        raise ValueError(f"Cannot convert '{shape}' to a shape.")
    return tuple(None if d is None else _dimension(d, shape) for d in shape)


def _dimension(d, shape):
    if type(d) is not int:
        try:
            if isinstance(d, (str, float)):
                raise TypeError
            d = int(d)
        except Exception as error:
            raise ValueError(
                f"Cannot convert '{shape}' to a shape. Found invalid dimension '{d}' of type '{type(d)}'."
            ) from error
    if d < 0:
        raise ValueError(f"Cannot convert '{shape}' to a shape. Negative dimensions are not allowed.")
    return d


def shape_equal(a, b):
    """Whether two shapes agree where both are known."""
    return a == b or (len(a) == len(b) and all(x is None or y is None or x == y for x, y in zip(a, b)))


def is_shape_tuple(x):
    """Whether `x` is a list or tuple of ints and Nones."""
    return isinstance(x, (list, tuple)) and all(d is None or isinstance(d, int) for d in x)
