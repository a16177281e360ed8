"""Saving the model while it trains."""

import os
import re
import warnings

from oxhorn.callbacks.monitor_callback import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Saves the model or its weights after epochs or batches.

    Args:
        filepath: path, which may name `{epoch}`, `{batch}` and logs such as `{val_loss:.2f}`; it ends in
            ".weights.h5" if `save_weights_only`, else in ".keras" (or ".h5").
        monitor: name in the logs that decides with `save_best_only`.
        verbose: 1 prints what is saved.
        save_best_only: save only when the monitored value has improved.
        save_weights_only: save the weights, not the model.
        mode: "min", "max" or "auto".
        save_freq: "epoch", or number of batches between savings.
        initial_value_threshold: value to improve on first.
    """

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
    ):
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._batches = 0
        self._last_batch = 0
        self._epoch = 0
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values"
            )
        if save_weights_only and not self.filepath.endswith(".weights.h5"):
            raise ValueError(
                "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end in "
                f"`.weights.h5` (Keras weights format). Received: filepath={self.filepath}"
            )
        if not save_weights_only and not self.filepath.endswith((".keras", ".h5")):
            raise ValueError(
                "The filepath provided must end in `.keras` (Keras model format). "
                f"Received: filepath={self.filepath}"
            )
        if save_freq != "epoch":
            # Batches are looked at only if they matter: otherwise steps run many at a time.
            self.on_train_batch_end = self._on_train_batch_end

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._last_batch = 0

    def _on_train_batch_end(self, batch, logs=None):
        self._batches += batch + 1 - self._last_batch
        self._last_batch = batch + 1
        if self._batches >= self.save_freq:
            self._batches = 0
            self._save(self._epoch, batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save(epoch, None, logs)

    def _save(self, epoch, batch, logs):
        logs = logs or {}
        path = self._path(epoch, batch, logs)
        if self.save_best_only:
            if self.monitor_op is None:
                self._set_monitor_op()
            current = self.get_monitor_value(logs)  # warns if there is none
            if current is None:
                pass
            elif getattr(current, "shape", ()) not in ((), None):
                warnings.warn(
                    "Can save best model only when `monitor` is a scalar value. Falling back to "
                    "`save_best_only=False`.",
                    stacklevel=3,
                )
            elif not self._is_improvement(current, self.best):
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
                return
            else:
                if self.verbose > 0:
                    was = "inf" if self.best is None else f"{self.best:.5f}"
                    print(
                        f"\nEpoch {epoch + 1}: {self.monitor} improved from {was} to "
                        f"{current:.5f}, saving model to {path}"
                    )
                self.best = current
        elif self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: saving model to {path}")
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        try:
            if self.save_weights_only:
                self.model.save_weights(path, overwrite=True)
            else:
                self.model.save(path, overwrite=True)
        except IsADirectoryError as error:
            raise OSError(
                f"Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an existing "
                f"directory: {path}"
            ) from error
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def _path(self, epoch, batch, logs):
        try:
            numbers = {"epoch": epoch + 1, **logs}
            if batch is not None:
                numbers["batch"] = batch + 1
            return self.filepath.format(**numbers)
        except KeyError as error:
            names = re.findall(r"{(\w+)", self.filepath)
            raise KeyError(
                f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}. '
                f"It names {names}; known are {sorted(numbers)}."
            ) from error
