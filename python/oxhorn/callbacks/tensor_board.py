"""Logs that TensorBoard shows."""

import os
import time

import numpy as np

from oxhorn.callbacks._event_file import EventFile
from oxhorn.callbacks._learning_rate import optimizers_of, rate_of
from oxhorn.callbacks.callback import Callback


class TensorBoard(Callback):
    """Writes losses, metrics and learning rates, and if wanted the weights, as event files for TensorBoard.

    Nothing but Oxhorn is needed to write them: training goes to `log_dir/train`, validation to
    `log_dir/validation`.

    Args:
        log_dir: folder of the files.
        histogram_freq: epochs between histograms of all weights; 0: none.
        write_graph: accepted for compatibility: there is no graph of TensorFlow's to write.
        write_images: False; pictures of weights are not written.
        write_steps_per_second: whether to write the speed, in batches per second.
        update_freq: "epoch", "batch", or number of batches between the values within an epoch.
        profile_batch: 0; there is no profile for TensorBoard.
        embeddings_freq: 0; embeddings are not written.
        embeddings_metadata: None.

    Raises:
        ValueError: for what cannot be written.
    """

    def __init__(
        self,
        log_dir="logs",
        histogram_freq=0,
        write_graph=True,
        write_images=False,
        write_steps_per_second=False,
        update_freq="epoch",
        profile_batch=0,
        embeddings_freq=0,
        embeddings_metadata=None,
    ):
        super().__init__()
        for name, value in (
            ("write_images", write_images),
            ("profile_batch", profile_batch),
            ("embeddings_freq", embeddings_freq),
            ("embeddings_metadata", embeddings_metadata),
        ):
            if value:
                raise ValueError(
                    f"`TensorBoard` cannot write what `{name}` asks for. Received: {name}={value}"
                )
        if update_freq not in ("batch", "epoch") and not (isinstance(update_freq, int) and update_freq > 0):
            raise ValueError(
                "`update_freq` must be 'epoch', 'batch' or a positive number of batches. "
                f"Received: update_freq={update_freq}"
            )
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._files = {}
        self._batches = 0
        if self.update_freq != "epoch":
            # Batches are looked at only if they matter: otherwise steps run many at a time.
            self.on_train_batch_end = self._on_train_batch_end

    def _file(self, name):
        if name not in self._files:
            self._files[name] = EventFile(os.path.join(self.log_dir, name))
        return self._files[name]

    def on_train_begin(self, logs=None):
        self._batches = 0
        self._steps = self._iterations()

    def on_train_end(self, logs=None):
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _on_train_batch_end(self, batch, logs=None):
        self._batches += 1
        if self._batches % self.update_freq == 0:
            self._scalars("train", "batch_", logs or {}, self._batches)

    def on_epoch_begin(self, epoch, logs=None):
        self._begin, self._steps = time.perf_counter(), self._iterations()

    def on_epoch_end(self, epoch, logs=None):
        logs = dict(logs or {})
        training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        for label, optimizer in optimizers_of(self.model):
            suffix = f"_{label.strip()}" if label else ""
            training[f"learning_rate{suffix}"] = rate_of(optimizer)
        if self.write_steps_per_second:
            elapsed = max(time.perf_counter() - self._begin, 1e-9)
            training["steps_per_second"] = (self._iterations() - self._steps) / elapsed
        validation = {name[4:]: value for name, value in logs.items() if name.startswith("val_")}
        self._scalars("train", "epoch_", training, epoch)
        if validation:
            self._scalars("validation", "epoch_", validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            file = self._file("train")
            for weight in self.model.weights:
                file.histogram(f"{weight.path}/histogram", weight.numpy(), epoch)
            file.flush()

    def _iterations(self):
        return int(np.asarray(self.model.optimizer.iterations))

    def _scalars(self, name, prefix, values, step):
        file = self._file(name)
        for key, value in values.items():
            if np.ndim(value) == 0:
                file.scalar(prefix + key, float(value), step)
        file.flush()
