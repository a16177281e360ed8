"""Connectionist temporal classification (Graves et al., 2006)."""

import collections

import numpy as np

from oxhorn import _core
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.op import op
from oxhorn.ops._common import dtype_of, expand, join_dtypes, static_value, to_dtype, where

# The logarithm of "impossible": finite, so that gradients are.
_NEVER = -1e5


def _loss_spec(target, output, target_length, output_length, mask_index=0):
    batches = {n: v.shape[0] for n, v in (("target", target), ("output", output)) if v.shape[0] is not None}
    if len(set(batches.values())) > 1:
        raise ValueError(f"The first dimensions must be equal. Received: {batches}")
    return KerasTensor(output.shape[:1], dtype=join_dtypes(output.dtype, "float32"))


@op(tensors=("target", "output", "target_length", "output_length"), class_name="CTCLoss", spec=_loss_spec)
def ctc_loss(target, output, target_length, output_length, mask_index=0):
    """Minus the log probability of the label sequences, over all ways to align them; one per batch element.

    Args:
        target: `(batch, max_labels)`, class numbers.
        output: `(batch, steps, classes)`, logits.
        target_length, output_length: `(batch,)`, how many labels and steps count.
        mask_index: the class that stands for "nothing".
    """
    dtype = join_dtypes(dtype_of(output), "float32")
    target, output = to_dtype(target, "int32"), to_dtype(output, dtype)
    target_length, output_length = to_dtype(target_length, "int32"), to_dtype(output_length, "int32")
    batch, steps, _ = output.shape
    labels = target.shape[1]
    logs = _core.log_softmax(output, 2)
    # States: nothing, label, nothing, label, ..., nothing.
    states = 2 * labels + 1
    blank = _core.full((batch, labels, 1), mask_index, "int32")
    path = _core.reshape(_core.concat([blank, expand(target, 2)], 2), (batch, 2 * labels))
    path = _core.concat([path, blank[:, :1, 0] if labels else _core.full((batch, 1), mask_index, "int32")], 1)
    emit = _core.take_along_axis(logs, _core.broadcast_to(expand(path, 1), (batch, steps, states)), 2)
    emit = _core.transpose(emit, (1, 0, 2))
    # A label may follow the one before it directly if they differ.
    before = _core.pad(path, (0, 2), (0, -2), (0, 0), mask_index) if states > 2 else path
    place = _core.iota((1, states), 1, "int32")
    skip = _core.elementwise("logical_and", path != mask_index, path != before)
    skip = _core.elementwise("logical_and", skip, place > 1)

    def shifted(alpha, n):
        return _core.pad(alpha, (0, n), (0, -n), (0, 0), _NEVER) if states > n else alpha * 0 + _NEVER

    def step(carry, x):
        (alpha,), (logs_now, active) = carry, x
        total = _core.elementwise("logaddexp", alpha, shifted(alpha, 1))
        total = _core.elementwise("logaddexp", total, where(skip, shifted(alpha, 2), _NEVER))
        return [where(active, total + logs_now, alpha)], []

    start = where(place < 2, emit[0], _NEVER)
    active = _core.iota((steps, batch), 0, "int32") < output_length
    (alpha,), _ = _core.scan(step, [start], [emit[1:], expand(active, 2)[1:]], steps - 1)
    end = expand(target_length * 2, 1)
    last = _core.take_along_axis(alpha, end, 1)
    before_last = _core.take_along_axis(alpha, _core.elementwise("maximum", end - 1, 0), 1)
    before_last = where(end > 0, before_last, _NEVER)
    return -_core.elementwise("logaddexp", last, before_last)[:, 0]


def _decode_spec(
    inputs,
    sequence_lengths,
    strategy="greedy",
    beam_width=100,
    top_paths=1,
    merge_repeated=True,
    mask_index=0,
):
    batch, steps, _ = inputs.shape
    paths = 1 if strategy == "greedy" else top_paths
    dtype = join_dtypes(inputs.dtype, "float32")
    return KerasTensor((paths, batch, steps), "int32"), KerasTensor((batch, paths), dtype)


