"""A progress bar that never prints more often than a person can read."""

import math
import sys
import time

import numpy as np

from oxhorn._base import interactive


class Progbar:
    """Prints progress towards a target.

    Args:
        target: number of steps, or None if it is not known.
        width: width of the bar in characters.
        verbose: 0 silent, 1 bar, 2 one line at the end.
        interval: seconds between two updates of the line at least.
        stateful_metrics: names of values that are shown as they are given; others are averaged over steps.
        stateless_metrics: in place of that, names of the values that are averaged.
        unit_name: what is counted.

    Raises:
        ValueError: for both kinds of names.
    """

    def __init__(
        self,
        target,
        width=20,
        verbose=1,
        interval=0.05,
        stateful_metrics=None,
        stateless_metrics=None,
        unit_name="step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Only one of `stateful_metrics` (all others are averaged) and `stateless_metrics` (only "
                "these are averaged) can be provided."
            )
        self.stateful_metrics = None if stateless_metrics is not None else set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self._start = time.time()
        self._last_update = 0.0
        self._seen = 0
        self._values = {}
        self._length = 0
        self._dynamic = interactive.can_update_lines()
        self.finalized = False

    def is_due(self):
        """Whether enough time has passed since the last line; a log file gets none but the last."""
        return self._dynamic and time.time() - self._last_update >= self.interval

    def update(self, current, values=None, finalize=None):
        """Shows `current` steps and (name, value) pairs.

        Args:
            current: steps so far.
            values: list of (name, value).
            finalize: whether this is the end; by default when `current` reaches the target.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or []:
            if finalize or not self._is_averaged(name):
                self._values[name] = (value, 1)
            else:
                steps = max(current - self._seen, 1)
                total, count = self._values.get(name, (0.0, 0))
                self._values[name] = (total + np.multiply(value, steps), count + steps)
        self._seen = current
        now = time.time()
        if not self.verbose or (not finalize and (self.verbose != 1 or not self.is_due())):
            return
        elapsed = now - self._start
        text = self._line(current, elapsed, finalize)
        if self.verbose == 1 and self._dynamic:
            padding = " " * max(0, self._length - len(text))
            sys.stdout.write("\r" + text + padding + ("\n" if finalize else ""))
            self._length = len(text)
        elif finalize:
            sys.stdout.write(text + "\n")
        sys.stdout.flush()
        self._last_update = now
        self.finalized = finalize

    def add(self, n, values=None):
        """Shows `n` more steps."""
        self.update(self._seen + n, values)

    def _is_averaged(self, name):
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in self.stateful_metrics

    def _line(self, current, elapsed, finalize):
        parts = []
        if self.target is not None:
            digits = int(math.log10(max(self.target, 1))) + 1
            parts.append(f"{current:{digits}d}/{self.target}")
            if self.verbose == 1:
                filled = min(self.width, int(self.width * current / max(self.target, 1)))
                parts[0] += " " + "━" * filled + " " * (self.width - filled)
        else:
            parts.append(f"{current}/Unknown")
        per_step = elapsed / current if current else 0.0
        if self.verbose == 2:
            parts += [f"{elapsed:.0f}s", f"{_per_step(per_step)}/{self.unit_name}"]
        elif finalize or self.target is None or not current:
            parts[0] += f" {elapsed:.0f}s {_per_step(per_step)}/{self.unit_name}"
        else:
            parts[0] += (
                f" {_duration(per_step * (self.target - current))} {_per_step(per_step)}/{self.unit_name}"
            )
        for name, (total, count) in self._values.items():
            value = np.mean(total) / count
            parts.append(f"{name}: {value:.4f}" if abs(value) > 1e-3 else f"{name}: {value:.4e}")
        return " - ".join(parts)


def _duration(seconds):
    if seconds < 60:
        return f"{seconds:.0f}s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"


def _per_step(seconds):
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms"
    return f"{seconds * 1e6:.0f}us"
