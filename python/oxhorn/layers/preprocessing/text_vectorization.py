import re
import string

import numpy as np

from oxhorn import ops
from oxhorn._base.convert import is_tensor
from oxhorn._base.keras_tensor import KerasTensor
from oxhorn._base.settings import floatx
from oxhorn.layers.layer import Layer
from oxhorn.layers.preprocessing._strings import to_strings
from oxhorn.layers.preprocessing._validation import check_choice
from oxhorn.layers.preprocessing.index_lookup import listify
from oxhorn.layers.preprocessing.string_lookup import StringLookup

# As in Keras, only ASCII letters are changed and only ASCII spaces separate words.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WORD = re.compile(r"[^ \t\n\r\v\f]+")


class TextVectorization(Layer):
    """Texts to sequences of integers or to vectors: cleans and splits them and looks the words up.

    Works on values, not inside compiled functions: use it where data is prepared.

    Args:
        max_tokens: the largest size of the vocabulary, special tokens included; None: no limit.
        standardize: how texts are cleaned: "lower_and_strip_punctuation", "lower", "strip_punctuation", None,
            or a function from an array of strings to another.
        split: how they are split: "whitespace", "character", None, or a function from an array of strings to
            lists of strings.
        ngrams: largest number of words in a row that make a token, or a tuple of such numbers; None: 1.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf"; see `StringLookup`.
        output_sequence_length: for "int": length to which sequences are cut or padded with 0; None: that of
            the longest.
        pad_to_max_tokens: whether vectors have `max_tokens` entries even if the vocabulary is smaller.
        vocabulary: list or array of strings, or the path of a text file. Otherwise call `adapt()`.
        idf_weights: for "tf_idf": a weight for each string of the vocabulary.
        sparse, ragged: must be false.
        encoding: of bytes among the inputs.

    Raises:
        ValueError: arguments that contradict each other or are out of range.
    """

    def __init__(
        self,
        max_tokens=None,
        standardize="lower_and_strip_punctuation",
        split="whitespace",
        ngrams=None,
        output_mode="int",
        output_sequence_length=None,
        pad_to_max_tokens=False,
        vocabulary=None,
        idf_weights=None,
        sparse=False,
        ragged=False,
        encoding="utf-8",
        name=None,
        **kwargs,
    ):
        for argument, value in (("sparse", sparse), ("ragged", ragged)):
            if value:
                raise ValueError(f"`{argument}=True` can only be used with the TensorFlow backend.")
        choices = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
        check_choice(self, "standardize", standardize, choices, allow_none=True, allow_callables=True)
        check_choice(self, "split", split, ("whitespace", "character"), allow_none=True, allow_callables=True)
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        check_choice(self, "output_mode", output_mode, ("int", "one_hot", "multi_hot", "count", "tf_idf"))
        if not (
            ngrams is None
            or isinstance(ngrams, int)
            or (isinstance(ngrams, tuple) and all(isinstance(n, int) for n in ngrams))
        ):
            raise ValueError(
                f"`ngrams` must be None, an integer, or a tuple of integers. Received: ngrams={ngrams}"
            )
        if output_mode == "int" and not isinstance(output_sequence_length, (int, type(None))):
            raise ValueError(
                "`output_sequence_length` must be either None or an integer when `output_mode` is 'int'. "
                f"Received: output_sequence_length={output_sequence_length}"
            )
        if output_mode != "int" and output_sequence_length is not None:
            raise ValueError(
                "`output_sequence_length` must not be set if `output_mode` is not 'int'. "
                f"Received output_sequence_length={output_sequence_length}."
            )
        self.__dict__.update(_standardize=standardize, _split=split)
        has_input_vocabulary = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        vocabulary_size = kwargs.pop("vocabulary_size", None)
        super().__init__(name=name, **kwargs)
        self._ngrams_arg = ngrams
        self._ngrams = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
        self._output_mode = output_mode
        self._output_sequence_length = output_sequence_length
        self._encoding = encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=output_mode,
            has_input_vocabulary=has_input_vocabulary,
            encoding=encoding,
            vocabulary_size=vocabulary_size,
        )
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False

    @property
    def compute_dtype(self):
        return "string"

    @property
    def variable_dtype(self):
        return "string"

    def build(self, input_shape=None):
        pass

    def compute_output_shape(self, input_shape):
        input_shape = tuple(input_shape)
        if self._output_mode == "int":
            return (input_shape[0], self._output_sequence_length)
        if self._split is not None:
            input_shape += (None,)
        elif len(input_shape) <= 1:
            input_shape += (1,)
        return self._lookup_layer.compute_output_shape(input_shape)

    def compute_output_spec(self, inputs):
        dtype = "int64" if self._output_mode == "int" else floatx()
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    # -- vocabulary

    def adapt(self, data, batch_size=None, steps=None):
        """Makes the vocabulary of the words in data, the most frequent ones first.

        Args:
            data: array or list of texts, or an iterable of batches of them.
            batch_size: not used.
            steps: the largest number of batches to take.
        """
        self.reset_state()
        if isinstance(data, (list, tuple, np.ndarray)) or is_tensor(data):
            texts = to_strings(data, self._encoding)
            self.update_state(texts[:, None] if texts.ndim == 1 else texts)
        elif hasattr(data, "__iter__"):
            for i, batch in enumerate(data):
                if steps is not None and i >= steps:
                    break
                self.update_state(batch)
        else:
            self.update_state(data)
        self.finalize_state()

    def update_state(self, data):
        """Counts the words of a batch of texts."""
        rows = self._rows(data)
        self._lookup_layer._count([rows] if _is_flat(rows) else rows)

    def finalize_state(self):
        """Makes the vocabulary from what was counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self):
        """Forgets what was counted."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens=True):
        """The words in the order of their integers."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self):
        """How many integers there are."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary, idf_weights=None):
        """See `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights=idf_weights)

    # -- call

    def _rows(self, inputs):
        """The tokens of each text, as nested lists in the shape of the texts."""
        texts = to_strings(inputs, self._encoding)
        if callable(self._standardize):
            texts = to_strings(self._standardize(texts.astype(str)), self._encoding)
        elif self._standardize is not None:
            texts = _apply(self._clean, texts)
        if self._split is not None:
            if texts.ndim > 1:
                if texts.shape[-1] != 1:
                    raise ValueError(
                        "When using `TextVectorization` to tokenize strings, the input rank must be 1 or the "
                        "last shape dimension must be 1. Received: inputs.shape="
                        f"{texts.shape} with rank={texts.ndim}"
                    )
                texts = texts[..., 0]
            if callable(self._split):
                rows = self._split(texts.astype(str))
                rows = rows.to_list() if hasattr(rows, "to_list") else rows
                rows = [to_strings(row, self._encoding).tolist() for row in rows]
            else:
                split = _WORD.findall if self._split == "whitespace" else list
                rows = _apply(split, texts).tolist()
        else:
            rows = texts.tolist()
        if self._ngrams is not None:
            rows = self._join(rows)
        return rows

    def _clean(self, text):
        if self._standardize != "strip_punctuation":
            text = text.translate(_LOWER)
        return text if self._standardize == "lower" else text.translate(_PUNCTUATION)

    def _join(self, rows):
        if not _is_flat(rows):
            return [self._join(row) for row in rows]
        return [" ".join(rows[i : i + n]) for n in self._ngrams for i in range(len(rows) - n + 1)]

    def call(self, inputs):
        rows = self._rows(inputs)
        if isinstance(rows, str):
            rows = [rows]
        lookup = self._lookup_layer
        lookup._check_depth()
        flat = _is_flat(rows)
        numbers = [list(lookup._numbers(row)) for row in ([rows] if flat else rows)]
        if self._output_mode != "int":
            result = lookup._encode(_pad(numbers, -1, None))
        else:
            result = ops.convert_to_tensor(_pad(numbers, 0, self._output_sequence_length))
        if flat and self._split is None:
            # Texts that are tokens themselves, of one axis.
            return result[0]
        return result[0] if flat and np.ndim(to_strings(inputs)) == 0 else result

    # -- files

    def get_config(self):
        from oxhorn.saving.serialization_lib import serialize_keras_object

        lookup = self._lookup_layer
        return {
            **super().get_config(),
            "max_tokens": lookup.max_tokens,
            "standardize": serialize_keras_object(self._standardize),
            "split": serialize_keras_object(self._split),
            "ngrams": self._ngrams_arg,
            "output_mode": self._output_mode,
            "output_sequence_length": self._output_sequence_length,
            "pad_to_max_tokens": lookup.pad_to_max_tokens,
            "sparse": lookup.sparse,
            "ragged": False,
            "vocabulary": listify(lookup.input_vocabulary),
            "idf_weights": listify(lookup.input_idf_weights),
            "encoding": self._encoding,
            "vocabulary_size": self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from oxhorn.saving.serialization_lib import deserialize_keras_object

        config = dict(config)
        for name in ("standardize", "split"):
            if not isinstance(config.get(name), str):
                config[name] = deserialize_keras_object(config.get(name), custom_objects=custom_objects)
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return cls(**config)

    def save_own_variables(self, store):
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store):
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path):
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path):
        self._lookup_layer.load_assets(dir_path)


def _apply(function, array):
    """`function` of each entry, in an array of objects."""
    result = np.empty(array.shape, dtype=object)
    flat = result.reshape(-1)
    for i, value in enumerate(array.reshape(-1).tolist()):
        flat[i] = function(value)
    return result


def _is_flat(rows):
    return not any(isinstance(row, list) for row in rows)


def _pad(rows, value, length):
    """Lists of different lengths as an array, cut to `length` or padded with `value`."""
    if length is None:
        length = max(map(len, rows), default=0)
    result = np.full((len(rows), length), value, dtype="int64")
    for i, row in enumerate(rows):
        result[i, : len(row)] = row[:length]
    return result
