"""Passes over data: the loop of steps within an epoch, an evaluation or a prediction."""

import functools
import sys
import warnings

from oxhorn import tree
from oxhorn._base.settings import max_steps_per_epoch
from oxhorn._training.data_adapters import ArrayDataAdapter
from oxhorn._training.steps import CompiledStep

# Ctrl-C and the progress bar wait at most this long for compiled steps to come back.
_SLICE_SECONDS = 0.05

# The attribute of a model that a callback sets to end a loop.
_STOP = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}


class ArrayPass:
    """One pass over arrays; compiled steps run in Rust without coming back to Python in between."""

    def __init__(self, adapter):
        self._adapter = adapter
        self._loop = adapter.epoch_loop()
        self._step = None
        self._function = self._structure = None
        self._outputs = None

    def at_end(self):
        """Whether there is no batch left."""
        return not self._loop.remaining

    def run(self, step, max_steps, max_seconds):
        """Runs a step over up to `max_steps` batches, not much longer than `max_seconds`.

        Returns how many ran: 0 at the end of the data.
        """
        loop, size = self._loop, self._adapter.batch_size
        if isinstance(step, CompiledStep) and loop.remaining >= size:
            if step is not self._step:
                self._function, self._structure = step.prepare(self._adapter.batch_like(size))
                self._step = step
            self._outputs = None
            return loop.run(self._function, max_steps, max_seconds)
        if not loop.remaining:
            return 0
        self._outputs = step(self._adapter.pack(loop.gather(min(size, loop.remaining))))
        return 1

    def outputs(self):
        """Outputs of the last step."""
        if self._outputs is not None:
            return self._outputs
        return tree.pack_sequence_as(self._structure, self._loop.outputs())


class OneBatchPass:
    """One pass over arrays that make one batch as they lie."""

    def __init__(self, adapter):
        self._batch = adapter.data
        self._outputs = None

    def at_end(self):
        """Whether the batch has been taken."""
        return self._batch is None

    def run(self, step, max_steps, max_seconds):
        """Runs the step, unless it has run."""
        if self._batch is None:
            return 0
        self._outputs = step(self._batch)
        self._batch = None
        return 1

    def outputs(self):
        """Outputs of the step."""
        return self._outputs


class IteratorPass:
    """One pass over batches that an iterator yields."""

    def __init__(self, adapter):
        self._batches = iter(adapter.get_numpy_iterator())
        self._ahead = None
        self._outputs = None

    def peek(self):
        """The next batch, which stays in line, or None at the end."""
        if self._ahead is None:
            self._ahead = next(self._batches, None)
        return self._ahead

    def at_end(self):
        """Whether there is no batch left."""
        return self.peek() is None

    def run(self, step, max_steps, max_seconds):
        """Runs one batch if there is one (user code runs between batches anyway)."""
        batch, self._ahead = self.peek(), None
        if batch is None:
            return 0
        self._outputs = step(batch)
        return 1

    def outputs(self):
        """Outputs of the last step."""
        return self._outputs


def start_pass(adapter):
    """A pass over the data of an adapter."""
    if not isinstance(adapter, ArrayDataAdapter):
        return IteratorPass(adapter)
    return OneBatchPass(adapter) if adapter.is_one_batch else ArrayPass(adapter)


def run_pass(model, adapter, function, hooks, mode, steps, stream=None, each=None):
    """Runs steps until the data or `steps` end, or a callback says so.

    Args:
        mode: "train", "test" or "predict".
        stream: pass over the data that an earlier epoch left in the middle, or None.
        each: if given, takes every step's outputs, so that steps run one at a time.

    Returns:
        The last step's outputs, the pass if the next epoch goes on with it, and the number of steps.
    """
    resumed = stream is not None
    if not resumed:
        stream = start_pass(adapter)
    cap = max_steps_per_epoch()
    if cap and (steps is None or cap < steps):
        warnings.warn(f"Limiting steps_per_epoch to {cap}", stacklevel=4)
        steps = cap
    watched = hooks.wants_batches(mode)
    # Executions of several steps are not cut.
    each_time = model.steps_per_execution
    limit = sys.maxsize if steps is None else -(-steps // each_time) * each_time
    step, outputs = 0, None

    def run(count):
        """Runs a slice of up to `count` steps."""
        nonlocal step, outputs
        step += stream.run(function, 1 if each is not None else count, _SLICE_SECONDS)
        outputs = stream.outputs()
        if each is not None:
            each(outputs)

    while step < limit and not getattr(model, _STOP[mode]):
        if stream.at_end():
            if resumed and step == 0:
                # The earlier epoch took the last batch.
                stream, resumed = start_pass(adapter), False
                continue
            stream = None
            if not step or (steps is not None and step < steps):
                _warn_out_of_data(steps)
            break
        if not watched:
            run(limit - step)
            hooks.on_slice_end(mode, step, functools.partial(model._metric_logs, outputs))
            continue
        end = step + each_time
        getattr(hooks, f"on_{mode}_batch_begin")(step)
        while step < end and not stream.at_end():
            run(end - step)
        logs = {"outputs": outputs} if mode == "predict" else model._metric_logs(outputs)
        getattr(hooks, f"on_{mode}_batch_end")(end - 1, logs)
    return outputs, stream if steps is not None else None, step


def _warn_out_of_data(steps):
    here = "" if steps is None else f" (here {steps} per epoch)"
    warnings.warn(
        "Your input ran out of data; interrupting training. Make sure that your dataset or generator can "
        f"generate at least `steps_per_epoch * epochs` batches{here}. You may need to use the `.repeat()` "
        "function when building your dataset.",
        stacklevel=4,
    )
