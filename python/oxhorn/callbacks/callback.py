"""The base class of callbacks."""


class Callback:
    """Does something at given points of `fit`, `evaluate` and `predict`; override what is needed.

    Attributes:
        params: dict with "verbose", "epochs" and "steps".
        model: the model that is run.

    `logs` are dicts of numbers: the metrics' values so far, under "val_..." those of the validation at the
    end of an epoch.
    """

    def __init__(self):
        self.params = None
        self._model = None

    def set_params(self, params):
        self.params = params

    def set_model(self, model):
        self._model = model

    @property
    def model(self):
        return self._model

    def on_batch_begin(self, batch, logs=None):
        """An old name of `on_train_batch_begin`."""

    def on_batch_end(self, batch, logs=None):
        """An old name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch, logs=None):
        """Before an epoch of training."""

    def on_epoch_end(self, epoch, logs=None):
        """After an epoch of training and its validation."""

    def on_train_batch_begin(self, batch, logs=None):
        """Before a training step."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch, logs=None):
        """After a training step."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch, logs=None):
        """Before an evaluation step, also of a validation."""

    def on_test_batch_end(self, batch, logs=None):
        """After an evaluation step."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Before a prediction step."""

    def on_predict_batch_end(self, batch, logs=None):
        """After a prediction step; logs has the "outputs"."""

    def on_train_begin(self, logs=None):
        """Before training."""

    def on_train_end(self, logs=None):
        """After training; logs are those of the last epoch."""

    def on_test_begin(self, logs=None):
        """Before an evaluation or validation."""

    def on_test_end(self, logs=None):
        """After it."""

    def on_predict_begin(self, logs=None):
        """Before a prediction."""

    def on_predict_end(self, logs=None):
        """After it."""
