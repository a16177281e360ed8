"""What the two CIFAR sets have in common."""

import os

import numpy as np

from oxhorn._base.settings import image_data_format
from oxhorn.datasets._files import RestrictedUnpickler
from oxhorn.utils.file_utils import get_file

_ORIGIN = "https://www.cs.toronto.edu/~kriz/"


def load(fname, archive, file_hash, folder, train_files, test_files, label_key):
    """`(x_train, y_train), (x_test, y_test)` from the pickled batches of an archive."""
    path = get_file(fname, origin=_ORIGIN + archive, extract=True, file_hash=file_hash)

    def read(names):
        batches = [_read_batch(os.path.join(path, folder, name), label_key) for name in names]
        x, y = (np.concatenate(parts) for parts in zip(*batches))
        return (x.transpose(0, 2, 3, 1) if image_data_format() == "channels_last" else x), y

    return read(train_files), read(test_files)


def _read_batch(path, label_key):
    with open(path, "rb") as file:
        batch = RestrictedUnpickler(file, encoding="bytes").load()
    images = batch[b"data"]
    labels = np.array(batch[label_key.encode()], dtype="uint8")
    return images.reshape(len(images), 3, 32, 32), labels.reshape(-1, 1)
