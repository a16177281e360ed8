"""Checks that the preprocessing layers share."""


def check_choice(layer, name, value, choices, allow_none=False, allow_callables=False):
    """Raises ValueError unless an argument is one of the choices."""
    if (value is None and allow_none) or (callable(value) and allow_callables):
        return
    if not isinstance(value, str) or value not in choices:
        extra = " None," * allow_none + " a callable," * allow_callables
        raise ValueError(
            f"Unknown value for `{name}` argument of layer {type(layer).__name__}. Allowed are:{extra} "
            f"{choices}. Received: {name}={value}"
        )


def check_output_mode(layer, output_mode, choices, sparse):
    """Raises ValueError for an unknown mode, and for sparse outputs, which there are none of."""
    check_choice(layer, "output_mode", output_mode, choices)
    if sparse and output_mode == "int":
        allowed = ", ".join(repr(c) for c in choices if c != "int")
        raise ValueError(
            f"`sparse=True` may only be used if `output_mode` is one of {allowed}. "
            f"Received: sparse={sparse} and output_mode={output_mode}"
        )
    if sparse:
        raise ValueError("`sparse=True` cannot be used with backend oxhorn")


def two_salts(salt, layer):
    """The `salt` argument as a list of two integers, or None."""
    if salt is None:
        return None
    if isinstance(salt, int):
        return [salt, salt]
    if isinstance(salt, (tuple, list)) and len(salt) == 2:
        return list(salt)
    raise ValueError(
        f"The `salt` argument for `{type(layer).__name__}` can only be a tuple of size 2 integers, or a "
        f"single integer. Received: salt={salt}."
    )