@op(tensors=("sequence_lengths",), class_name="CTCDecode", spec=_decode_spec)
def ctc_decode(
    inputs,
    sequence_lengths,
    strategy="greedy",
    beam_width=100,
    top_paths=1,
    merge_repeated=True,
    mask_index=0,
):
    """The most probable label sequences.

    Args:
        inputs: `(batch, steps, classes)`, logits.
        sequence_lengths: `(batch,)`, how many steps count.
        strategy: "greedy" or "beam_search" (of concrete values only).
        beam_width, top_paths: how many sequences the search keeps and returns.
        merge_repeated: greedy: neighbours of one class are one label.
        mask_index: the class that stands for "nothing".

    Returns:
        Labels `(paths, batch, steps)`, filled with -1, and scores `(batch, paths)`: for "greedy" minus the
        sum of the largest logits, for "beam_search" log probabilities.
    """
    inputs = convert_to_tensor(inputs)
    inputs = to_dtype(inputs, join_dtypes(inputs.dtype, "float32"))
    lengths = to_dtype(sequence_lengths, "int32")
    if strategy == "greedy":
        return _greedy(inputs, lengths, merge_repeated, mask_index)
    if strategy == "beam_search":
        values = static_value(_core.log_softmax(inputs, 2), "inputs")
        return _beam_search(
            values, static_value(lengths, "sequence_lengths"), beam_width, top_paths, mask_index
        )
    raise ValueError(f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'.")


def _greedy(inputs, lengths, merge_repeated, mask_index):
    batch, steps, classes = inputs.shape
    mask_index = classes - 1 if mask_index is None else mask_index
    labels = _core.arg_reduce("argmax", inputs, 2)
    scores = _core.reduce("max", inputs, (2,))
    beyond = _core.iota((batch, steps), 1, "int32") >= expand(lengths, 1)
    labels, scores = where(beyond, mask_index, labels), where(beyond, 0.0, scores)
    drop = labels == mask_index
    if merge_repeated:
        again = _core.pad(labels[:, 1:] == labels[:, :-1], (0, 1), (0, 0), (0, 0), False)
        drop = _core.elementwise("logical_or", drop, again)
    order = _core.sort(_core.cast(drop, "int32"), 1)[1]  # stable: what is kept comes first, in order
    labels = _core.take_along_axis(where(drop, -1, labels), order, 1)
    return expand(labels, 0), -_core.reduce("sum", scores, (1,), True)


def _beam_search(logs, lengths, beam_width, top_paths, mask_index):
    batch, steps, classes = logs.shape
    mask_index = classes - 1 if mask_index is None else mask_index
    paths = np.full((top_paths, batch, steps), -1, np.int32)
    scores = np.full((batch, top_paths), -np.inf, logs.dtype)
    for b in range(batch):
        beams = _search(logs[b, : max(int(lengths[b]), 1)].astype(np.float64), beam_width, mask_index)
        for k, (prefix, score) in enumerate(beams[:top_paths]):
            paths[k, b, : len(prefix)] = prefix
            scores[b, k] = score
    return _core.tensor(paths), _core.tensor(scores)


def _search(logs, beam_width, blank):
    """Prefixes and their log probabilities, best first. Two are kept: of ending in nothing, in a label."""
    beams = {(): [0.0, -np.inf]}
    for row in logs:
        new = collections.defaultdict(lambda: [-np.inf, -np.inf])
        for prefix, (nothing, label) in beams.items():
            total = np.logaddexp(nothing, label)
            _add(new[prefix], 0, total + row[blank])
            for c, p in enumerate(row):
                if c == blank:
                    continue
                repeats = prefix and prefix[-1] == c
                if repeats:
                    _add(new[prefix], 1, label + p)
                _add(new[(*prefix, c)], 1, (nothing if repeats else total) + p)
        best = sorted(new.items(), key=lambda item: -np.logaddexp(*item[1]))
        beams = dict(best[:beam_width])
    return [(prefix, np.logaddexp(*pair)) for prefix, pair in beams.items()]


def _add(pair, place, score):
    pair[place] = np.logaddexp(pair[place], score)
