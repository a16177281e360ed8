"""Event files, which TensorBoard reads: length-prefixed, checksummed protocol-buffer messages.

Formats: TensorFlow's `core/util/event.proto`, `core/framework/summary.proto`, `core/lib/io/record_writer.h`.
"""

import itertools
import os
import pathlib
import socket
import struct
import time

import numpy as np

_serial = itertools.count()


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc32c_table()


def masked_crc32c(data):
    """CRC-32C (Castagnoli), rotated and offset as TFRecord files want it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value):
    value &= 0xFFFFFFFFFFFFFFFF
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _double(field, value):
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field, value):
    return _varint(field << 3 | 2) + _varint(len(value)) + value


class EventFile:
    """A new event file in a folder, which is made if it is not there."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        name = (
            f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{next(_serial)}.v2"
        )
        self._file = open(folder / name, "wb")  # noqa: SIM115
        self._event(_bytes(3, b"brain.Event:2"))

    def scalar(self, tag, value, step):
        """Adds one number to the curve `tag`."""
        simple_value = _varint(2 << 3 | 5) + struct.pack("<f", value)
        self._summary(tag, simple_value, step)

    def histogram(self, tag, values, step, buckets=30):
        """Adds the distribution of an array's finite values to the histograms `tag`."""
        values = np.asarray(values, "float64").ravel()
        values = values[np.isfinite(values)]
        if not values.size:
            return
        counts, edges = np.histogram(values, bins=buckets)
        numbers = (values.min(), values.max(), values.size, values.sum(), np.square(values).sum())
        message = b"".join(_double(field, number) for field, number in enumerate(numbers, start=1))
        message += _bytes(6, edges[1:].astype("<f8").tobytes()) + _bytes(7, counts.astype("<f8").tobytes())
        self._summary(tag, _bytes(5, message), step)

    def flush(self):
        self._file.flush()

    def close(self):
        self._file.close()

    def _summary(self, tag, value, step):
        summary = _bytes(1, _bytes(1, tag.encode()) + value)
        self._event(_varint(2 << 3) + _varint(int(step)) + _bytes(5, summary))

    def _event(self, content):
        event = _double(1, time.time()) + content
        length = struct.pack("<Q", len(event))
        for part in (length, event):
            self._file.write(part + struct.pack("<I", masked_crc32c(part)))
