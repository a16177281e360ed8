"""Streams of elements, and those made of arrays and of files."""

import itertools
import threading
import wave

import numpy as np
import pytest
from PIL import Image

import oxhorn
from oxhorn import layers, preprocessing, utils
from oxhorn.utils.dataset import AUTOTUNE, INFINITE, UNKNOWN, Dataset


def numbers(n):
    return Dataset.from_tensor_slices(np.arange(n))


def values(dataset):
    return [np.asarray(x).tolist() for x in dataset]


def test_slices_of_structures():
    data = Dataset.from_tensor_slices({"a": np.arange(3), "b": (np.ones((3, 2)), [4, 5, 6])})
    element = list(data)[1]
    assert element["a"] == 1 and element["b"][0].shape == (2,) and element["b"][1] == 5
    for bad in ((np.ones(2), np.ones(3)), 3.0, ()):
        with pytest.raises(ValueError, match="one length"):
            Dataset.from_tensor_slices(bad)


def test_every_pass_begins_anew():
    data = numbers(5).map(lambda x: x + 1).batch(2)
    assert values(data) == values(data) == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize(
    ("make", "expected", "size"),
    [
        (lambda d: d.map(lambda x: x * 2), [0, 2, 4, 6, 8], 5),
        (lambda d: d.map(lambda x: x * 2, num_parallel_calls=AUTOTUNE), [0, 2, 4, 6, 8], 5),
        (lambda d: d.map(lambda x: (x, -x)).map(lambda a, b: a + 2 * b), [0, -1, -2, -3, -4], 5),
        (lambda d: d.filter(lambda x: x % 2 == 0), [0, 2, 4], UNKNOWN),
        (lambda d: d.batch(2), [[0, 1], [2, 3], [4]], 3),
        (lambda d: d.batch(2, drop_remainder=True), [[0, 1], [2, 3]], 2),
        (lambda d: d.batch(2).unbatch(), [0, 1, 2, 3, 4], UNKNOWN),
        (lambda d: d.take(2), [0, 1], 2),
        (lambda d: d.take(-1), [0, 1, 2, 3, 4], 5),
        (lambda d: d.skip(3), [3, 4], 2),
        (lambda d: d.skip(9), [], 0),
        (lambda d: d.take(2).repeat(2), [0, 1, 0, 1], 4),
        (lambda d: d.take(2).repeat().take(5), [0, 1, 0, 1, 0], 5),
        (lambda d: d.take(1).concatenate(d.skip(4)), [0, 4], 2),
        (lambda d: d.take(2).enumerate(5), [[5, 0], [6, 1]], 2),
        (lambda d: d.prefetch(AUTOTUNE), [0, 1, 2, 3, 4], 5),
        (lambda d: d.cache(), [0, 1, 2, 3, 4], 5),
    ],
)
def test_what_becomes_of_elements(make, expected, size):
    data = make(numbers(5))
    assert values(data) == expected == values(data)
    assert data.cardinality() == size
    if size >= 0:
        assert len(data) == size


def test_lengths_that_are_not_known():
    for data in (numbers(3).repeat(), numbers(3).filter(bool)):
        assert bool(data) and data.cardinality() in (INFINITE, UNKNOWN)
        with pytest.raises(TypeError):
            len(data)
    with pytest.raises(ValueError, match="batch_size"):
        numbers(3).batch(0)
    with pytest.raises(ValueError, match="memory only"):
        numbers(3).cache("file")


def test_shuffling():
    data = numbers(50).shuffle(8, seed=3)
    first, second = values(data), values(data)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second and first != list(range(50))
    assert values(numbers(50).shuffle(8, seed=3)) == first
    # An element comes from no further ahead than the buffer reaches.
    assert all(value - place < 8 for place, value in enumerate(first))
    fixed = numbers(50).shuffle(50, seed=1, reshuffle_each_iteration=False)
    assert values(fixed) == values(fixed)


