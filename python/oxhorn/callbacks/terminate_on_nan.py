"""Stopping when the loss is no number."""

import math

import numpy as np

from oxhorn.callbacks.callback import Callback


class TerminateOnNaN(Callback):
    """Stops training when the loss is NaN or infinite.

    Args:
        raise_error: raise a RuntimeError in place of stopping.
    """

    def __init__(self, raise_error=False):
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(float(np.asarray(loss))):
            return
        if self.raise_error:
            raise RuntimeError(f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}")
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
