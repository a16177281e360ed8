"""Small numeric helpers; arrays in, arrays out, tensors in, tensors out."""

import numpy as np

from oxhorn import ops


def normalize(x, axis=-1, order=2):
    """`x` divided by its norm of the given order along `axis`; vectors of norm 0 stay 0.

    NumPy arrays give NumPy arrays, anything else a tensor.
    """
    if not isinstance(x, np.ndarray):
        return ops.normalize(x, axis=axis, order=order)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm)


def to_categorical(x, num_classes=None):
    """Integer labels as one-hot vectors.

    Args:
        x: labels of any shape; a last axis of size 1 is dropped.
        num_classes: length of the vectors; None for the largest label plus one.

    Returns: shape `x.shape + (num_classes,)`: a tensor for a tensor (which needs `num_classes`), else
    a float64 array.
    """
    if ops.is_tensor(x):
        if len(x.shape) > 1 and x.shape[-1] == 1:
            x = ops.squeeze(x, axis=-1)
        return ops.one_hot(x, num_classes)
    x = np.array(x, dtype="int64")
    if x.ndim > 1 and x.shape[-1] == 1:
        x = x[..., 0]
    result = np.zeros((*x.shape, num_classes or np.max(x) + 1))
    np.put_along_axis(result, x[..., None], 1, axis=-1)
    return result


def build_pos_neg_masks(query_labels, key_labels, remove_diagonal=True):
    """Which pairs of (query, key) have equal labels and which do not: two boolean matrices.

    With `remove_diagonal`, sample i is no partner of itself in the first.
    """
    query_labels = ops.reshape(query_labels, (-1, 1))
    key_labels = ops.reshape(key_labels, (1, -1))
    positive = ops.equal(query_labels, key_labels)
    negative = ops.logical_not(positive)
    if remove_diagonal:
        diagonal = ops.eye(positive.shape[0], positive.shape[1], dtype="bool")
        positive = ops.logical_and(positive, ops.logical_not(diagonal))
    return positive, negative


def encode_categorical_inputs(inputs, output_mode, depth, dtype, sparse=False, count_weights=None):
    """Category numbers in one of the encodings that preprocessing layers offer.

    Args:
        inputs: integers. Those outside of `[0, depth)` count for nothing.
        output_mode: "int": as they are. "one_hot": a vector for each, shape `(..., depth)`, where a last axis
            of size 1 is dropped first. "multi_hot", "count": one vector for each sample (for all, if there is
            one axis): which categories it has, or how often.
        depth: number of categories.
        dtype: of the result.
        sparse: must be false.
        count_weights: for "count": what each input counts, in its shape.
    """
    if sparse:
        raise ValueError("`sparse=True` cannot be used with backend oxhorn")
    inputs = ops.convert_to_tensor(inputs)
    if output_mode == "int":
        return ops.cast(inputs, dtype)
    if len(inputs.shape) == 0:
        inputs = ops.expand_dims(inputs, -1)
    if output_mode == "one_hot":
        if len(inputs.shape) > 1 and inputs.shape[-1] == 1:
            inputs = ops.squeeze(inputs, -1)
        return ops.one_hot(inputs, depth, dtype=dtype)
    if output_mode == "multi_hot":
        return ops.multi_hot(inputs, depth, dtype=dtype)
    axis = 1 if len(inputs.shape) > 1 else 0
    if count_weights is not None:
        dtype = count_weights.dtype
    vectors = ops.one_hot(inputs, depth, dtype=dtype)
    if count_weights is not None:
        vectors = vectors * ops.expand_dims(count_weights, -1)
    return ops.sum(vectors, axis=axis)
