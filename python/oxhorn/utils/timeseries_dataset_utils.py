"""Windows of a time series as a data set."""

import numpy as np

from oxhorn.utils.dataset import Dataset


def timeseries_dataset_from_array(
    data,
    targets,
    sequence_length,
    sequence_stride=1,
    sampling_rate=1,
    batch_size=128,
    shuffle=False,
    seed=None,
    start_index=None,
    end_index=None,
    format="tf",
):
    """Sequences of entries of `data` at equal distances, each with a target.

    Args:
        data: array whose first axis is time.
        targets: array, of which entry `i` is the target of the sequence that begins at `i`; None: no targets.
        sequence_length: entries in a sequence.
        sequence_stride: distance between the beginnings of sequences.
        sampling_rate: distance between the entries of a sequence.
        batch_size: sequences in a batch; None: single sequences.
        shuffle: whether sequences come in random order, another one in each pass.
        seed: of the order.
        start_index, end_index: use entries from here on, and before there.
        format: accepted for compatibility.

    Returns:
        A `Dataset` of `sequences`, or of `(sequences, targets)`.

    Raises:
        ValueError: a number out of its range.
    """
    length = len(data)
    _check_range(start_index, end_index, length)
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if value <= 0:
            raise ValueError(f"`{name}` must be higher than 0. Received: {name}={value}")
        if value >= length:
            raise ValueError(
                f"`{name}` must be lower than the length of the data. Received: {name}={value}, for data "
                f"of length {length}"
            )
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either "tf" or "grain". Received: format={format}')
    first = start_index or 0
    last = length if end_index is None else end_index
    data = np.asarray(data)[first:last]
    count = len(data) - (sequence_length - 1) * sampling_rate
    if targets is not None:
        targets = np.asarray(targets)[first:last]
        count = min(count, len(targets))
    starts = np.arange(0, max(count, 0), sequence_stride)
    offsets = np.arange(0, sequence_length * sampling_rate, sampling_rate)
    rng = np.random.RandomState(seed)

    def batches():
        order = rng.permutation(starts) if shuffle else starts
        groups = order if batch_size is None else np.split(order, range(batch_size, len(order), batch_size))
        for group in groups:
            sequences = data[np.asarray(group)[..., None] + offsets]
            yield sequences if targets is None else (sequences, targets[group])

    size = len(starts) if batch_size is None else -(-len(starts) // batch_size)
    return Dataset(batches if size else lambda: iter(()), size)


def _check_range(start, end, length):
    if start:
        if start < 0:
            raise ValueError(f"`start_index` must be 0 or greater. Received: start_index={start}")
        if start >= length:
            raise ValueError(
                f"`start_index` must be lower than the length of the data. Received: start_index={start}, "
                f"for data of length {length}"
            )
    if end:
        if start and end <= start:
            raise ValueError(
                f"`end_index` must be higher than `start_index`. Received: start_index={start}, and "
                f"end_index={end} "
            )
        if end >= length:
            raise ValueError(
                f"`end_index` must be lower than the length of the data. Received: end_index={end}, for "
                f"data of length {length}"
            )
        if end <= 0:
            raise ValueError(f"`end_index` must be higher than 0. Received: end_index={end}")