def test_cached_elements_are_made_once():
    calls = []
    data = numbers(3).map(lambda x: calls.append(x) or x).cache()
    next(iter(data))
    assert values(data) == values(data) == [0, 1, 2]
    assert len(calls) == 4  # one in the pass that was broken off


@pytest.mark.parametrize("parallel", [False, True])
def test_errors_and_threads_end(parallel):
    def fail(x):
        if x == 3:
            raise RuntimeError("three")
        return x

    before = threading.active_count()
    data = numbers(100).map(fail, num_parallel_calls=2) if parallel else numbers(100).map(fail).prefetch(4)
    with pytest.raises(RuntimeError, match="three"):
        list(data)
    endless = numbers(5).repeat().map(lambda x: x, num_parallel_calls=2 if parallel else None).prefetch(2)
    assert len(list(itertools.islice(endless, 7))) == 7
    for _ in range(50):
        if threading.active_count() <= before:
            break
        threading.Event().wait(0.05)
    assert threading.active_count() <= before


def test_training_on_a_dataset():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    data = Dataset.from_tensor_slices((x, x.sum(1, keepdims=True))).batch(8).prefetch(2)
    model = oxhorn.Sequential([layers.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(data, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert model.predict(data.map(lambda x, y: x), verbose=0).shape == (20, 1)


# -- arrays -----------------------------------------------------------------------------------


def test_time_series():
    data = np.arange(20)
    windows = utils.timeseries_dataset_from_array(
        data, data * 10, 4, sequence_stride=3, sampling_rate=2, batch_size=2
    )
    batches = [(x.tolist(), y.tolist()) for x, y in windows]
    assert batches == [
        ([[0, 2, 4, 6], [3, 5, 7, 9]], [0, 30]),
        ([[6, 8, 10, 12], [9, 11, 13, 15]], [60, 90]),
        ([[12, 14, 16, 18]], [120]),
    ]
    assert len(windows) == 3
    part = preprocessing.timeseries_dataset_from_array(
        data, None, 3, start_index=5, end_index=9, batch_size=None
    )
    assert values(part) == [[5, 6, 7], [6, 7, 8]]
    shuffled = [
        utils.timeseries_dataset_from_array(data, None, 2, shuffle=True, seed=4, batch_size=None)
        for _ in "ab"
    ]
    assert values(shuffled[0]) == values(shuffled[1])
    assert sorted(values(shuffled[0])) == [[i, i + 1] for i in range(19)]
    assert list(utils.timeseries_dataset_from_array(data, None, 30)) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"start_index": -1}, {"start_index": 20}, {"end_index": 20}, {"start_index": 5, "end_index": 4},
        {"sampling_rate": 0}, {"sampling_rate": 20}, {"sequence_stride": 0}, {"sequence_stride": 20},
        {"format": "x"},
    ],
)  # fmt: skip
def test_time_series_refuses(arguments):
    with pytest.raises(ValueError):
        utils.timeseries_dataset_from_array(np.arange(20), None, 3, **arguments)


def test_splitting():
    x, y = np.arange(10), np.arange(10) * 2
    left, right = utils.split_dataset((x, y), left_size=0.7)
    assert values(left) == [[i, 2 * i] for i in range(7)] and values(right) == [[i, 2 * i] for i in (7, 8, 9)]
    left, right = utils.split_dataset(x, left_size=2, right_size=3, shuffle=True, seed=1)
    assert len(left) == 2 and len(right) == 3 and not set(values(left)) & set(values(right))
    left, right = utils.split_dataset(numbers(4).map(lambda i: {"i": i}), right_size=1)
    assert [element["i"] for element in right] == [3]


