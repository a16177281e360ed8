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
        self._history = self._own(History, add_history)
        self._progbar = self._own(ProgbarLogger, add_progbar)
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def _own(self, kind, add):
        found = next((c for c in self.callbacks if isinstance(c, kind)), None)
        if found is None and add:
            found = kind()
            self.callbacks.append(found)
        return found

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
        names = [f"on_{mode}_batch_begin", f"on_{mode}_batch_end"]
        if mode == "train":
            names += ["on_batch_begin", "on_batch_end"]
        for callback in self.callbacks:
            if isinstance(callback, ProgbarLogger):
                continue
            for name in names:
                # An override, or a function put on the object, as LambdaCallback does.
                if getattr(type(callback), name, None) is not getattr(Callback, name) or name in vars(
                    callback
                ):
                    return True
        return False

    def on_slice_end(self, mode, steps, logs):
        """After some steps that no callback asked to see; `logs` is a function that makes the logs."""
        if self._progbar is not None:
            self._progbar.on_slice_end(mode, steps, logs)


def _forward_with_logs(name):
    def call(self, *args, logs=None):
        *args, logs = args if args and (args[-1] is None or isinstance(args[-1], dict)) else (*args, logs)
        for callback in self.callbacks:
            getattr(callback, name)(*args, {} if logs is None else logs)

    call.__name__ = name
    return call


for _name in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(CallbackList, _name, _forward_with_logs(_name))
