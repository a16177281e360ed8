"""A learning rate by epoch."""

import numpy as np

from oxhorn._base.messages import print_msg
from oxhorn.callbacks._learning_rate import log_rates, optimizers_of, rate_of
from oxhorn.callbacks.callback import Callback


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Args:
        schedule: function `(epoch, learning_rate) -> learning_rate`; a function of the epoch alone works too.
        verbose: 1 prints the rate.
    """

    def __init__(self, schedule, verbose=0):
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch, logs=None):
        for label, optimizer in optimizers_of(self.model):
            try:
                rate = self.schedule(epoch, rate_of(optimizer))
            except TypeError:  # the old form
                rate = self.schedule(epoch)
            if not isinstance(rate, (float, np.float32, np.float64)):
                raise ValueError(f"The output of the `schedule` function should be a float. Got: {rate}")
            optimizer.learning_rate = float(rate)
            if self.verbose > 0:
                print_msg(
                    f"\nEpoch {epoch + 1}: LearningRateScheduler setting {label}learning rate to {rate}."
                )

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            log_rates(self.model, logs)
