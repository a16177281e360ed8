"""Progress on standard output."""

from oxhorn._base import interactive
from oxhorn.callbacks.callback import Callback
from oxhorn.utils.progbar import Progbar


class ProgbarLogger(Callback):
    """Prints progress and metrics: a bar for verbose=1, one line per epoch for verbose=2.

    With verbose="auto" it is a bar on a terminal or in a notebook, else plain lines.
    """

    def __init__(self):
        super().__init__()
        self.progbar = None
        self.target = None
        self.verbose = 1
        self.epochs = 1
        self._steps = 0
        self._in_epoch = False

    def set_params(self, params):
        verbose = params["verbose"]
        if verbose == "auto":
            verbose = 1 if interactive.can_update_lines() else 2
        self.verbose = verbose
        self.epochs = params.get("epochs", 1)
        self.target = params.get("steps")

    def _start(self):
        self._steps = 0
        self.progbar = None

    def on_epoch_begin(self, epoch, logs=None):
        self._start()
        if self.verbose and self.epochs > 1:
            print(f"Epoch {epoch + 1}/{self.epochs}", flush=True)
        self._in_epoch = True

    def on_epoch_end(self, epoch, logs=None):
        self._in_epoch = False
        self._finish(logs)

    def on_test_begin(self, logs=None):
        if not self._in_epoch:
            self._start()

    def on_test_end(self, logs=None):
        if not self._in_epoch:
            self._finish(logs)

    def on_predict_begin(self, logs=None):
        self._start()

    def on_predict_end(self, logs=None):
        self._finish({})

    def on_train_batch_end(self, batch, logs=None):
        self._update(batch + 1, lambda: logs)

    def on_test_batch_end(self, batch, logs=None):
        if not self._in_epoch:
            self._update(batch + 1, lambda: logs)

    def on_predict_batch_end(self, batch, logs=None):
        self._update(batch + 1, dict)

    def on_slice_end(self, mode, steps, logs):
        """After some steps; `logs` is a function, called only if something is printed."""
        if mode == "predict":
            self._update(steps, dict)
        elif mode == "train" or not self._in_epoch:
            self._update(steps, logs)

    def _bar(self):
        if self.progbar is None:
            self.progbar = Progbar(target=self.target, verbose=self.verbose, stateless_metrics=[])
        return self.progbar

    def _update(self, steps, logs):
        self._steps = steps
        bar = self._bar()
        if self.verbose == 1 and bar.is_due():
            bar.update(steps, _values(logs()), finalize=False)

    def _finish(self, logs):
        if self.verbose:
            bar = self._bar()
            if bar.target is None:
                bar.target = self._steps
            bar.update(self._steps or bar.target or 0, _values(logs), finalize=True)


def _values(logs):
    return [(name, value) for name, value in (logs or {}).items()]
