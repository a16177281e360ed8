"""Averaged weights for evaluation."""

from oxhorn import ops
from oxhorn.callbacks.callback import Callback


class SwapEMAWeights(Callback):
    """Puts the optimizer's averaged weights into the model for evaluations, and takes them out after.

    The optimizer must have `use_ema=True`. The two sets of values change places, so neither is copied
    for longer than the swap takes.

    Args:
        swap_on_epoch: whether the averages are in the model at the end of each epoch as well, for callbacks
            such as `ModelCheckpoint` that come after this one.

    Raises:
        ValueError: when training begins to need the averages and there are none.
    """

    def __init__(self, swap_on_epoch=False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._ema_weights_in_model = False

    def _pairs(self):
        """All (variable, average) pairs."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        several = getattr(optimizer, "optimizers", None)
        averaging = [each for each in several or [optimizer] if getattr(each, "use_ema", False)]
        if not averaging:
            which = (
                "at least one inner optimizer has `use_ema=True` set" if several else "`use_ema=True` is set"
            )
            raise ValueError(
                f"SwapEMAWeights must be used when {which}. Received: optimizer={optimizer} without it."
            )
        for each in averaging:
            yield from zip(each._trainable_variables, each._model_variables_moving_average, strict=True)

    def _put_averages(self, wanted):
        """Makes sure that the model has the averages, or that it has its own values."""
        if self._ema_weights_in_model == wanted:
            return
        for variable, average in self._pairs():
            value = ops.convert_to_tensor(variable.value)
            variable.assign(average)
            average.assign(value)
        self._ema_weights_in_model = wanted

    def on_epoch_begin(self, epoch, logs=None):
        if self.swap_on_epoch:
            self._put_averages(False)

    def on_epoch_end(self, epoch, logs=None):
        if self.swap_on_epoch:
            self._put_averages(True)
            if epoch == self.params["epochs"] - 1:
                # `fit` ends by copying the averages into the model: they have to be there.
                for variable, average in self._pairs():
                    average.assign(variable)

    def on_test_begin(self, logs=None):
        self._put_averages(True)

    def on_test_end(self, logs=None):
        self._put_averages(False)

    def on_predict_begin(self, logs=None):
        self._put_averages(True)

    def on_predict_end(self, logs=None):
        self._put_averages(False)
