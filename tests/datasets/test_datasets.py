"""The loaders on real files, where they are there: see OXHORN_TEST_DATA, a folder that has `datasets`."""

import io
import os
import pathlib
import pickle
import tarfile
import zipfile

import keras
import numpy as np
import pytest

from oxhorn import datasets
from oxhorn.datasets import _files, boston_housing, california_housing, cifar10, cifar100, imdb, reuters

_BESIDE = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
DATA = os.environ.get("OXHORN_TEST_DATA", str(_BESIDE))
needs_data = pytest.mark.skipif(not os.path.isdir(os.path.join(DATA, "datasets")), reason="no data sets here")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache that has the real files."""
    if os.path.isdir(os.path.join(DATA, "datasets")):
        os.symlink(os.path.join(DATA, "datasets"), tmp_path / "datasets")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    return tmp_path


CASES = [
    ("mnist", {}),
    ("fashion_mnist", {}),
    ("boston_housing", {}),
    ("california_housing", {}),
    ("california_housing", {"version": "small", "test_split": 0.1, "seed": 7}),
    ("reuters", {}),
    ("reuters", {"num_words": 500, "skip_top": 20, "maxlen": 60, "oov_char": None, "start_char": None}),
]


@needs_data
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
def test_same_as_keras(name, kwargs, home):
    ours = getattr(datasets, name).load_data(**kwargs)
    theirs = getattr(keras.datasets, name).load_data(**kwargs)
    for our_array, their_array in zip(
        (a for part in ours for a in part), (a for part in theirs for a in part)
    ):
        assert our_array.dtype == their_array.dtype
        assert our_array.shape == their_array.shape
        if our_array.dtype == object:
            assert our_array.tolist() == their_array.tolist()
        else:
            np.testing.assert_array_equal(our_array, their_array)


@needs_data
def test_imdb_from_a_path(home):
    # The file differs from Keras's in a few bytes, so it is only read when it is named.
    (x_train, y_train), (x_test, y_test) = imdb.load_data(path=os.path.join(DATA, "datasets", "imdb.npz"))
    assert len(x_train) == len(y_train) == len(x_test) == len(y_test) == 25000
    assert (len(x_train[0]), x_train[0][:6], y_train[0]) == (218, [1, 14, 22, 16, 43, 530], 1)
    assert (len(x_test[0]), x_test[0][:6], y_test[0]) == (68, [1, 591, 202, 14, 31, 6], 0)


@needs_data
def test_imdb_with_another_hash_is_kept(home):
    before = os.stat(home / "datasets" / "imdb.npz")
    with pytest.raises(OSError, match="left as it is") as error:
        imdb.load_data()
    for part in ("imdb.npz", "40a921b2b51d", "69664113be75"):
        assert part in str(error.value)
    assert os.stat(home / "datasets" / "imdb.npz") == before


@needs_data
def test_word_indices(home):
    assert len(imdb.get_word_index()) == 88584
    assert reuters.get_word_index()["the"] == 1
    assert reuters.get_label_names() == keras.datasets.reuters.get_label_names()


def small_imdb(path, count=8):
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 30, n).tolist() for n in rng.integers(2, 9, 2 * count)]
    arrays = {}
    for i, part in enumerate(("train", "test")):
        own = texts[i * count : (i + 1) * count]
        arrays[f"x_{part}"] = np.fromiter(own, dtype=object, count=count)
        arrays[f"y_{part}"] = np.arange(count) % 2
    np.savez(path, **arrays)


IMDB_ARGUMENTS = [
    {},
    {"num_words": 12, "skip_top": 5},
    {"maxlen": 6, "oov_char": None},
    {"start_char": None, "index_from": 0, "seed": 1},
    {"start_char": None, "index_from": 2},
]


@pytest.mark.parametrize("kwargs", IMDB_ARGUMENTS, ids=str)
def test_imdb_arguments(kwargs, tmp_path, monkeypatch):
    path = str(tmp_path / "small.npz")
    small_imdb(path)
    monkeypatch.setattr("keras.src.datasets.imdb.get_file", lambda **_: path)
    ours, theirs = imdb.load_data(path, **kwargs), keras.datasets.imdb.load_data(**kwargs)
    for (our_x, our_y), (their_x, their_y) in zip(ours, theirs):
        assert our_x.tolist() == their_x.tolist()
        assert np.asarray(our_y).tolist() == np.asarray(their_y).tolist()


def test_imdb_bad_arguments(tmp_path):
    path = str(tmp_path / "small.npz")
    small_imdb(path)
    with pytest.raises(ValueError, match="Increase maxlen"):
        imdb.load_data(path, maxlen=1)
    with pytest.raises(TypeError, match="Unrecognized keyword"):
        imdb.load_data(path, words=3)
    with pytest.warns(UserWarning, match="renamed `num_words`"):
        (x, _), _ = imdb.load_data(path, nb_words=6)
    assert max(map(max, x)) < 6


@pytest.mark.parametrize(
    ("loader", "argument"), [(boston_housing, {}), (california_housing, {"version": "small"})]
)
def test_bad_split(loader, argument):
    with pytest.raises(ValueError, match="Invalid `test_split`"):
        loader.load_data(test_split=1.0, **argument)


class Gadget:
    def __reduce__(self):
        return (os.system, ("true",))


def test_pickles_of_other_things_are_refused(tmp_path):
    array = np.empty(1, dtype=object)
    array[0] = Gadget()
    path = str(tmp_path / "evil.npz")
    np.savez(path, x=array)
    with pytest.raises(pickle.UnpicklingError, match="Refusing to deserialize"):
        _files.load_arrays(path)
    # The constructor of arrays would allocate whatever it is asked for.
    huge = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L1000000000000L\ntS'b'\ntR."
    with pytest.raises(pickle.UnpicklingError, match="Refusing to make an array"):
        _files.RestrictedUnpickler(io.BytesIO(huge)).load()


def test_arrays_of_any_kind(tmp_path):
    path = str(tmp_path / "arrays.npz")
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.ones(3, "float32"), "c": np.asfortranarray(np.eye(3))}
    np.savez_compressed(path, **arrays)
    for name, array in _files.load_arrays(path).items():
        np.testing.assert_array_equal(array, arrays[name])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("note.txt", "not an array")
    assert set(_files.load_arrays(path)) == set(arrays)


def cifar_archive(path, folder, batches):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            data = pickle.dumps(content, protocol=3)
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_cifar(home, monkeypatch):
    """Batches whose keys are bytes, as strings pickled by Python 2 are read."""
    rng = np.random.default_rng(0)

    def batch(*label_keys):
        labels = {key: rng.integers(0, 10, 4).tolist() for key in label_keys}
        return {b"data": rng.integers(0, 256, (4, 3072)).astype("uint8"), **labels}

    monkeypatch.setattr("oxhorn.datasets._cifar.get_file", _without_hash)
    if os.path.islink(home / "datasets"):
        os.unlink(home / "datasets")
    (home / "datasets").mkdir()
    batches = {f"data_batch_{i}": batch(b"labels") for i in range(1, 6)} | {"test_batch": batch(b"labels")}
    cifar_archive(
        str(home / "datasets" / "cifar-10-batches-py-target_archive"), "cifar-10-batches-py", batches
    )
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert (x_train.shape, y_train.shape, x_test.shape) == ((20, 32, 32, 3), (20, 1), (4, 32, 32, 3))
    np.testing.assert_array_equal(y_train[4:8, 0], batches["data_batch_2"][b"labels"])
    image = batches["test_batch"][b"data"][1].reshape(3, 32, 32)
    np.testing.assert_array_equal(x_test[1], image.transpose(1, 2, 0))
    assert {a.dtype.name for a in (x_train, y_train, x_test, y_test)} == {"uint8"}

    batches = {name: batch(b"fine_labels", b"coarse_labels") for name in ("train", "test")}
    cifar_archive(str(home / "datasets" / "cifar-100-python-target_archive"), "cifar-100-python", batches)
    (_, y_train), _ = cifar100.load_data("coarse")
    np.testing.assert_array_equal(y_train[:, 0], batches["train"][b"coarse_labels"])
    with pytest.raises(ValueError, match="`label_mode` must be"):
        cifar100.load_data("medium")


def _without_hash(fname, origin, extract, file_hash):
    from oxhorn.utils.file_utils import get_file

    assert len(file_hash) == 64
    return get_file(fname, origin, extract=extract)
