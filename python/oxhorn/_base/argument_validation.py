"""Checks of constructor arguments that many layers share."""


def standardize_tuple(value, n, name, allow_zero=False):
    """An int or a sequence of `n` ints as a tuple of `n` ints.

    Raises:
        ValueError: on another length, other types, or a value that is negative (or zero, unless
            `allow_zero`).
    """
    expected = f"The `{name}` argument must be a tuple of {n} integers. Received {name}={value}"
    if isinstance(value, int):
        result = (value,) * n
    else:
        try:
            result = tuple(value)
            for element in result:
                int(element)
        except (TypeError, ValueError):
            raise ValueError(expected) from None
        if len(result) != n:
            raise ValueError(expected)
    least = 0 if allow_zero else 1
    bad = {element for element in result if element < least}
    if bad:
        raise ValueError(
            f"{expected}, including values {bad} that do not satisfy `value {'>=' if allow_zero else '>'} 0`"
        )
    return result


def standardize_padding(value, allow_causal=False):
    """`"valid"`, `"same"` or (if allowed) `"causal"`, in lower case."""
    allowed = ("valid", "same", "causal") if allow_causal else ("valid", "same")
    padding = value.lower() if isinstance(value, str) else value
    if padding not in allowed:
        raise ValueError(f"The `padding` argument must be one of {allowed}. Received: padding={value}")
    return padding
