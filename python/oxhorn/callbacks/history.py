"""The record that `fit` returns."""

from oxhorn.callbacks.callback import Callback


class History(Callback):
    """Collects the logs of every epoch.

    Attributes:
        epoch: list of epoch numbers.
        history: dict from name to list of values, one per epoch.
    """

    def __init__(self):
        super().__init__()
        self.history = {}
        self.epoch = []

    def on_train_begin(self, logs=None):
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
