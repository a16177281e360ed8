"""Logs as a table in a file."""

import csv
import os

import numpy as np

from oxhorn.callbacks.callback import Callback


class CSVLogger(Callback):
    """Writes the logs of every epoch as a row of a CSV file.

    Args:
        filename: path of the file.
        separator: character between the fields.
        append: whether to go on with an existing file.
    """

    def __init__(self, filename, separator=",", append=False):
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.writer = None
        self.keys = None
        self.csv_file = None

    def on_train_begin(self, logs=None):
        has_rows = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self._write_header = not has_rows
        self.csv_file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115
        self.writer = None
        self.keys = None

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                # The first validation may come in a later epoch.
                self.keys += [f"val_{key}" for key in self.keys]
        if self.writer is None:
            fields = ["epoch", *self.keys]
            self.writer = csv.DictWriter(self.csv_file, fieldnames=fields, delimiter=self.sep)
            if self._write_header:
                self.writer.writeheader()
        row = {"epoch": epoch}
        row.update((name, _field(logs.get(name, "NA"))) for name in self.keys)
        self.writer.writerow(row)
        self.csv_file.flush()

    def on_train_end(self, logs=None):
        if self.csv_file is not None:
            self.csv_file.close()
        self.writer = None


def _field(value):
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else f'"[{", ".join(map(str, array.ravel()))}]"'
