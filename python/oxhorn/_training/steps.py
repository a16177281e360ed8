"""A model's step on one batch: compiled, or run operation by operation."""

import warnings
from collections import OrderedDict

import numpy as np

from oxhorn import _core, tree
from oxhorn.tree.structure import NODES

_MAX_PLANS = 16


def _lend(leaf):
    """A batch's leaf as a tensor. A compiled function is done with an array's memory when it returns."""
    return _core.lend(leaf) if isinstance(leaf, np.ndarray) else _core.tensor(leaf)


def _describe(x, leaves, convert):
    """Appends the converted leaves of `x` to `leaves`. Returns what a plan depends on, as something
    hashable: the structure, and each leaf's shape and dtype."""
    functions = NODES[type(x)]
    if functions is not None:
        keys, children = functions[0](x)
        return (type(x), *keys, *[_describe(child, leaves, convert) for child in children])
    if x is None:
        return None
    leaf = convert(x)
    leaves.append(leaf)
    return leaf.shape, leaf.dtype


class CompiledStep:
    """One of a model's step methods, compiled per structure, shapes and dtypes of the batch.

    Args:
        step: the method, called with a traced batch.
        discard: whether nobody wants the step's outputs, so that they need not be computed.
        before: called with each new kind of batch before the trace, to make the variables that it needs.
        after: called after each trace, to drop what the program kept of it.
    """

    def __init__(self, step, discard=False, before=None, after=None):
        self._step = step
        self._discard = discard
        self._before = before
        self._after = after
        self._plans = OrderedDict()
        self.trace_count = 0

    def __call__(self, batch):
        """Runs the step on a batch and returns its outputs."""
        tensors = []
        function, structure = self._plan(_describe(batch, tensors, _lend), batch, tensors)
        return tree.pack_sequence_as(structure, function(tensors))

    def prepare(self, batch):
        """The compiled function for batches like this one, whose leaves need only have `shape` and `dtype`
        (a name), and the structure of its outputs."""
        leaves = []
        return self._plan(_describe(batch, leaves, lambda leaf: leaf), batch, leaves)

    def _plan(self, key, batch, leaves):
        found = self._plans.get(key)
        if found is not None:
            self._plans.move_to_end(key)
            return found
        if self._before is not None:
            self._before(batch)
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
            inputs = iter([trace.input(leaf.shape, leaf.dtype) for leaf in leaves])
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