@pytest.mark.parametrize(
    ("dataset", "arguments", "error"),
    [
        (np.arange(4), {}, ValueError),
        (np.arange(4), {"left_size": "1"}, TypeError),
        (np.arange(4), {"left_size": 4}, ValueError),
        (np.arange(4), {"left_size": 1.5}, ValueError),
        (np.arange(4), {"left_size": 0, "right_size": 0}, ValueError),
        (np.arange(4), {"left_size": 3, "right_size": 2}, ValueError),
        (np.arange(4), {"left_size": 0.7, "right_size": 0.7}, ValueError),
        (np.arange(4), {"left_size": 0.01}, ValueError),
        ([np.arange(4), np.arange(3)], {"left_size": 1}, ValueError),
        ([[1, 2]], {"left_size": 1}, ValueError),
        ([], {"left_size": 1}, ValueError),
        (3, {"left_size": 1}, TypeError),
    ],
)
def test_splitting_refuses(dataset, arguments, error):
    with pytest.raises(error):
        utils.split_dataset(dataset, **arguments)


# -- files ------------------------------------------------------------------------------------


@pytest.fixture
def images(tmp_path):
    for folder, count in (("cat", 3), ("dog", 2), (".hidden", 1)):
        (tmp_path / folder / "deep").mkdir(parents=True)
        for i in range(count):
            shade = np.full((4, 6, 3), 50 * i + (100 if folder == "dog" else 0), "uint8")
            Image.fromarray(shade).save(tmp_path / folder / ("deep" if i == 2 else "") / f"{i}.png")
        (tmp_path / folder / "notes.txt").write_text("no image")
    return tmp_path


def test_images(images, capsys):
    data = utils.image_dataset_from_directory(images, image_size=(2, 3), batch_size=2, shuffle=False)
    assert "Found 5 files belonging to 2 classes." in capsys.readouterr().out
    assert data.class_names == ["cat", "dog"] and len(data) == 3 and len(data.file_paths) == 5
    batches = list(data)
    assert batches[0][0].shape == (2, 2, 3, 3) and batches[0][0].dtype == "float32"
    assert np.concatenate([x[:, 0, 0, 0] for x, _ in batches]).tolist() == [0, 50, 100, 100, 150]
    assert np.concatenate([y for _, y in batches]).tolist() == [0, 0, 0, 1, 1]
    assert [p.split("/")[-1] for p in data.file_paths] == ["0.png", "1.png", "2.png", "0.png", "1.png"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("binary", [[0.0], [1.0]]), ("categorical", [[1.0, 0.0], [0.0, 1.0]]), ("int", [0, 1]), (None, None)],
)
def test_labels(images, mode, expected):
    data = utils.image_dataset_from_directory(
        images,
        label_mode=mode,
        batch_size=None,
        shuffle=False,
        image_size=(1, 1),
        color_mode="grayscale",
        verbose=False,
    )
    elements = list(data)
    if mode is None:
        assert elements[0].shape == (1, 1, 1)
        return
    assert [elements[0][1].tolist(), elements[-1][1].tolist()] == expected


def test_names_and_labels_that_are_given(images):
    data = utils.image_dataset_from_directory(
        images, class_names=["dog", "cat"], batch_size=None, image_size=(1, 1), shuffle=False
    )
    assert [int(y) for _, y in data] == [0, 0, 1, 1, 1]
    data = utils.image_dataset_from_directory(
        images, labels=[5, 4, 3, 2, 1, 0], batch_size=None, image_size=(1, 1), shuffle=False
    )
    assert data.class_names == list("012345")


def test_orders_and_splits(images):
    def load(**arguments):
        return utils.image_dataset_from_directory(images, batch_size=None, image_size=(1, 1), **arguments)

    both = load(validation_split=0.4, subset="both", seed=1)
    single = [load(validation_split=0.4, subset=subset, seed=1) for subset in ("training", "validation")]
    assert [d.file_paths for d in both] == [d.file_paths for d in single]
    assert len(both[0].file_paths) == 3 and len(set(both[0].file_paths + both[1].file_paths)) == 5
    # A file keeps its label in whatever order it comes.
    for x, y in load(seed=2):
        assert (x[0, 0, 0] in (100, 150)) or y == 0


