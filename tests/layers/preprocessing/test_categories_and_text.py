"""Layers that work on categories and text.

`values_of_keras.json` holds what Keras 3.15.1 gives on TensorFlow for the calls in `cases`: these layers of
Keras need TensorFlow, and real Keras runs on JAX here.
"""

import json
import pathlib

import keras
import numpy as np
import pytest

import oxhorn
from oxhorn import layers, ops
from oxhorn.layers import IntegerLookup, StringLookup, TextVectorization

VALUES = json.loads((pathlib.Path(__file__).parent / "values_of_keras.json").read_text())
TEXTS = ["The Quick brown fox!", "jumps over the lazy dog, the end", "", "ÉCOLE naïve\u00a0x\ty"]


def cases():
    yield "hash_int", lambda: layers.Hashing(5)(np.array([[1], [-2], [300]]))
    yield "hash_str", lambda: layers.Hashing(7)(np.array([["A"], ["B"], ["äöü"], [""]]))
    yield "hash_mask", lambda: layers.Hashing(4, mask_value="")(np.array(["A", "", "C", "D"]))
    yield "hash_salt", lambda: layers.Hashing(6, salt=133)(np.array(["A", "B", "C"]))
    yield "hash_salts", lambda: layers.Hashing(6, salt=[133, -5])(np.array(["A", "B", "C"]))
    yield "hash_one_hot", lambda: layers.Hashing(3, output_mode="one_hot")(np.array([["A"], ["B"]]))
    yield (
        "hash_count",
        lambda: layers.Hashing(3, output_mode="count")(np.array([["A", "B", "A"], ["C", "C", "C"]])),
    )
    yield "cross", lambda: layers.HashedCrossing(10)([np.array(["A", "B", "A"]), np.array([101, 102, -3])])
    yield (
        "cross3",
        lambda: layers.HashedCrossing(100)(
            [np.array([["A"], ["B"]]), np.array([[1], [2]]), np.array([["x"], ["y"]])]
        ),
    )
    yield (
        "cross_one_hot",
        lambda: layers.HashedCrossing(4, output_mode="one_hot")([np.array(["A", "B"]), np.array([1, 2])]),
    )

    def adapted(cls, data, x, **kw):
        layer = cls(**kw)
        layer.adapt(data)
        return [layer.get_vocabulary(), layer(x)]

    SL, IL, TV = StringLookup, IntegerLookup, TextVectorization
    docs = [["a", "b", "c", "b"], ["b", "d", "d", "e"]]
    yield "lookup", lambda: adapted(SL, docs, np.array([["a", "zz", ""]]))
    yield "lookup_max", lambda: adapted(SL, docs, np.array([["a", "b", "d"]]), max_tokens=3)
    yield "lookup_mask", lambda: adapted(SL, docs, np.array([["c", "", "x"]]), mask_token="")
    yield (
        "lookup_oov3",
        lambda: adapted(SL, docs, np.array([["c", "x", "yy", "zzz", "a"]]), num_oov_indices=3),
    )
    yield (
        "lookup_salt",
        lambda: adapted(SL, docs, np.array([["c", "x", "yy", "zzz", "a"]]), num_oov_indices=3, salt=[1, 2]),
    )
    yield (
        "lookup_multi",
        lambda: adapted(SL, docs, np.array([["c", "x"], ["b", "b"]]), output_mode="multi_hot"),
    )
    yield (
        "lookup_count",
        lambda: adapted(SL, docs, np.array([["c", "x"], ["b", "b"]]), output_mode="count", mask_token="c"),
    )
    yield "lookup_tfidf", lambda: adapted(SL, docs, np.array([["c", "x"], ["b", "b"]]), output_mode="tf_idf")
    yield (
        "lookup_pad",
        lambda: adapted(
            SL, docs, np.array([["c"]]), output_mode="one_hot", max_tokens=9, pad_to_max_tokens=True
        ),
    )
    yield (
        "lookup_invert",
        lambda: [
            str(x, "utf-8") if isinstance(x, bytes) else str(x)
            for x in np.asarray(SL(vocabulary=["a", "b"], invert=True)(np.array([0, 1, 2, 5]))).tolist()
        ],
    )
    ints = [[10, 20, 20], [30, 30, 30]]
    yield "int", lambda: adapted(IL, ints, np.array([[10, 20, 99]]))
    yield "int_mask", lambda: adapted(IL, ints, np.array([[10, 0, 99]]), mask_token=0)
    yield "int_mod", lambda: adapted(IL, ints, np.array([[10, 98, 99, -1]]), num_oov_indices=3)
    yield (
        "int_farm",
        lambda: adapted(IL, ints, np.array([[10, 98, 99, -1]]), num_oov_indices=3, oov_method="farmhash"),
    )
    yield "int_multi", lambda: adapted(IL, ints, np.array([[10, 98], [30, 30]]), output_mode="multi_hot")
    yield "int_tfidf", lambda: adapted(IL, ints, np.array([[10, 98], [30, 30]]), output_mode="tf_idf")
    yield "text", lambda: adapted(TV, TEXTS, TEXTS)
    yield "text_len", lambda: adapted(TV, TEXTS, TEXTS, output_sequence_length=3, max_tokens=5)
    yield "text_lower", lambda: adapted(TV, TEXTS, TEXTS[:2], standardize="lower", split="character")
    yield "text_strip", lambda: adapted(TV, TEXTS, [[TEXTS[0]], [TEXTS[1]]], standardize="strip_punctuation")
    yield "text_ngrams", lambda: adapted(TV, TEXTS, TEXTS[:2], ngrams=2)
    yield "text_ngrams_tuple", lambda: adapted(TV, TEXTS, TEXTS[:3], ngrams=(2, 3))
    yield "text_multi", lambda: adapted(TV, TEXTS[:2], TEXTS[:2], output_mode="multi_hot")
    yield (
        "text_count",
        lambda: adapted(TV, TEXTS[:2], TEXTS[:2], output_mode="count", max_tokens=20, pad_to_max_tokens=True),
    )
    yield "text_tfidf", lambda: adapted(TV, TEXTS[:2], TEXTS[:3], output_mode="tf_idf")
    yield "text_none", lambda: adapted(TV, ["a b", "c"], np.array(["a b", "d"]), standardize=None, split=None)
    yield "text_scalar", lambda: TV(vocabulary=["a", "b"])("b a zz")
    yield (
        "disc",
        lambda: layers.Discretization(bin_boundaries=[0.0, 0.5, 1.0])(np.array([[-1.0, 0.0, 0.1, 0.8, 1.2]])),
    )
    yield (
        "disc_multi",
        lambda: layers.Discretization(bin_boundaries=[0.0, 0.5], output_mode="multi_hot")(
            np.array([[-1.0, 0.0], [0.1, 0.8]])
        ),
    )

    def disc(n, data, **kw):
        layer = layers.Discretization(num_bins=n, **kw)
        layer.adapt(data)
        return layer.bin_boundaries

    yield "disc_adapt", lambda: disc(4, np.random.RandomState(0).normal(size=1000))
    yield "disc_adapt_batches", lambda: disc(5, iter([np.arange(37.0), np.arange(100.0) ** 2]), epsilon=0.05)
    yield "cat_multi", lambda: layers.CategoryEncoding(4)(np.array([[0, 1], [3, 3]]))
    yield "cat_one", lambda: layers.CategoryEncoding(4, output_mode="one_hot")(np.array([3, 2, 0]))
    yield (
        "cat_count",
        lambda: layers.CategoryEncoding(4, output_mode="count")(
            np.array([[0, 1], [3, 3]]), count_weights=np.array([[0.1, 0.2], [0.3, 0.4]])
        ),
    )


