import numpy as np

from oxhorn import ops
from oxhorn._base.tracking import no_automatic_dependency_tracking
from oxhorn.layers.preprocessing._strings import bins, to_array
from oxhorn.layers.preprocessing.index_lookup import IndexLookup


class IntegerLookup(IndexLookup):
    """Integers to integers in `[0, vocabulary_size())` by a vocabulary, or, with `invert`, back.

    Works inside compiled functions too, except for `oov_method="farmhash"`.

    Args:
        max_tokens: the largest size of the vocabulary, special tokens included; None: no limit.
        num_oov_indices: how many integers unknown inputs are spread over; 0: unknown inputs are errors.
        mask_token: input that becomes 0; None: there is none.
        oov_token: what unknown integers become when `invert` is true.
        vocabulary: list or array of integers, or the path of a text file with one per line. Otherwise call
            `adapt()`.
        vocabulary_dtype: "int64".
        idf_weights: for "tf_idf": a weight for each integer of the vocabulary.
        invert: whether to map the other way.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
        sparse: must be false.
        pad_to_max_tokens: whether vectors have `max_tokens` entries even if the vocabulary is smaller.
        oov_method: how unknown inputs are spread: "floormod", by their remainder, or "farmhash".
        salt: one or two integers: spread by SipHash under this key in place of FarmHash.

    Raises:
        ValueError: arguments that contradict each other or are out of range.
    """

    def __init__(
        self,
        max_tokens=None,
        num_oov_indices=1,
        mask_token=None,
        oov_token=-1,
        vocabulary=None,
        vocabulary_dtype="int64",
        idf_weights=None,
        invert=False,
        output_mode="int",
        sparse=False,
        pad_to_max_tokens=False,
        oov_method="floormod",
        salt=None,
        name=None,
        **kwargs,
    ):
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(
                "If `max_tokens` is set for `IntegerLookup`, it must be greater than 1. "
                f"Received: max_tokens={max_tokens}"
            )
        if num_oov_indices < 0:
            raise ValueError(
                "The value of `num_oov_indices` argument for `IntegerLookup` must >= 0. "
                f"Received: num_oov_indices={num_oov_indices}"
            )
        if vocabulary_dtype != "int64":
            raise ValueError(
                "Only `vocabulary_dtype='int64'` is supported at this time. "
                f"Received: vocabulary_dtype={vocabulary_dtype}"
            )
        super().__init__(
            max_tokens=max_tokens,
            num_oov_indices=num_oov_indices,
            mask_token=mask_token,
            oov_token=oov_token,
            vocabulary=vocabulary,
            vocabulary_dtype=vocabulary_dtype,
            idf_weights=idf_weights,
            invert=invert,
            output_mode=output_mode,
            sparse=sparse,
            pad_to_max_tokens=pad_to_max_tokens,
            oov_method=oov_method,
            salt=salt,
            name=name,
            **kwargs,
        )
        self.supports_jit = oov_method == "floormod"

    def _to_tokens(self, values):
        return to_array(values).astype("int64")

    def _parse_vocabulary(self, text):
        return [int(line) for line in super()._parse_vocabulary(text)]

    @no_automatic_dependency_tracking
    def _set_tokens(self, tokens):
        super()._set_tokens(tokens)
        array = np.array(tokens, dtype="int64")
        order = np.argsort(array)
        # The tokens in ascending order, for a binary search, and the integer of each.
        self._sorted = array[order]
        self._sorted_indices = order + self._token_start_index()

    def call(self, inputs):
        self._check_depth()
        inputs = ops.cast(inputs, "int64")
        return self._integers(inputs) if self.invert else self._encode(self._indices(inputs))

    def _indices(self, inputs):
        known, found = self._search(inputs)
        start = self._oov_start_index()
        masked = False
        if self.mask_token is not None:
            masked = ops.equal(inputs, self.mask_token)
        if self.num_oov_indices == 0:
            self._check_known(inputs, ops.logical_or(known, masked))
            unknown = -1
        elif self.num_oov_indices == 1:
            unknown = start
        elif self.oov_method == "floormod":
            unknown = ops.mod(inputs, self.num_oov_indices) + start
        else:
            unknown = bins(to_array(inputs), self.num_oov_indices, self.salt) + start
        result = ops.where(known, found, ops.cast(unknown, "int64"))
        if self.mask_token is not None:
            # In other modes than "int" a mask is no category.
            result = ops.where(masked, 0 if self.output_mode == "int" else -1, result)
        return ops.cast(result, "int64")

    def _search(self, inputs):
        """Which inputs are in the vocabulary, and their integers."""
        if not self._tokens:
            return ops.zeros(inputs.shape, "bool"), ops.zeros(inputs.shape, "int64")
        place = ops.minimum(ops.searchsorted(self._sorted, ops.reshape(inputs, (-1,))), len(self._tokens) - 1)
        place = ops.reshape(place, inputs.shape)
        known = ops.equal(ops.take(self._sorted, place, axis=0), inputs)
        return known, ops.cast(ops.take(self._sorted_indices, place, axis=0), "int64")

    def _check_known(self, inputs, known):
        if inputs.is_traced:
            return  # values cannot be told here: unknown inputs become -1
        unknown = to_array(inputs)[~to_array(known)]
        if unknown.size:
            raise ValueError(
                "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                f"{np.unique(unknown).tolist()}, consider setting `num_oov_indices=1`."
            )

    def _integers(self, indices):
        first = self._token_start_index()
        tokens = np.array([*self._tokens, self.oov_token], dtype="int64")
        where = indices - first
        outside = ops.logical_or(ops.less(where, 0), ops.greater_equal(where, len(self._tokens)))
        result = ops.take(tokens, ops.where(outside, len(self._tokens), where), axis=0)
        if self.mask_token is not None:
            result = ops.where(ops.equal(indices, 0), self.mask_token, result)
        return ops.cast(result, "int64")

    def get_config(self):
        config = super().get_config()
        for key in ("oov_token", "mask_token"):
            if config[key] is not None:
                config[key] = int(config[key])
        if config["vocabulary"] is not None:
            config["vocabulary"] = [int(v) for v in config["vocabulary"]]
        return config