@pytest.mark.parametrize(
    "arguments",
    [{"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}, {"data_format": "channels_first"}],
)
def test_shapes(images, arguments):
    data = utils.image_dataset_from_directory(images, image_size=(5, 5), batch_size=None, **arguments)
    assert next(iter(data))[0].shape == ((3, 5, 5) if "data_format" in arguments else (5, 5, 3))


@pytest.mark.parametrize(
    "arguments",
    [
        {"labels": 3}, {"labels": [1], "class_names": ["a"]}, {"labels": [1]}, {"label_mode": "x"},
        {"color_mode": "x"}, {"image_size": (1,)}, {"interpolation": "x"}, {"format": "x"},
        {"validation_split": 2.0, "subset": "both"}, {"validation_split": 0.5}, {"subset": "both"},
        {"validation_split": 0.5, "subset": "x"}, {"validation_split": 0.5, "subset": "both"},
        {"class_names": ["horse"]}, {"labels": None, "class_names": ["a"]},
        {"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
        {"label_mode": "binary", "class_names": ["cat"]},
    ],
)  # fmt: skip
def test_images_refuse(images, arguments):
    with pytest.raises(ValueError):
        utils.image_dataset_from_directory(images, **arguments)


def test_no_images(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="No image files"):
        utils.image_dataset_from_directory(tmp_path)


def test_texts(tmp_path):
    for name, text in (("neg", "bad ü"), ("pos", "good")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(text, encoding="utf-8")
    data = utils.text_dataset_from_directory(tmp_path, shuffle=False, max_length=5)
    ((x, y),) = data
    assert x.tolist() == ["bad ü", "good"] and y.tolist() == [0, 1]
    layer = layers.TextVectorization()
    layer.adapt(data.map(lambda x, y: x))
    assert layer.vocabulary_size() == 5
    assert values(data.map(lambda x, y: layer(x)))[0] == [[4, 2], [3, 0]]


def tone(path, width, channels, rate, samples):
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setsampwidth(width)
        file.setnchannels(channels)
        file.setframerate(rate)
        scaled = np.round(samples * (2 ** (8 * width - 1) - 1)).astype("<i8")[:, None].repeat(channels, 1)
        if width == 1:
            scaled += 128
        file.writeframes(b"".join(int(v).to_bytes(8, "little", signed=True)[:width] for v in scaled.ravel()))


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sounds(tmp_path, width):
    samples = np.sin(np.arange(100) / 5)
    tone(tmp_path / "a" / "x.wav", width, 2, 8000, samples)
    tone(tmp_path / "b" / "y.wav", width, 2, 8000, samples[:60])
    ((x, y),) = utils.audio_dataset_from_directory(tmp_path, shuffle=False)
    assert x.shape == (2, 100, 2) and y.tolist() == [0, 1]
    np.testing.assert_allclose(x[0, :, 1], samples, atol=2.0 ** (2 - 8 * width))
    assert not x[1, 60:].any()
    (x,) = utils.audio_dataset_from_directory(tmp_path, labels=None, output_sequence_length=80)
    assert x.shape == (2, 80, 2)


def test_sounds_at_another_rate(tmp_path):
    time = np.arange(800) / 8000
    tone(tmp_path / "a" / "x.wav", 2, 1, 8000, 0.5 * np.sin(2 * np.pi * 440 * time))
    for rate in (4000, 11025, 16000):
        (x,) = utils.audio_dataset_from_directory(tmp_path, labels=None, sampling_rate=rate)
        expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(x.shape[1]) / rate)
        assert abs(x.shape[1] - rate // 10) <= 1
        middle = slice(rate // 50, -rate // 50)
        np.testing.assert_allclose(x[0, middle, 0], expected[middle], atol=5e-3)


def test_files_that_are_no_sounds(tmp_path):
    (tmp_path / "a").mkdir()
    for data in (b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00" + b"\xff" * 16):
        (tmp_path / "a" / "x.wav").write_bytes(data)
        with pytest.raises(ValueError, match="no PCM sound"):
            list(utils.audio_dataset_from_directory(tmp_path))
    for arguments in ({"ragged": True}, {"sampling_rate": 1.5}, {"sampling_rate": 0}):
        with pytest.raises(ValueError):
            utils.audio_dataset_from_directory(tmp_path, **arguments)
