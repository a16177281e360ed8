"""Loops, branches and functions of functions.

Structures (nested lists, tuples, dicts) of tensors are carried as flat lists.
"""

import builtins

from oxhorn import _core, tree
from oxhorn._base.convert import convert_to_tensor
from oxhorn._base.keras_tensor import KerasTensor, any_symbolic_tensors
from oxhorn._base.op import op
from oxhorn._base.symbolic import compute_output_spec
from oxhorn.ops._common import canonical_axis, expand, take_slice, to_dtype


class _Structure:
    """Takes structures apart into their tensors and puts them together again. None stays where it is."""

    def __init__(self, example=None):
        self.example = example

    def flatten(self, structure):
        self.example = structure
        return [convert_to_tensor(x) for x in tree.flatten(structure) if x is not None]

    def pack(self, tensors):
        tensors = iter(tensors)
        flat = [None if x is None else next(tensors) for x in tree.flatten(self.example)]
        return tree.pack_sequence_as(self.example, flat)


def _same_dtypes(new, old):
    """Python numbers that a loop body returns take the dtype of what they replace."""
    return [
        to_dtype(n, o.dtype) if type(n) in (bool, int, float) else convert_to_tensor(n)
        for n, o in zip(new, old)
    ]


@op(tensors=("f", "init", "xs"))
def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """Runs `f` over the first axis of `xs`, passing a state along.

    Args:
        f: `f(carry, x) -> (carry, y)`; x is None without xs.
        init: the first carry, a structure of tensors; its shapes and dtypes stay.
        xs: structure of tensors whose first axes are of one length.
        length: number of steps; needed without xs.
        reverse: start from the end.
        unroll: accepted; the engine decides.

    Returns:
        `(carry, ys)`: the last carry, and the y of every step along a new first axis.
    """
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"`unroll` must be an positive integer or boolean. Received: unroll={unroll}")
    carry, elements, outputs = _Structure(), _Structure(), _Structure()
    flat_init, flat_xs = carry.flatten(init), elements.flatten(xs)
    if not flat_xs and length is None:
        raise ValueError("Got no `xs` to scan over and `length` is None. One of them must be given.")
    steps = {x.shape[0] for x in flat_xs} | (set() if length is None else {int(length)})
    if len(steps) != 1:
        raise ValueError(f"`xs` and `length` must agree on the number of steps. Received: {sorted(steps)}")

    def body(state, x):
        state, y = f(carry.pack(state), elements.pack(x))
        state = [v for v in tree.flatten(state) if v is not None]
        return _same_dtypes(state, flat_init), outputs.flatten(y)

    final, ys = _core.scan(body, flat_init, flat_xs, steps.pop(), bool(reverse))
    return carry.pack(final), outputs.pack(ys)


@op(tensors=("f", "xs"))
def map(f, xs):
    """`f` of every slice of `xs` along the first axis, stacked."""
    return scan(lambda _, x: ((), f(x)), (), xs)[1]


@op(tensors=("elements",))
def vectorized_map(function, elements):
    """`function` of every slice of `elements` along the first axis, stacked."""
    return map(function, elements)


@op(tensors=("f", "elems"))
def associative_scan(f, elems, reverse=False, axis=0):
    """Running results of an associative function along an axis, in log2(n) steps.

    Args:
        f: `f(a, b)` of two structures like `elems`, element-wise along the axis.
        elems: structure of tensors of one length along the axis.
    """
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    structure = _Structure()
    flat = structure.flatten(elems)
    axis = canonical_axis(axis, flat[0].ndim)
    if len({x.shape[axis] for x in flat}) != 1:
        raise ValueError(
            "Array inputs to associative_scan must have the same first dimension. "
            f"(saw: {[x.shape for x in flat]})"
        )

    def combine(a, b):
        return [convert_to_tensor(x) for x in tree.flatten(f(structure.pack(a), structure.pack(b)))]

    if reverse:
        flat = [_core.flip(x, (axis,)) for x in flat]
    result = _prefixes(combine, flat, axis)
    if reverse:
        result = [_core.flip(x, (axis,)) for x in result]
    return structure.pack(result)