def plain(x):
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    x = x.numpy() if hasattr(x, "numpy") else x
    return x.tolist() if isinstance(x, (np.ndarray, np.generic)) else x


def same(a, b):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == pytest.approx(b, abs=1e-5) if isinstance(b, float) else a == b


CASES = dict(cases())


def test_every_value_has_a_case():
    assert CASES.keys() == VALUES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_like_keras(name):
    result = plain(CASES[name]())
    assert same(result, VALUES[name]), (result, VALUES[name])


# -- normalization ----------------------------------------------------------------------------

DATA = np.random.default_rng(0).normal(2.0, 3.0, size=(6, 4, 3)).astype("float32")


@pytest.mark.parametrize("axis", [-1, (1, 2), None, 1])
@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("batches", [False, True])
def test_normalization(axis, invert, batches):
    results = []
    for k in (oxhorn, keras):
        layer = k.layers.Normalization(axis=axis, invert=invert)
        # Keras needs TensorFlow for batches.
        layer.adapt([(DATA[:4],), (DATA[4:],)] if batches and k is oxhorn else DATA)
        results.append(np.asarray(layer(DATA)))
    np.testing.assert_allclose(*results, atol=1e-5)


def test_normalization_with_given_moments(tmp_path):
    for mean, variance, axis in [
        (1.5, 4.0, -1),
        ([1.0, 2.0, 3.0], [1.0, 4.0, 9.0], -1),
        ([[1.0]], [[2.0]], (1, 2)),
    ]:
        ours, theirs = (k.layers.Normalization(axis, mean, variance) for k in (oxhorn, keras))
        x = DATA if np.ndim(mean) < 2 else DATA[:, :1, :1]
        np.testing.assert_allclose(np.asarray(ours(x)), np.asarray(theirs(x)), atol=1e-6)
        assert ours.get_config()["mean"] == theirs.get_config()["mean"]


