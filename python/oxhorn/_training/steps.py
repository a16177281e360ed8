"""Running a model's step over batches: compiled, or eagerly."""

import warnings
from collections import OrderedDict

from oxhorn import _core, tree

_MAX_PLANS = 16


class CompiledStep:
    """One of a model's step methods, compiled per structure, shapes and dtypes of the batch.

    Args:
        step: the method, called with a traced batch.
        discard: whether nobody wants the step's outputs, so that they need not be computed.
        after: called after each trace, to drop what the program kept of it.
    """

    def __init__(self, step, discard=False, after=None):
        self._step = step
        self._discard = discard
        self._after = after
        self._plans = OrderedDict()
        self.trace_count = 0

    def __call__(self, batch):
        """Runs the step on a batch and returns its outputs."""
        leaves = [_core.tensor(leaf) for leaf in tree.flatten(batch) if leaf is not None]
        function, structure = self.prepare(batch, leaves)
        return tree.pack_sequence_as(structure, function(leaves))

    def prepare(self, batch, leaves):
        """The compiled function for leaves like these in the structure of `batch`, and the structure of
        its outputs."""
        skeleton = tree.map_structure(lambda leaf: None if leaf is None else 0, batch)
        key = (repr(skeleton), tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves))
        found = self._plans.get(key)
        if found is not None:
            self._plans.move_to_end(key)
            return found
        found = self._plans[key] = self._trace(batch, leaves)
        if len(self._plans) > _MAX_PLANS:
            self._plans.popitem(last=False)
        return found

    def _trace(self, batch, leaves):
        trace = _core.Trace()
        self.trace_count += 1
        if self.trace_count == _MAX_PLANS + 1:
            warnings.warn(
                f"The model was compiled for {self.trace_count} different batch shapes. Each costs time; pad "
                "sequences to a few lengths to avoid it.",
                stacklevel=4,
            )
        with trace:
            inputs = iter([trace.input(leaf.shape, str(leaf.dtype)) for leaf in leaves])
            outputs = self._step(tree.map_structure(lambda x: None if x is None else next(inputs), batch))
            if self._discard:
                outputs = ()
            flat = [_core.tensor(leaf) for leaf in tree.flatten(outputs)]
            if self._after is not None:
                self._after()
        return trace.compile(flat), tree.map_structure(lambda _: 0, outputs)


class EagerStep:
    """A step method run operation by operation, for debugging."""

    def __init__(self, step):
        self._step = step

    def __call__(self, batch):
        return self._step(
            tree.map_structure(lambda leaf: None if leaf is None else _core.tensor(leaf), batch)
        )


class ArrayPass:
    """One pass over arrays; compiled steps run in Rust without coming back to Python in between."""

    def __init__(self, adapter):
        self._adapter = adapter
        self._loop = adapter.epoch_loop()
        self._structure = None
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
            like = [_BatchLike((size, *leaf.shape[1:]), str(leaf.dtype)) for leaf in self._adapter.leaves]
            function, self._structure = step.prepare(self._adapter.pack(like), like)
            self._outputs = None
            return loop.run(function, max_steps, max_seconds)
        if not loop.remaining:
            return 0
        self._outputs = step(self._adapter.pack(loop.gather(min(size, loop.remaining))))
        return 1

    def outputs(self):
        """Outputs of the last step."""
        if self._outputs is not None:
            return self._outputs
        return tree.pack_sequence_as(self._structure, self._loop.outputs())


class _BatchLike:
    """Shape and dtype of a batch that has not been gathered."""

    def __init__(self, shape, dtype):
        self.shape = shape
        self.dtype = dtype


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
