"""Event files are what TensorFlow's own reader takes."""

import struct

import numpy as np
import pytest

import oxhorn as keras
from oxhorn.callbacks._event_file import masked_crc32c

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


def fields(message):
    """(number, value) of a protocol-buffer message: integers, raw bytes, floats and doubles."""
    position = 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        value = message[position : position + size]
        position += size
        yield number, value if kind == 2 else struct.unpack({1: "<d", 5: "<f"}[kind], value)[0]


def read(folder):
    """[(tag, step, number or histogram's fields)] of the only event file in a folder."""
    (path,) = folder.glob("events.out.tfevents.*")
    data, values = path.read_bytes(), []
    versions = 0
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = data[12 : 12 + length]
        assert struct.unpack("<I", data[8:12])[0] == masked_crc32c(data[:8])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked_crc32c(event)
        data = data[16 + length :]
        content = dict(fields(event))
        versions += content.get(3) == b"brain.Event:2"
        if 5 in content:
            value = dict(fields(dict(fields(content[5]))[1]))
            values.append((value[1].decode(), content[2], value.get(2, value.get(5))))
    assert versions == 1
    return values


def fit(callback, **options):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse", metrics=["mae"])
    return model, model.fit(X, Y, epochs=3, batch_size=10, verbose=0, callbacks=[callback], **options).history


def test_checksum():
    # RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 0x8a9136aa.
    unmasked = (masked_crc32c(bytes(32)) - 0xA282EAD8) & 0xFFFFFFFF
    assert (unmasked << 15 | unmasked >> 17) & 0xFFFFFFFF == 0x8A9136AA


def test_scalars(tmp_path):
    _, history = fit(keras.callbacks.TensorBoard(tmp_path), validation_data=(X, Y))
    for folder, prefix in (("train", ""), ("validation", "val_")):
        curves = {}
        for tag, step, value in read(tmp_path / folder):
            curves.setdefault(tag, []).append((step, value))
        assert [step for step, _ in curves["epoch_loss"]] == [0, 1, 2]
        for name in ("loss", "mae"):
            np.testing.assert_allclose(
                [v for _, v in curves[f"epoch_{name}"]], history[prefix + name], rtol=1e-6
            )
    assert "epoch_learning_rate" in {tag for tag, _, _ in read(tmp_path / "train")}


def test_batches_speed_and_histograms(tmp_path):
    callback = keras.callbacks.TensorBoard(
        tmp_path, histogram_freq=2, update_freq=2, write_steps_per_second=True
    )
    model, _ = fit(callback)
    values = read(tmp_path / "train")
    assert [step for tag, step, _ in values if tag == "batch_loss"] == [2, 4, 6, 8, 10, 12]
    assert sum(tag == "epoch_steps_per_second" and value > 0 for tag, _, value in values) == 3
    histograms = [(step, value) for tag, step, value in values if tag == f"{model.weights[0].path}/histogram"]
    assert [step for step, _ in histograms] == [0, 2]
    last = dict(fields(histograms[1][1]))
    kernel = model.weights[0].numpy()
    np.testing.assert_allclose(
        [last[1], last[2], last[3], last[4]], [kernel.min(), kernel.max(), 4, kernel.sum()]
    )
    assert np.frombuffer(last[7]).sum() == 4


def test_what_cannot_be_written_is_refused():
    with pytest.raises(ValueError, match="write_images"):
        keras.callbacks.TensorBoard(write_images=True)
    with pytest.raises(ValueError, match="update_freq"):
        keras.callbacks.TensorBoard(update_freq="sometimes")
