from oxhorn import _core, ops, tree


def recur(
    step,
    inputs,
    initial_states,
    go_backwards=False,
    mask=None,
    unroll=False,
    zero_output_for_mask=False,
    return_all_outputs=True,
):
    """Runs `step` over the time axis of `inputs`.

    Args:
        step: function of (input at one time, states) that returns (output, new states).
        inputs: tensor `(batch, time, ...)`.
        initial_states: structure of tensors `(batch, ...)`.
        go_backwards: whether to start at the end; outputs are in the order in which they were computed.
        mask: boolean `(batch, time)`, or with further axes (true where any is). Where it is false, states
            stay and the output is that of the time before.
        unroll: whether to repeat the step in the graph instead of looping over it.
        zero_output_for_mask: whether outputs are zero, instead, where the mask is false.
        return_all_outputs: whether the outputs of all times are wanted.

    Returns:
        The last output `(batch, ...)`; all outputs `(batch, time, ...)`, or `None`; the last states.
    """
    length = inputs.shape[1]
    xs = [_swap_time(ops.convert_to_tensor(inputs))]
    if mask is not None:
        mask = ops.cast(mask, "bool")
        if len(mask.shape) > 2:
            mask = ops.any(mask, axis=tuple(range(2, len(mask.shape))))
        xs.append(_swap_time(mask))
    carry = [ops.convert_to_tensor(state) for state in tree.flatten(initial_states)]
    output_state = None  # which state the output is, if it is one

    def body(carry, xs):
        nonlocal output_state
        states = tree.pack_sequence_as(initial_states, carry)
        output, new_states = step(xs[0], states)
        new = tree.flatten(new_states)
        output_state = next((i for i, state in enumerate(new) if state is output), None)
        new = [ops.cast(state, old.dtype) for state, old in zip(new, carry)]
        if mask is not None:
            valid = xs[1]
            new = [_choose(valid, state, old) for state, old in zip(new, carry)]
            if zero_output_for_mask:
                output_state = None
                output = _choose(valid, output, ops.zeros_like(output))
            elif output_state is not None:
                output = new[output_state]
            else:
                output = _choose(valid, output, ops.cast(_main_state(states), output.dtype))
        wanted = return_all_outputs or output_state is None
        return new, [output] if wanted else []

    if unroll:
        carry, ys = _unrolled(body, carry, xs, length, go_backwards)
    else:
        carry, ys = _core.scan(body, carry, xs, length, reverse=go_backwards)

    states = tree.pack_sequence_as(initial_states, list(carry))
    if not ys:
        return carry[output_state], None, states
    last = ys[0][0 if go_backwards else length - 1]
    if not return_all_outputs:
        return last, None, states
    outputs = ops.flip(ys[0], axis=0) if go_backwards else ys[0]
    return last, _swap_time(outputs), states


def _swap_time(x):
    return ops.swapaxes(x, 0, 1)


def _choose(valid, new, old):
    """`new` in the samples of the batch where `valid`, else `old`."""
    valid = ops.reshape(valid, (valid.shape[0], *(1,) * (len(new.shape) - 1)))
    return ops.where(valid, new, old)


def _main_state(states):
    """The state that stands for the output: the first, or that of the last of stacked cells."""
    first = states[0]
    return states[-1][0] if tree.is_nested(first) else first


def _unrolled(body, carry, xs, length, reverse):
    """What `_core.scan` does, written out."""
    ys = [None] * length
    for t in reversed(range(length)) if reverse else range(length):
        carry, ys[t] = body(carry, [x[t] for x in xs])
    return carry, [ops.stack(y, axis=0) for y in zip(*ys)]
