"""Several callbacks as one."""

from oxhorn import tree
from oxhorn.callbacks.callback import Callback
from oxhorn.callbacks.history import History
from oxhorn.callbacks.progbar_logger import ProgbarLogger


class CallbackList(Callback):
    """Passes every call on to a list of callbacks, in order.

    Args:
        callbacks: `Callback`, or list of them.
        add_history: add a `History` if there is none.
        add_progbar: add a `ProgbarLogger` if there is none.
        model: the model that is run.
        **params: "verbose", "epochs" and "steps", for `set_params`.
    """

    def __init__(self, callbacks=None, add_history=False, add_progbar=False, model=None, **params):
        super().__init__()
        self.callbacks = tree.flatten(callbacks) if callbacks else []
        self._history = self._progbar = None
        for callback in self.callbacks:
            if isinstance(callback, History):
                self._history = callback
            elif isinstance(callback, ProgbarLogger):
                self._progbar = callback
        if add_history and self._history is None:
            self._history = History()
            self.callbacks.append(self._history)
        if add_progbar and self._progbar is None:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def append(self, callback):
        self.callbacks.append(callback)

    def set_params(self, params):
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model):
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    def wants_batches(self, mode):
        """Whether a callback other than the progress bar looks at single batches of "train", "test" or
        "predict": if none does, steps run many at a time."""
        names = _BATCH_HOOKS[mode]
        for callback in self.callbacks:
            if not isinstance(callback, ProgbarLogger) and any(_overrides(callback, name) for name in names):
                return True
        return False

    def on_slice_end(self, mode, steps, logs):
        """After some steps that no callback asked to see; `logs` is a function that makes the logs."""
        if self._progbar is not None:
            self._progbar.on_slice_end(mode, steps, logs)


_BATCH_HOOKS = {
    mode: tuple(f"on_{prefix}batch_{edge}" for prefix in prefixes for edge in ("begin", "end"))
    for mode, prefixes in (("train", ("train_", "")), ("test", ("test_",)), ("predict", ("predict_",)))
}


def _overrides(callback, name):
    """Whether a callback does something at a hook: in its class, or in a function put on the object, as
    `LambdaCallback` does."""
    return getattr(type(callback), name, None) is not getattr(Callback, name) or name in vars(callback)


def _forward_with_logs(name):
    def call(self, *args, logs=None):
        if args and (args[-1] is None or isinstance(args[-1], dict)):
            *args, logs = args
        for callback in self.callbacks:
            getattr(callback, name)(*args, {} if logs is None else logs)

    call.__name__ = name
    return call


for _name in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(CallbackList, _name, _forward_with_logs(_name))
