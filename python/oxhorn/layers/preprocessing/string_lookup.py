import numpy as np

from oxhorn._base.tracking import no_automatic_dependency_tracking
from oxhorn.layers.preprocessing._strings import bins, to_array, to_strings
from oxhorn.layers.preprocessing.index_lookup import IndexLookup


class StringLookup(IndexLookup):
    """Strings to integers by a vocabulary, or, with `invert`, integers to strings.

    Works on values, not inside compiled functions: use it where data is prepared.

    Args:
        max_tokens: the largest size of the vocabulary, special tokens included; None: no limit.
        num_oov_indices: how many integers unknown strings are spread over (by their hash); 0: unknown strings
            are errors.
        mask_token: string that becomes 0; None: there is none.
        oov_token: what unknown integers become when `invert` is true.
        vocabulary: list or array of strings, or the path of a text file with one per line. Otherwise call
            `adapt()`.
        idf_weights: for "tf_idf": a weight for each string of the vocabulary.
        invert: whether to map integers to strings.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
        pad_to_max_tokens: whether vectors have `max_tokens` entries even if the vocabulary is smaller.
        sparse: must be false.
        encoding: of bytes among the inputs.
        salt: one or two integers: spread unknown strings by SipHash under this key in place of FarmHash.

    Raises:
        ValueError: arguments that contradict each other or are out of range.
    """

    def __init__(
        self,
        max_tokens=None,
        num_oov_indices=1,
        mask_token=None,
        oov_token="[UNK]",
        vocabulary=None,
        idf_weights=None,
        invert=False,
        output_mode="int",
        pad_to_max_tokens=False,
        sparse=False,
        encoding="utf-8",
        name=None,
        salt=None,
        **kwargs,
    ):
        self.__dict__["encoding"] = encoding  # read while the vocabulary is set, inside super().__init__()
        super().__init__(
            max_tokens=max_tokens,
            num_oov_indices=num_oov_indices,
            mask_token=mask_token,
            oov_token=oov_token,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            invert=invert,
            output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            name=name,
            salt=salt,
            vocabulary_dtype="string",
            **kwargs,
        )
        self.supports_jit = False

    def _to_tokens(self, values):
        return to_strings(values, self.encoding)

    def _sort_key(self, token):
        return token.encode("utf-8", "surrogatepass")

    @no_automatic_dependency_tracking
    def _set_tokens(self, tokens):
        super()._set_tokens(tokens)
        self._indices = {token: i for i, token in enumerate(tokens, self._token_start_index())}

    def call(self, inputs):
        self._check_depth()
        if self.invert:
            return self._strings(to_array(inputs))
        tokens = self._to_tokens(inputs)
        indices = np.fromiter(self._numbers(tokens.ravel().tolist()), "int64", tokens.size)
        return self._encode(indices.reshape(tokens.shape))

    def _numbers(self, tokens):
        """The integers of strings, as an iterator."""
        known = dict(self._indices)
        if self.mask_token is not None:
            # In other modes than "int" a mask is no category.
            known[self.mask_token] = 0 if self.output_mode == "int" else -1
        unknown = {token for token in tokens if token not in known}
        if unknown and self.num_oov_indices == 0:
            raise ValueError(
                "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                f"{sorted(unknown)}, consider setting `num_oov_indices=1`."
            )
        start = self._oov_start_index()
        if self.num_oov_indices == 1:
            known.update(dict.fromkeys(unknown, start))
        elif unknown:
            array = np.array(list(unknown), dtype=object)
            found = bins(array, self.num_oov_indices, self.salt) + start
            known.update(zip(array.tolist(), found.tolist()))
        return (known[token] for token in tokens)

    def _strings(self, indices):
        """The strings of integers; those without one become the token for unknown strings."""
        first = self._token_start_index()
        words = [*self._tokens, self.oov_token]
        where = indices.astype("int64") - first
        where[(where < 0) | (where >= len(self._tokens))] = len(self._tokens)
        result = np.array(words, dtype=object)[where]
        if self.mask_token is not None:
            result = np.where(indices == 0, self.mask_token, result)
        return np.asarray(result, dtype=str)

    def get_config(self):
        config = super().get_config()
        del config["vocabulary_dtype"]
        return {"encoding": self.encoding, **config}
