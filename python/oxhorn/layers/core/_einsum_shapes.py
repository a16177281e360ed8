"""Shapes of the weights of `EinsumDense`, from its equation."""

import re

# Three forms: "ab,bc->ac", "...ab,bc->...ac" and "ab...,bc->ac...".
_FORMS = (
    (re.compile(r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)"), False),
    (re.compile(r"\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)"), True),
    (re.compile(r"([a-zA-Z]{2,})\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\."), False),
)


def einsum_shapes(equation, bias_axes, input_shape, output_shape):
    """What an equation implies.

    Args:
        equation: as given to `EinsumDense`.
        bias_axes: letters of the output axes that the bias varies along, or None.
        input_shape: with the batch dimension.
        output_shape: without it, and without the axes that "..." stands for.

    Returns:
        kernel shape, bias shape or None, full output shape, and the kernel's axes that are summed over and
        those that stay.

    Raises:
        ValueError: the equation has another form, or contradicts the shapes.
    """
    for pattern, left_elided in _FORMS:
        match = pattern.fullmatch(equation)
        if match:
            return _shapes(*match.groups(), left_elided, bias_axes, tuple(input_shape), tuple(output_shape))
    raise ValueError(
        f"Invalid einsum equation '{equation}'. Equations must be in the form "
        "[X],[Y]->[Z], ...[X],[Y]->...[Z], or [X]...,[Y]->[Z]...."
    )


def _shapes(inputs, weights, outputs, left_elided, bias_axes, input_shape, output_shape):
    elided = len(input_shape) - len(inputs)  # how many axes "..." stands for
    batch = input_shape[:1]
    if left_elided:
        # With "..." on the left, the batch axis is one of those it stands for.
        output_shape = (*batch, *input_shape[1:elided], *output_shape)
        input_dims = dict(zip(inputs, input_shape[elided:]))
        output_dims = dict(zip(outputs, output_shape[elided:]))
    else:
        output_shape = (*batch, *output_shape, *input_shape[len(input_shape) - elided :])
        input_dims = dict(zip(inputs, input_shape))
        output_dims = dict(zip(outputs, output_shape))

    for letter, size in input_dims.items():
        out = output_dims.get(letter)
        if out is not None and out != size:
            raise ValueError(
                f"Input shape and output shape do not match at shared dimension '{letter}'. Input shape is "
                f"{size}, and output shape is {out}."
            )
    for letter in outputs:
        if letter not in inputs and letter not in weights:
            raise ValueError(
                f"Dimension '{letter}' was specified in the output '{outputs}' but has no corresponding dim "
                f"in the input spec '{inputs}' or weight spec '{weights}'"
            )
    for letter in weights:
        if letter not in output_dims and letter not in input_dims:
            raise ValueError(
                f"Weight dimension '{letter}' did not have a match in either the input spec '{inputs}' or "
                f"the output spec '{outputs}'. For this layer, the weight must be fully specified."
            )
    kernel_shape = tuple(output_dims.get(x) if x in output_dims else input_dims[x] for x in weights)
    summed = [i for i, x in enumerate(weights) if x not in output_dims]
    kept = [i for i, x in enumerate(weights) if x in output_dims]

    bias_shape = None
    if bias_axes is not None:
        for letter in bias_axes:
            if letter not in outputs:
                raise ValueError(
                    f"Bias dimension '{letter}' was requested, but is not part of the output spec '{outputs}'"
                )
        first = min(outputs.find(x) for x in bias_axes)
        bias_shape = tuple(output_dims[x] if x in bias_axes else 1 for x in outputs[first:])
        if not left_elided:
            bias_shape += (1,) * elided
    return kernel_shape, bias_shape, output_shape, summed, kept