@pytest.mark.parametrize(("writer", "reader"), [(oxhorn, keras), (keras, oxhorn)])
def test_normalization_in_files(tmp_path, writer, reader):
    layer = writer.layers.Normalization()
    layer.adapt(DATA)
    model = writer.Sequential([writer.layers.Input((4, 3)), layer, writer.layers.Discretization([0.0, 1.0])])
    model.save(tmp_path / "m.keras")
    again = reader.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(np.asarray(again(DATA)), np.asarray(model(DATA)))


def test_normalization_in_training():
    layer = layers.Normalization()
    layer.adapt(DATA)
    model = oxhorn.Sequential([layers.Input((4, 3)), layer, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = layer.mean
    model.fit(DATA, DATA[:, 0, :1], verbose=0)
    np.testing.assert_array_equal(np.asarray(layer.mean), np.asarray(before))
    np.testing.assert_allclose(np.asarray(layer.mean).ravel(), DATA.mean((0, 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": 1.0}, "must be set"),
        ({"mean": [1.0, 2.0], "variance": [1.0]}, "same shape"),
        ({"mean": [[1.0]], "variance": [[1.0]]}, "rank of `mean`"),
    ],
)
def test_normalization_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.Normalization(**arguments)


def test_normalization_refuses_data():
    layer = layers.Normalization()
    with pytest.raises(ValueError, match="empty"):
        layer.adapt([])
    with pytest.raises(TypeError, match="Unsupported"):
        layer.adapt(3)
    with pytest.raises(TypeError, match="shape"):
        layer.adapt([[1.0]])
    layer.adapt(DATA)
    with pytest.raises(ValueError, match="incompatible"):
        layer.adapt(DATA[..., :2])
    with pytest.raises(ValueError, match="known shape"):
        layers.Normalization().build((None, None))


# -- lookups ----------------------------------------------------------------------------------


def test_lookup_of_integers_is_part_of_compiled_models():
    layer = IntegerLookup(vocabulary=[7, 3, 50], mask_token=0, num_oov_indices=2)
    x = np.array([[7, 0], [4, 50], [-5, 3]])
    model = oxhorn.Sequential([layers.Input((2,), dtype="int64"), layer])
    np.testing.assert_array_equal(model.predict(x, verbose=0), np.asarray(layer(x)))
    assert np.asarray(layer(x)).tolist() == [[3, 0], [1, 5], [2, 4]]


def test_strings_in_all_forms():
    layer = StringLookup(vocabulary=["a", "é"])
    for x in (["a", "é"], [b"a", "é".encode()], np.array(["a", "é"]), np.array(["a", "é"], object)):
        assert np.asarray(layer(x)).tolist() == [1, 2]
    assert int(np.asarray(layer("é"))) == 2
    assert layer(np.array([["a"]])).shape == (1, 1)


def test_nothing_is_out_of_vocabulary():
    for layer, x in (
        (StringLookup(vocabulary=["a"], num_oov_indices=0), ["b"]),
        (IntegerLookup(vocabulary=[1], num_oov_indices=0), [2]),
    ):
        with pytest.raises(ValueError, match="should be in vocabulary"):
            layer(x)


def test_vocabularies_of_files(tmp_path):
    (tmp_path / "words.txt").write_text("b\na\n", encoding="utf-8")
    (tmp_path / "numbers.txt").write_text("30\n10\n")
    words = StringLookup(vocabulary=str(tmp_path / "words.txt"))
    assert words.get_vocabulary() == ["[UNK]", "b", "a"]
    assert np.asarray(IntegerLookup(vocabulary=str(tmp_path / "numbers.txt"))([10, 30])).tolist() == [2, 1]
    with pytest.raises(ValueError, match="does not exist"):
        StringLookup(vocabulary=str(tmp_path / "other.txt"))


@pytest.mark.parametrize("text", ["[UNK]\na b\r\n\u2028 x\u0085y", "[UNK]\nplain"])
def test_vocabularies_survive_files(tmp_path, text):
    layer = StringLookup()
    layer.set_vocabulary(text.split("\n"))
    layer.save_assets(tmp_path)
    again = StringLookup()
    again.load_assets(tmp_path)
    assert again.get_vocabulary() == layer.get_vocabulary()


@pytest.mark.parametrize("mode", ["int", "tf_idf", "count"])
@pytest.mark.parametrize("given", [False, True])
def test_text_in_model_files(tmp_path, mode, given):
    if given:
        weights = [0.5, 2.0] if mode == "tf_idf" else None
        layer = TextVectorization(output_mode=mode, vocabulary=["the", "fox"], idf_weights=weights)
    else:
        layer = TextVectorization(output_mode=mode, max_tokens=6)
        layer.adapt(TEXTS)
    model = oxhorn.Sequential([layers.Input((1,), dtype="string"), layer])
    model.save(tmp_path / "m.keras")
    again = oxhorn.models.load_model(tmp_path / "m.keras").layers[-1]
    assert again.get_vocabulary() == layer.get_vocabulary()
    np.testing.assert_array_equal(np.asarray(again(TEXTS)), np.asarray(layer(TEXTS)))


def test_a_model_file_names_no_other_file(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    for cls in (StringLookup, TextVectorization):
        config = oxhorn.saving.serialize_keras_object(cls(vocabulary=["a"]))
        config["config"]["vocabulary"] = str(secret)
        for safe_mode in (True, False):
            with pytest.raises((TypeError, ValueError), match="outside of the model archive"):
                oxhorn.saving.deserialize_keras_object(config, safe_mode=safe_mode)


def test_functions_that_clean_and_split():
    layer = TextVectorization(
        standardize=lambda x: np.char.replace(x, "-", " "),
        split=lambda x: [s.split(" ") for s in x],
        vocabulary=["a", "b"],
    )
    assert np.asarray(layer(["a-b", "b"])).tolist() == [[2, 3], [3, 0]]


def test_symbolic_shapes():
    x = layers.Input((3,), dtype="string")
    assert StringLookup(vocabulary=["a"])(x).shape == (None, 3)
    assert StringLookup(vocabulary=["a"], output_mode="multi_hot")(x).shape == (None, 2)
    text = TextVectorization(output_sequence_length=7, vocabulary=["a"])(layers.Input((1,), dtype="string"))
    assert (text.shape, text.dtype) == ((None, 7), "int64")
    assert layers.CategoryEncoding(5)(layers.Input((2,), dtype="int32")).shape == (None, 5)
    assert layers.Hashing(5)(x).shape == (None, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StringLookup(max_tokens=1), "greater than 1"),
        (lambda: StringLookup(pad_to_max_tokens=True), "max_tokens"),
        (lambda: StringLookup(num_oov_indices=-1), "greater than or equal to 0"),
        (lambda: StringLookup(output_mode="other"), "output_mode"),
        (lambda: StringLookup(invert=True, output_mode="count"), "must be `'int'`"),
        (lambda: StringLookup(sparse=True, output_mode="count"), "sparse"),
        (lambda: StringLookup(vocabulary=["a", "a"]), "repeated term"),
        (lambda: StringLookup(vocabulary=[]), "empty vocabulary"),
        (lambda: StringLookup(vocabulary=["a", "m"], mask_token="m"), "reserved mask token"),
        (lambda: StringLookup(vocabulary=["a", "[UNK]"], invert=True), "reserved OOV token"),
        (lambda: StringLookup(vocabulary=["a", "b"], max_tokens=2), "larger than the maximum"),
        (lambda: StringLookup(vocabulary=["a"], output_mode="tf_idf"), "idf_weights"),
        (lambda: StringLookup(vocabulary=["a"], idf_weights=[1.0]), "idf_weights"),
        (lambda: StringLookup(vocabulary=["a"], idf_weights=[1.0, 2.0], output_mode="tf_idf"), "same length"),
        (lambda: StringLookup(nonsense=1), "Unrecognized"),
        (lambda: IntegerLookup(vocabulary_dtype="int32"), "int64"),
        (lambda: IntegerLookup(salt=1), "farmhash"),
        (lambda: TextVectorization(ngrams="2"), "ngrams"),
        (lambda: TextVectorization(output_sequence_length=2.0), "output_sequence_length"),
        (lambda: TextVectorization(output_mode="count", output_sequence_length=2), "must not be set"),
        (lambda: TextVectorization(ragged=True), "ragged"),
        (lambda: TextVectorization(standardize="other"), "standardize"),
        (lambda: layers.Hashing(0), "num_bins"),
        (lambda: layers.Hashing(2, salt="x"), "salt"),
        (lambda: layers.Hashing(2, dtype="float32"), "integer type"),
        (lambda: layers.HashedCrossing(2, output_mode="count"), "output_mode"),
        (lambda: layers.HashedCrossing(2)(["a"]), "at least two"),
        (lambda: layers.HashedCrossing(2)([np.array(["a"]), np.array([1.5])]), "integer or string"),
        (lambda: layers.HashedCrossing(2)([np.array(["a"]), np.array([1, 2])]), "equal shape"),
        (lambda: layers.Discretization(), "num_bins"),
        (lambda: layers.Discretization([1.0], 2), "should not be set"),
        (lambda: layers.Discretization(num_bins=2)(np.ones(2)), "adapt"),
        (lambda: layers.Discretization([1.0]).adapt(np.ones(2)), "Cannot adapt"),
        (lambda: layers.CategoryEncoding(), "num_tokens must be set"),
        (lambda: layers.CategoryEncoding(2, output_mode="int"), "output_mode"),
        (lambda: layers.CategoryEncoding(2)(np.ones((1, 1)), count_weights=np.ones((1, 1))), "count_weights"),
    ],
)  # fmt: skip
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_words_are_counted_once_the_vocabulary_is_given():
    layer = StringLookup(vocabulary=["a"])
    with pytest.raises(ValueError, match="Cannot adapt"):
        layer.adapt(["b"])
    counts = StringLookup(output_mode="count")
    with pytest.raises(RuntimeError, match="set the layer's vocabulary"):
        counts(["a"])
    counts.adapt(["a"])
    with pytest.raises(RuntimeError, match="cannot be changed"):
        counts.adapt(["a", "b"])


def test_category_encoding_of_tensors():
    x = ops.convert_to_tensor([[1, 5]])  # 5 is no category
    assert np.asarray(layers.CategoryEncoding(3)(x)).tolist() == [[0.0, 1.0, 0.0]]
