import numpy as np


def pad_sequences(sequences, maxlen=None, dtype="int32", padding="pre", truncating="pre", value=0.0):
    """Sequences as one array, cut or padded to a common length.

    Args:
        sequences: list of sequences, whose items may be arrays of one shape.
        maxlen: the length; None for that of the longest sequence.
        dtype: dtype of the array; `object` for strings.
        padding, truncating: `"pre"` or `"post"`, the end where values are added or dropped.
        value: what to pad with.

    Returns: array of shape `(len(sequences), maxlen, ...)`.

    Raises ValueError if an item is not a sequence or the shapes of items differ.
    """
    for argument, choice in (("Truncating", truncating), ("Padding", padding)):
        if choice not in ("pre", "post"):
            raise ValueError(f'{argument} type "{choice}" not understood')
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {sequence}")
    is_text = np.issubdtype(dtype, np.str_) or np.issubdtype(dtype, np.bytes_)
    if isinstance(value, str) and dtype is not object and not is_text:
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}\n"
            "You should set `dtype=object` for variable length strings."
        )
    if maxlen is None:
        maxlen = max(map(len, sequences))
    item_shape = next((np.asarray(s).shape[1:] for s in sequences if len(s)), ())
    result = np.full((len(sequences), maxlen, *item_shape), value, dtype=dtype)
    for row, sequence in zip(result, sequences, strict=True):
        kept = sequence[max(len(sequence) - maxlen, 0) :] if truncating == "pre" else sequence[:maxlen]
        if not len(kept):
            continue
        kept = np.asarray(kept, dtype=dtype)
        if kept.shape[1:] != item_shape:
            raise ValueError(
                f"Shape of sample {kept.shape[1:]} of a sequence is different from expected shape "
                f"{item_shape}"
            )
        if padding == "pre":
            row[maxlen - len(kept) :] = kept
        else:
            row[: len(kept)] = kept
    return result
