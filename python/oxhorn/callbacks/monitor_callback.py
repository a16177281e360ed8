"""What callbacks share that watch one value for improvement."""

import warnings

from oxhorn import ops
from oxhorn.callbacks.callback import Callback


class MonitorCallback(Callback):
    """Knows whether a monitored value has improved.

    Args:
        monitor: name in the logs.
        mode: "min", "max", or "auto": by the metric's direction.
        baseline: value to improve on first.
        min_delta: smallest change that counts.
    """

    def __init__(self, monitor="val_loss", mode="auto", baseline=None, min_delta=0):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.", stacklevel=3
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op = None

    def _set_monitor_op(self):
        """Fixes the direction; metrics are known only once the model is compiled."""
        mode = self.mode
        if mode == "auto":
            mode = self._direction()
        if mode is None:
            raise ValueError(
                f"{type(self).__name__} callback received monitor={self.monitor}, but could not determine "
                "whether that metric should be maximized or minimized. Pass `mode='max'` if its highest "
                "value is the best, or `mode='min'` if its lowest is."
            )
        self.monitor_op = ops.less if mode == "min" else ops.greater

    def _direction(self):
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "min"
        for metric in getattr(self.model, "metrics", None) or []:
            for entry in getattr(metric, "metrics", None) or [metric]:
                if entry.name == name and getattr(entry, "_direction", None) is not None:
                    return {"down": "min", "up": "max"}.get(entry._direction)
        if name.endswith(("loss", "error")) or name in ("mse", "mae", "mape", "msle"):
            return "min"
        if any(part in name for part in ("acc", "auc", "precision", "recall", "fmeasure", "f1")):
            return "max"
        return None

    def _is_improvement(self, monitor_value, reference_value):
        if reference_value is None:
            return True
        margin = self.min_delta if self.monitor_op is ops.greater else -self.min_delta
        return bool(self.monitor_op(monitor_value - margin, reference_value))

    def get_monitor_value(self, logs):
        """The monitored value; a warning and None if the logs do not have it."""
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__} is conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs)}",
                stacklevel=3,
            )
        return value
