"""Gradients in Python: `GradientTape` and `value_and_grad`."""

from oxhorn import _core, tree
from oxhorn._base.variable import Variable
from oxhorn._training.compiled import function, recording

__all__ = ["GradientTape", "function", "value_and_grad"]


def _source(x):
    return x._slot if isinstance(x, Variable) else x


class GradientTape:
    """Records operations so that gradients can be taken of what they compute.

    Variables that are read while the tape is entered are watched unless `watch_accessed_variables` is
    False; other tensors by `watch`. Tapes nest, and gradients of gradients work. Inside a compiled
    function (a `train_step`, say) the tape costs nothing.

    Args:
        persistent: whether `gradient` may be called more than once.
        watch_accessed_variables: whether reading a variable watches it.
    """

    def __init__(self, persistent=False, watch_accessed_variables=True):
        self._persistent = persistent
        self._watch_accessed_variables = watch_accessed_variables
        self._watched = set()
        self._tape = _core.Tape()
        self._used = False

    def __enter__(self):
        self._recording = recording(self._tape)
        self._recording.__enter__()
        return self

    def __exit__(self, *exception):
        return self._recording.__exit__(*exception)

    def watch(self, tensor):
        """Watches a tensor, a variable or a structure of them."""
        for leaf in tree.flatten(tensor):
            if isinstance(leaf, Variable):
                self._watched.add(id(leaf))
            else:
                self._tape.watch(leaf)

    def gradient(self, target, sources, output_gradients=None, unconnected_gradients="none"):
        """Gradients of the sum of `target` with respect to `sources`.

        Args:
            target: tensor or structure of tensors.
            sources: tensor, variable, or structure of them.
            output_gradients: structure like `target` that weighs its elements; ones by default.
            unconnected_gradients: "none" or "zero": what a source gets on which no target depends.

        Returns:
            A structure like `sources`.

        Raises:
            RuntimeError: if called twice and the tape is not persistent.
        """
        if self._used and not self._persistent:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one set of gradients; "
                "use GradientTape(persistent=True)."
            )
        self._used = True
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(
                f"unconnected_gradients: expected 'none' or 'zero', got {unconnected_gradients!r}"
            )
        targets = [_core.tensor(t) for t in tree.flatten(target)]
        cotangents = None if output_gradients is None else tree.flatten(output_gradients)
        leaves = tree.flatten(sources)
        gradients = _core.gradient(targets, [_source(x) for x in leaves], cotangents)
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Variable) and not self._watches(leaf):
                gradients[i] = None
            if gradients[i] is None and unconnected_gradients == "zero":
                gradients[i] = _core.full(leaf.shape, 0, leaf.dtype)
        return tree.pack_sequence_as(sources, gradients)

    def _watches(self, variable):
        if self._watch_accessed_variables:
            return True
        return id(variable) in self._watched


def value_and_grad(fn, argnums=0, has_aux=False):
    """A function that returns the value of `fn` and its gradients.

    Args:
        fn: function whose first result is a scalar tensor.
        argnums: position, or tuple of positions, of the arguments to differentiate with respect to; each
            may be a structure of tensors and variables.
        has_aux: whether `fn` returns `(value, aux)`.

    Returns:
        A function of the same arguments that returns `(value, gradients)`, or `((value, aux),
        gradients)`; the gradients have the structure of the arguments, a tuple of them for a tuple.
    """
    positions = argnums if isinstance(argnums, tuple) else (argnums,)

    def call(*args, **kwargs):
        args = list(args)
        with recording(_core.Tape()) as tape:
            for position in positions:
                args[position] = tree.map_structure(
                    lambda x: x if isinstance(x, Variable) else tape.watch(_core.tensor(x)), args[position]
                )
            result = fn(*args, **kwargs)
            value = result[0] if has_aux else result
        if value.shape != ():
            raise ValueError(f"value_and_grad: expected a scalar value, got shape {value.shape}")
        chosen = [args[position] for position in positions]
        gradients = tree.pack_sequence_as(
            chosen, _core.gradient([value], [_source(x) for x in tree.flatten(chosen)])
        )
        return result, tuple(gradients) if isinstance(argnums, tuple) else gradients[0]

    return call
