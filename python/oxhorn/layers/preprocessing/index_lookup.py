import collections
import os

import numpy as np

from oxhorn import ops
from oxhorn._base.convert import is_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.settings import floatx
from oxhorn._base.tracking import no_automatic_dependency_tracking
from oxhorn.layers.layer import Layer
from oxhorn.layers.preprocessing._strings import to_array
from oxhorn.layers.preprocessing._validation import check_choice, two_salts
from oxhorn.saving.serialization_lib import in_safe_mode

_ASSET = "vocabulary.txt"


class IndexLookup(Layer):
    """Tokens to integers, or back: what `StringLookup` and `IntegerLookup` have in common.

    The integers begin with one for the mask token (if there is one and the mode is "int"), go on with
    `num_oov_indices` for tokens out of the vocabulary, and then number the vocabulary.
    """

    def __init__(
        self,
        max_tokens,
        num_oov_indices,
        mask_token,
        oov_token,
        vocabulary_dtype,
        vocabulary=None,
        idf_weights=None,
        invert=False,
        output_mode="int",
        sparse=False,
        pad_to_max_tokens=False,
        oov_method="floormod",
        name=None,
        salt=None,
        **kwargs,
    ):
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(
                f"If set, `max_tokens` must be greater than 1. Received: max_tokens={max_tokens}"
            )
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(
                f"If pad_to_max_tokens is True, must set `max_tokens`. Received: max_tokens={max_tokens}"
            )
        if num_oov_indices < 0:
            raise ValueError(
                "`num_oov_indices` must be greater than or equal to 0. "
                f"Received: num_oov_indices={num_oov_indices}"
            )
        check_choice(self, "oov_method", oov_method, ("floormod", "farmhash"))
        if salt is not None and vocabulary_dtype != "string" and oov_method != "farmhash":
            raise ValueError(
                f"`salt` can only be used when `oov_method='farmhash'`. Received: oov_method={oov_method}"
            )
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        check_choice(self, "output_mode", output_mode, ("int", "one_hot", "multi_hot", "count", "tf_idf"))
        if invert and output_mode != "int":
            raise ValueError(
                f"`output_mode` must be `'int'` when `invert` is true. Received: output_mode={output_mode}"
            )
        if sparse and output_mode == "int":
            raise ValueError(
                "`sparse` may only be true if `output_mode` is `'one_hot'`, `'multi_hot'`, `'count'` or "
                f"`'tf_idf'`. Received: sparse={sparse} and output_mode={output_mode}"
            )
        if sparse:
            raise ValueError("`sparse=True` can only be used with the TensorFlow backend.")
        if idf_weights is not None and output_mode != "tf_idf":
            raise ValueError(
                "`idf_weights` should only be set if `output_mode` is `'tf_idf'`. Received: "
                f"idf_weights={idf_weights} and output_mode={output_mode}"
            )
        super().__init__(name=name)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.invert = invert
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.output_mode = output_mode
        self.sparse = sparse
        self.pad_to_max_tokens = pad_to_max_tokens
        self.vocabulary_dtype = vocabulary_dtype
        self.oov_method = oov_method
        self.salt = two_salts(salt, self)
        self._frozen_vocab_size = kwargs.pop("vocabulary_size", None)
        self.input_vocabulary = None if isinstance(vocabulary, str) else vocabulary
        self.input_idf_weights = idf_weights
        self._has_input_vocabulary = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        for ignored in ("trainable", "dtype"):
            kwargs.pop(ignored, None)
        if kwargs:
            raise ValueError(f"Unrecognized keyword argument(s): {kwargs}")
        self.idf_weights = None
        self._set_tokens([])
        self._forget_counts()
        if self.output_mode == "tf_idf" and self._has_input_vocabulary and idf_weights is None:
            raise ValueError(
                "When specifying the `vocabulary` argument, in TF-IDF output mode, the `idf_weights` "
                "argument must also be provided."
            )
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # What kinds of tokens differ in.

    def _to_tokens(self, values):
        """Array-like values as an array of tokens."""
        raise NotImplementedError

    def _sort_key(self, token):
        """The order of tokens that occur equally often; the greater comes first."""
        return token

    # -- vocabulary

    @property
    def compute_dtype(self):
        return self.vocabulary_dtype

    @property
    def variable_dtype(self):
        return self.vocabulary_dtype

    def _oov_start_index(self):
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    def _token_start_index(self):
        return self._oov_start_index() + self.num_oov_indices

    @no_automatic_dependency_tracking
    def _set_tokens(self, tokens):
        self._tokens = tokens

    def get_vocabulary(self, include_special_tokens=True):
        """The tokens in the order of their integers, by default with those for masks and unknown tokens."""
        if not include_special_tokens:
            return list(self._tokens)
        return [*self._special_tokens(), *self._tokens]

    def _special_tokens(self):
        return [self.mask_token] * self._oov_start_index() + [self.oov_token] * self.num_oov_indices

    def vocabulary_size(self):
        """How many integers there are."""
        return len(self._tokens) + self._token_start_index()

    def set_vocabulary(self, vocabulary, idf_weights=None):
        """Sets the vocabulary.

        Args:
            vocabulary: tokens, with or without the special ones at the start; or the path of a text file with
                a token per line.
            idf_weights: for "tf_idf": a weight for each token.

        Raises:
            ValueError: tokens that repeat, special tokens elsewhere, more tokens than `max_tokens`, or
                weights that do not fit.
        """
        if self.output_mode == "tf_idf":
            if idf_weights is None:
                raise ValueError("`idf_weights` must be set if output_mode is 'tf_idf'.")
        elif idf_weights is not None:
            raise ValueError(
                "`idf_weights` should only be set if output_mode is `'tf_idf'`. Received: "
                f"output_mode={self.output_mode} and idf_weights={idf_weights}"
            )
        if isinstance(vocabulary, str):
            vocabulary = self._read_vocabulary(vocabulary)
        tokens = self._to_tokens(vocabulary).reshape(-1).tolist()
        if not tokens:
            raise ValueError(f"Cannot set an empty vocabulary. Received: vocabulary={vocabulary}")
        count = len(tokens)
        special = self._special_tokens()
        has_special = bool(special) and tokens[: len(special)] == special
        if has_special:
            tokens = tokens[len(special) :]
        self._check_tokens(tokens, special)
        size = self._token_start_index() + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                "Attempted to set a vocabulary larger than the maximum vocab size. Received vocabulary size "
                f"is {size}; `max_tokens` is {self.max_tokens}."
            )
        self._set_tokens(tokens)
        self._record_vocabulary_size()
        if self.output_mode == "tf_idf":
            weights = np.asarray(to_array(idf_weights), dtype=floatx())
            if weights.ndim != 1:
                raise ValueError(f"TF-IDF data must be a 1-index array. Received: shape={weights.shape}")
            if len(weights) != count:
                raise ValueError(
                    "`idf_weights` must be the same length as vocabulary. len(idf_weights) is "
                    f"{len(weights)}; len(vocabulary) is {count}"
                )
            self._set_idf_weights(weights, 0 if has_special else self._token_start_index())

    def _read_vocabulary(self, path):
        if in_safe_mode() is not None:
            # A model's file must not make us read other files, in whatever mode it is loaded.
            raise ValueError(
                "Requested the loading of a vocabulary file outside of the model archive, which could be "
                f"any file of this machine. Vocabulary file: '{path}'"
            )
        if not os.path.exists(path):
            raise ValueError(f"Vocabulary file {path} does not exist.")
        if self.output_mode == "tf_idf":
            raise ValueError("output_mode `'tf_idf'` does not support loading a vocabulary from file.")
        with open(path, encoding=getattr(self, "encoding", "utf-8")) as file:
            return self._parse_vocabulary(file.read())

    def _parse_vocabulary(self, text):
        lines = text.split("\n")
        while lines and lines[-1] == "":
            lines.pop()
        return lines

    def _check_tokens(self, tokens, special):
        if len(set(tokens)) != len(tokens):
            repeated = [token for token, n in collections.Counter(tokens).items() if n > 1]
            raise ValueError(
                "The passed vocabulary has at least one repeated term. Please uniquify your dataset. The "
                f"repeated terms are: {repeated}"
            )
        for kind, token, reserved in (
            ("mask", self.mask_token, self.mask_token is not None),
            ("OOV", self.oov_token, self.oov_token is not None and self.invert),
        ):
            if reserved and token in tokens:
                raise ValueError(
                    f"Found reserved {kind} token at unexpected location in `vocabulary`. Note that passed "
                    "`vocabulary` does not need to include the OOV and mask tokens. Either remove all mask "
                    "and OOV tokens, or include them only at the start of the vocabulary in precisely this "
                    f"order: {special}. Received: token={token} at index {tokens.index(token)}"
                )

    def _set_idf_weights(self, weights, front):
        """Weights of the vocabulary, after `front` special tokens that get their mean."""
        size = self.max_tokens if self.pad_to_max_tokens else front + len(weights)
        padded = np.zeros(size, dtype=floatx())
        padded[:front] = np.mean(weights) if len(weights) else 0
        padded[front : front + len(weights)] = weights
        self.idf_weights = padded

    def _record_vocabulary_size(self):
        size = self.vocabulary_size()
        fixed = self.output_mode != "int" and not self.pad_to_max_tokens
        if fixed and self._frozen_vocab_size is not None and size != self._frozen_vocab_size:
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, the vocabulary "
                "size cannot be changed after the layer is called. Old vocab size is "
                f"{self._frozen_vocab_size}, new vocab size is {size}"
            )
        self._frozen_vocab_size = size

    # -- adapt

    def adapt(self, data, steps=None):
        """Makes the vocabulary of the tokens in data, the most frequent ones first.

        Args:
            data: array or list of tokens (of one axis: one document each), or an iterable of batches.
            steps: the largest number of batches to take.
        """
        self.reset_state()
        if isinstance(data, (list, tuple, np.ndarray)) or is_tensor(data):
            tokens = self._to_tokens(data)
            self.update_state(tokens[:, None] if tokens.ndim == 1 else tokens)
        elif hasattr(data, "__iter__"):
            for i, batch in enumerate(data):
                if steps is not None and i >= steps:
                    break
                self.update_state(batch)
        else:
            self.update_state(data)
        self.finalize_state()

    def update_state(self, data):
        """Counts the tokens of a batch: an array, whose rows are documents."""
        tokens = self._to_tokens(data)
        rows = tokens.reshape(1, -1) if tokens.ndim < 2 else tokens.reshape(len(tokens), -1)
        self._count(rows.tolist())

    def _count(self, documents):
        if self._has_input_vocabulary:
            raise ValueError(
                f"Cannot adapt layer '{self.name}' after setting a static vocabulary via `vocabulary` "
                "argument or `set_vocabulary()` method."
            )
        for document in documents:
            self._counts.update(document)
            if self.output_mode == "tf_idf":
                self._document_counts.update(set(document))
        self._num_documents += len(documents)

    def finalize_state(self):
        """Makes the vocabulary from what was counted."""
        if self._has_input_vocabulary or not self._counts:
            self._record_vocabulary_size()
            return
        for special in (self.mask_token, self.oov_token):
            self._counts.pop(special, None)
        tokens = sorted(self._counts, key=lambda t: (self._counts[t], self._sort_key(t)), reverse=True)
        if self.max_tokens:
            tokens = tokens[: self.max_tokens - self._token_start_index()]
        self._set_tokens(tokens)
        if self.output_mode == "tf_idf":
            frequencies = np.array([self._document_counts[t] for t in tokens], dtype=floatx())
            self._set_idf_weights(
                np.log(1 + self._num_documents / (1 + frequencies)), self._token_start_index()
            )
        self.reset_state()
        self._record_vocabulary_size()

    def reset_state(self):
        """Forgets what was counted."""
        if not self._has_input_vocabulary:
            self._forget_counts()

    @no_automatic_dependency_tracking
    def _forget_counts(self):
        self._counts = collections.Counter()
        self._document_counts = collections.Counter()
        self._num_documents = 0

    # -- call

    def _depth(self):
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_vocab_size

    def compute_output_shape(self, input_shape):
        if self.output_mode == "int":
            return input_shape
        input_shape = tuple(input_shape)
        if self.output_mode == "one_hot" and not (len(input_shape) > 1 and input_shape[-1] == 1):
            return (*input_shape, self._depth())
        return (*input_shape[:-1], self._depth())

    def compute_output_spec(self, inputs):
        dtype = "int64" if self.output_mode == "int" else floatx()
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    def _check_depth(self):
        if self.output_mode != "int" and self._depth() is None:
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, you must set "
                "the layer's vocabulary before calling it. Either pass a `vocabulary` argument to the "
                "layer, or call `adapt` with some sample data."
            )

    def _encode(self, indices):
        """Integers in the layer's output mode."""
        from oxhorn.utils.numerical_utils import encode_categorical_inputs

        if self.output_mode == "int":
            return ops.convert_to_tensor(indices)
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        vectors = encode_categorical_inputs(indices, mode, self._depth(), "int64")
        if self.output_mode != "tf_idf":
            return vectors
        if self.idf_weights is None:
            raise ValueError("When `output_mode` is `'tf_idf'`, `idf_weights` must be provided.")
        return ops.cast(vectors, self.idf_weights.dtype.name) * self.idf_weights

    # -- files

    def get_build_config(self):
        return {}

    def build_from_config(self, config):
        self.build(None)

    def get_config(self):
        return {
            **super().get_config(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": self.vocabulary_dtype,
            "idf_weights": listify(self.input_idf_weights),
            "vocabulary": listify(self.input_vocabulary),
            "vocabulary_size": self._frozen_vocab_size,
            "oov_method": self.oov_method,
            "salt": self.salt,
        }

    def save_own_variables(self, store):
        if self.output_mode == "tf_idf" and self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store):
        if self.output_mode == "tf_idf" and "idf_weights" in store:
            self.idf_weights = np.asarray(store["idf_weights"], dtype=floatx())

    def save_assets(self, dir_path):
        if self.input_vocabulary is None:
            text = "\n".join(str(token) for token in self.get_vocabulary())
            with open(os.path.join(dir_path, _ASSET), "w", encoding="utf-8", newline="\n") as file:
                file.write(text)

    def load_assets(self, dir_path):
        if self.input_vocabulary is not None:
            return
        with open(os.path.join(dir_path, _ASSET), encoding="utf-8", newline="\n") as file:
            tokens = self._parse_vocabulary(file.read())
        if not tokens:
            return
        if self.output_mode == "tf_idf":
            self.set_vocabulary(tokens, idf_weights=self.idf_weights[: len(tokens)])
        else:
            self.set_vocabulary(tokens)


def listify(x):
    """Arrays and tensors as lists, other things as they are."""
    return to_array(x).tolist() if isinstance(x, np.ndarray) or is_tensor(x) else x