def _prefixes(combine, xs, axis):
    n = xs[0].shape[axis]
    if n < 2:
        return xs

    def part(values, start, stop, step=1):
        return [take_slice(x, axis, start, stop, step) for x in values]

    odd = _prefixes(combine, combine(part(xs, 0, n - 1, 2), part(xs, 1, n, 2)), axis)
    even = part(xs, 0, 1)
    if n > 2:
        before = part(odd, 0, (n - 1) // 2)
        even = [_core.concat(pair, axis) for pair in zip(even, combine(before, part(xs, 2, n, 2)))]
    return [_interleave(e, o, axis) for e, o in zip(even, odd)]


def _interleave(even, odd, axis):
    n = odd.shape[axis]
    pairs = _core.concat([expand(take_slice(even, axis, 0, n), axis + 1), expand(odd, axis + 1)], axis + 1)
    mixed = _core.reshape(pairs, (*odd.shape[:axis], 2 * n, *odd.shape[axis + 1 :]))
    return mixed if even.shape[axis] == n else _core.concat([mixed, take_slice(even, axis, n)], axis)


def _while_spec(cond, body, loop_vars, maximum_iterations=None):
    return tree.map_structure(lambda v: KerasTensor(v.shape, dtype=v.dtype), loop_vars)


@op(tensors=("loop_vars",), spec=_while_spec)
def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """Repeats `body` while `cond` holds.

    Args:
        cond: `cond(*loop_vars)`, a bool scalar.
        body: `body(*loop_vars)`, the new variables, of the same shapes and dtypes.
        loop_vars: a tuple or list of structures of tensors, or one tensor.
        maximum_iterations: stop after that many.

    Returns:
        The last variables: a tuple, or one tensor as given.
    """
    many = isinstance(loop_vars, (tuple, list))
    structure = _Structure()
    flat = structure.flatten(tuple(loop_vars) if many else (loop_vars,))

    def test(state):
        return to_dtype(cond(*structure.pack(state)), "bool")

    def step(state):
        new = body(*structure.pack(state))
        new = tuple(new) if many and isinstance(new, (tuple, list)) else (new,)
        return _same_dtypes(tree.flatten(new), flat)

    limit = None if maximum_iterations is None else int(maximum_iterations)
    result = structure.pack(_core.while_loop(test, step, flat, limit))
    return result if many else result[0]


@op(tensors=("init_val",))
def fori_loop(lower, upper, body_fun, init_val):
    """`body_fun(i, value)` for i from lower up to but without upper, the value passed along."""
    structure = _Structure()
    flat = structure.flatten(init_val)

    def step(i, state):
        return _same_dtypes(tree.flatten(body_fun(i, structure.pack(state))), flat)

    if isinstance(lower, int) and isinstance(upper, int):
        # A scan, as gradients can pass through it.
        count = max(upper - lower, 0)
        index = _core.iota((count,), 0, "int32") + lower
        return structure.pack(_core.scan(lambda state, x: (step(x[0], state), []), flat, [index], count)[0])
    start, upper = to_dtype(lower, "int32"), to_dtype(upper, "int32")
    final = _core.while_loop(
        lambda state: state[0] < upper,
        lambda state: [state[0] + 1, *step(state[0], state[1:])],
        [start, *flat],
    )
    return structure.pack(final[1:])


def _cond_spec(pred, true_fn, false_fn):
    specs = [compute_output_spec(fn) for fn in (true_fn, false_fn)]
    if not _agree(*specs):
        raise ValueError(
            "`true_fn` and `false_fn` should return outputs of the same kind (struct, dtype and shape). "
            f"Got {specs[0]} and {specs[1]} instead."
        )
    return specs[0]


def _agree(a, b):
    try:
        tree.assert_same_structure(a, b)
    except (ValueError, TypeError):
        return False
    pairs = zip(tree.flatten(a), tree.flatten(b))
    return builtins.all(
        x is y if x is None or y is None else (x.shape, x.dtype) == (y.shape, y.dtype) for x, y in pairs
    )


@op(tensors=("pred", "true_fn", "false_fn"), spec=_cond_spec)
def cond(pred, true_fn, false_fn):
    """`true_fn()` if pred holds, else `false_fn()`.

    Inside a compiled function, where pred is not known yet, both are traced and must return the same
    structure, shapes and dtypes.
    """
    pred = to_dtype(pred, "bool")
    if not pred.is_traced:
        return true_fn() if pred else false_fn()
    structures = _Structure(), _Structure()

    def branch(fn, structure):
        return lambda: structure.flatten(fn())

    outputs = _core.cond(pred, *builtins.map(branch, (true_fn, false_fn), structures))
    tree.assert_same_structure(structures[0].example, structures[1].example)
    return structures[0].pack(outputs)


def _switch_spec(index, branches, *operands):
    return compute_output_spec(branches[0], *operands)


@op(tensors=("index", "branches"), spec=_switch_spec)
def switch(index, branches, *operands):
    """`branches[index](*operands)`; an index out of range means the nearest branch."""
    index = convert_to_tensor(index)
    if not index.is_traced:
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)

    def choose(i):
        if i == len(branches) - 1:
            return branches[i](*operands)
        return cond(index <= i, lambda: branches[i](*operands), lambda: choose(i + 1))

    return choose(0)


def custom_gradient(f):
    """Gives a function its own gradient.

    Args:
        f: `f(*args)` returns `(outputs, grad)`; `grad(upstream)` gets the gradient of the outputs (in their
            structure) and returns that of each argument, a tuple if there are several.

    Returns:
        The function of the same arguments that returns the outputs.
    """

    def wrapper(*args, **kwargs):
        if any_symbolic_tensors(args, kwargs):
            return f(*args, **kwargs)[0]
        args, kwargs = tree.map_structure(_value, (args, kwargs))
        inputs = [x for x in tree.flatten((args, kwargs)) if isinstance(x, _core.Tensor)]
        outputs, grad = f(*args, **kwargs)
        structure = _Structure()
        flat = structure.flatten(outputs)

        def vjp(cotangents):
            gradients = tree.flatten(grad(structure.pack(cotangents)))
            return [None if g is None else to_dtype(g, x.dtype) for g, x in zip(gradients, inputs)]

        return structure.pack(_core.custom_gradient(flat, inputs, vjp))

    wrapper.__name__ = getattr(f, "__name__", "wrapper")
    wrapper.__doc__ = f.__doc__
    return wrapper


def _value(x):
    """Variables and arrays as tensors; other arguments as they are."""
    return convert_to_tensor(x) if hasattr(x, "__oxhorn_tensor__") or hasattr(x, "__array__") else x
