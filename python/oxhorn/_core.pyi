"""Types of the private extension module: the engine as Python sees it.

Every function that takes a `TensorLike` accepts a `Tensor` (eager or traced), an object with a
`__oxhorn_tensor__()` method that returns one (a `Variable`), a Python scalar, a NumPy array or
scalar, or a nested list of these. Python scalars are weakly typed, as in Keras: they take the
dtype of the tensors they meet. Functions whose name is an element-wise op broadcast and promote;
structural functions expect operands of one dtype and say so when they differ.

An op appends a node to the innermost active `Trace` when one of its inputs is traced or when it
creates a value (`full`, `iota`, `random_bits`); otherwise it runs at once on the current device.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import numpy as np

class HasTensor(Protocol):
    def __oxhorn_tensor__(self) -> Tensor: ...

TensorLike: TypeAlias = Tensor | HasTensor | np.ndarray | np.generic | bool | int | float | Sequence[Any]

class InternalError(RuntimeError):
    """A defect in the engine: a panic that was caught at the boundary."""

class TracedValueError(TypeError):
    """A concrete value was asked of a traced tensor (float(), bool(), NumPy, iteration)."""

class Tensor:
    """An n-dimensional array: concrete (with a buffer) or traced (a value of a graph)."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def is_traced(self) -> bool: ...
    def numpy(self) -> np.ndarray: ...
    def item(self) -> bool | int | float: ...
    def tolist(self) -> Any: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray: ...
    def __dlpack__(self, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __index__(self) -> int: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Any: ...
    def __getitem__(self, index: Any) -> Tensor: ...
    def __format__(self, spec: str) -> str: ...
    # Arithmetic and comparison operators are the element-wise ops below, with Keras's promotion;
    # they return NotImplemented for operands they do not know (symbolic Keras tensors).

# -- creation ---------------------------------------------------------------------------------

def tensor(value: TensorLike, dtype: str | None = None) -> Tensor:
    """Converts to a tensor. Without `dtype`: Python floats and NumPy-free lists of floats become
    float32 (the caller passes floatx), ints int32, bools bool; arrays keep theirs."""

def lend(array: TensorLike) -> Tensor:
    """A tensor over a NumPy array's own memory, which must not be written to while the tensor is in use."""

def from_dlpack(object: Any) -> Tensor:
    """A tensor over the memory of a host object that speaks DLPack."""

def numpy_dtype(name: str) -> np.dtype:
    """NumPy's dtype of that name; bfloat16 comes from `ml_dtypes`."""

def full(shape: Sequence[int], value: bool | int | float, dtype: str) -> Tensor: ...
def iota(shape: Sequence[int], axis: int, dtype: str) -> Tensor:
    """0, 1, 2, ... along `axis`, repeated along the others."""

def random_bits(seed: TensorLike, shape: Sequence[int]) -> Tensor:
    """uint32 bits of Philox4x32-10; `seed` is a uint32 tensor of shape (2,): the key."""

# -- element-wise -----------------------------------------------------------------------------

def elementwise(name: str, *args: TensorLike) -> Tensor:
    """Runs row `name` of the element-wise table after promotion and broadcasting.

    Unary: negative abs sign exp exp2 expm1 log log1p log2 log10 sqrt rsqrt square reciprocal
      sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh erf erfc erfinv
      lgamma digamma sigmoid softplus floor ceil round trunc logical_not bitwise_not
      isnan isinf isfinite stop_gradient relu
    Binary: add subtract multiply divide floor_divide mod power maximum minimum arctan2 hypot
      logaddexp nextafter copysign equal not_equal less less_equal greater greater_equal
      logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift
    Ternary: where(condition, x, y)
    Integer inputs of float-only ops (exp, divide, ...) are promoted to float32.
    """

def elementwise_names() -> dict[str, int]: ...
def cast(x: TensorLike, dtype: str) -> Tensor: ...
def bitcast(x: TensorLike, dtype: str) -> Tensor: ...
def result_type(*dtypes: str, floatx: str = "float32") -> str:
    """Keras's promotion over dtype names; "int", "float" and "bool" are the weak Python types."""

# -- movement ---------------------------------------------------------------------------------

def reshape(x: TensorLike, shape: Sequence[int]) -> Tensor:
    """One entry may be -1."""

def transpose(x: TensorLike, perm: Sequence[int]) -> Tensor: ...
def broadcast_to(x: TensorLike, shape: Sequence[int]) -> Tensor: ...
def slice(x: TensorLike, start: Sequence[int], limit: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Strides are positive (reverse with `flip`)."""

def dynamic_slice(x: TensorLike, start: TensorLike, sizes: Sequence[int]) -> Tensor:
    """`start`: int32 tensor of shape (rank,), clamped so that the slice fits."""

def dynamic_update_slice(x: TensorLike, update: TensorLike, start: TensorLike) -> Tensor: ...
def pad(
    x: TensorLike, low: Sequence[int], high: Sequence[int], interior: Sequence[int], value: float | int | bool
) -> Tensor:
    """Constant padding; negative low/high crop."""

def concat(xs: Sequence[TensorLike], axis: int) -> Tensor: ...
def flip(x: TensorLike, axes: Sequence[int]) -> Tensor: ...
def gather(x: TensorLike, indices: TensorLike, axis: int) -> Tensor:
    """NumPy's take: the indexed axis is replaced by the shape of `indices`. Negative indices count
    from the end; indices out of range are clamped."""

def take_along_axis(x: TensorLike, indices: TensorLike, axis: int) -> Tensor: ...
def gather_nd(x: TensorLike, indices: TensorLike) -> Tensor:
    """indices[..., k] addresses the first k axes of x."""

def scatter_nd(mode: str, x: TensorLike, indices: TensorLike, updates: TensorLike) -> Tensor:
    """x with updates applied at indices[..., k]; mode: set, add, mul, max, min. Indices out of
    range are dropped. Repeated indices are applied in order."""

def sort(x: TensorLike, axis: int, descending: bool = False) -> tuple[Tensor, Tensor]:
    """Stable; returns (values, int32 indices)."""

def top_k(x: TensorLike, k: int) -> tuple[Tensor, Tensor]:
    """Of the last axis, largest first; ties by lower index; int32 indices."""

# -- reductions -------------------------------------------------------------------------------

def reduce(kind: str, x: TensorLike, axes: Sequence[int], keepdims: bool = False) -> Tensor:
    """kind: sum, prod, max, min, any, all. An empty `axes` reduces nothing."""

def arg_reduce(kind: str, x: TensorLike, axis: int, keepdims: bool = False) -> Tensor:
    """kind: argmax, argmin; first of equals; int32."""

def cumulative(kind: str, x: TensorLike, axis: int, reverse: bool = False) -> Tensor:
    """kind: sum, prod, max, min, logsumexp."""

# -- composites that the engine treats as one thing ---------------------------------------------

def softmax(x: TensorLike, axis: int) -> Tensor: ...
def log_softmax(x: TensorLike, axis: int) -> Tensor: ...

# -- products ---------------------------------------------------------------------------------

def matmul(a: TensorLike, b: TensorLike, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    """NumPy's matmul (rank-1 operands, broadcast batch axes); operands of one dtype."""

def einsum(equation: str, *operands: TensorLike) -> Tensor: ...
def tensordot(a: TensorLike, b: TensorLike, axes_a: Sequence[int], axes_b: Sequence[int]) -> Tensor: ...
def conv(
    x: TensorLike,
    kernel: TensorLike,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """n-D cross-correlation, n = 1, 2, 3. x: (batch, *space, c_in); kernel: (*window, c_in / groups,
    c_out); result (batch, *out, c_out). `lhs_dilation` inserts zeros into x (transposed
    convolution); padding may be negative."""

def reduce_window(
    kind: str,
    x: TensorLike,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int] | None = None,
) -> Tensor:
    """kind: max or sum, over windows of every axis of x (window 1 where none)."""

# -- linear algebra (batched over leading axes; float32 and float64) ----------------------------

def linalg(
    name: str,
    *args: TensorLike,
    lower: bool = True,
    transpose: bool = False,
    complete: bool = False,
    full_matrices: bool = True,
) -> list[Tensor]:
    """cholesky(x) | triangular_solve(a, b, lower, transpose) | solve(a, b) | inv(x) | det(x) | lu_factor(x) |
    qr(x, complete) | eigh(x) | svd(x, full_matrices)."""

# -- control flow -----------------------------------------------------------------------------

def scan(
    body: Callable[[list[Tensor], list[Tensor]], tuple[Sequence[TensorLike], Sequence[TensorLike]]],
    carry: Sequence[TensorLike],
    xs: Sequence[TensorLike],
    length: int,
    reverse: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """body(carry, x_slices) -> (new_carry, y_slices), traced once; the leading axis of xs and ys is
    time. Tensors that the body closes over become constants of the loop; gradients reach them."""

def while_loop(
    condition: Callable[[list[Tensor]], TensorLike],
    body: Callable[[list[Tensor]], Sequence[TensorLike]],
    carry: Sequence[TensorLike],
    max_iterations: int | None = None,
) -> list[Tensor]: ...
def cond(
    predicate: TensorLike,
    true_fn: Callable[[], Sequence[TensorLike]],
    false_fn: Callable[[], Sequence[TensorLike]],
) -> list[Tensor]:
    """Flat lists of outputs of equal shapes and dtypes. An eager predicate calls one function."""

def custom_gradient(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    vjp: Callable[[list[Tensor]], Sequence[TensorLike | None]],
) -> list[Tensor]:
    """`outputs` again, their gradient with respect to `inputs` given by `vjp(cotangents)`; the way
    by which the outputs were computed is hidden from differentiation."""

# -- state, tracing, gradients ------------------------------------------------------------------

class Slot:
    """A mutable cell that holds a concrete tensor: what a Keras variable stores its value in."""

    def __init__(self, value: Tensor) -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    def read(self) -> Tensor:
        """The value; inside a trace, the value that the slot is bound to at this point of it."""

    def write(self, value: TensorLike) -> None:
        """Sets the value (same shape and dtype); inside a trace, rebinds the slot."""

    def peek(self) -> Tensor:
        """The concrete value, even inside a trace."""

class Trace:
    """Records ops into a graph while it is entered; not re-entrant. One thread at a time."""

    def __init__(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None: ...
    def input(self, shape: Sequence[int], dtype: str) -> Tensor: ...
    def compile(self, outputs: Sequence[TensorLike]) -> Function:
        """Optimises and plans the graph. Slots written during the trace become outputs of their
        own. Call after the trace was left."""

class eager_scope:
    """Suspends tracing: ops inside run at once (for building variables inside a trace)."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...

def is_tracing() -> bool: ...

class Function:
    """A compiled graph. Calling it runs the plan with the GIL released and updates its slots."""

    def __call__(self, inputs: Sequence[TensorLike]) -> list[Tensor]: ...
    @property
    def input_types(self) -> list[tuple[tuple[int, ...], str]]: ...
    @property
    def statistics(self) -> dict[str, int]:
        """nodes, instructions, arena_bytes, runs."""

class EpochLoop:
    """Runs a `Function` over batches gathered from arrays, in Rust, with the GIL released.

    `arrays[i]` has the samples of the function's input i along its first axis. `order` is an int64
    array of sample indices (None: in order). `constants` are appended to every call's inputs.
    """

    def __init__(
        self,
        arrays: Sequence[TensorLike],
        batch_size: int,
        order: TensorLike | None = None,
        constants: Sequence[TensorLike] = (),
    ) -> None: ...
    def run(self, function: Function, max_steps: int, max_seconds: float = 0.05) -> int:
        """Runs up to `max_steps` full batches, stopping early once `max_seconds` have passed;
        returns how many ran."""

    @property
    def position(self) -> int:
        """Samples consumed so far."""

    @property
    def remaining(self) -> int:
        """Samples that are left."""

    def outputs(self) -> list[Tensor]:
        """Outputs of the last step that ran."""

    def gather(self, count: int) -> list[Tensor]:
        """The next `count` samples as tensors (for a last, smaller batch); advances."""

class Tape:
    """While entered, eager ops and slot reads are recorded so that `gradient` can differentiate
    them. Inside a trace everything is recorded anyway and a tape records nothing more."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...
    def watch(self, x: Tensor) -> Tensor: ...

def gradient(
    targets: Sequence[Tensor],
    sources: Sequence[Tensor | Slot],
    cotangents: Sequence[TensorLike | None] | None = None,
) -> list[Tensor | None]:
    """Reverse-mode gradients of the sum of targets (each weighted by its cotangent, default ones).
    Works inside a trace and on tensors recorded by a tape; a source that no target depends on
    gives None. For a slot: with respect to the values read from it in this recording."""

# -- runtime ----------------------------------------------------------------------------------

def set_num_threads(n: int) -> None: ...
def num_threads() -> int: ...
def profile() -> list[tuple[str, int, float]]:
    """Instructions that ran since the start, with how often and how many seconds in all, the longest
    first. Empty unless `OXHORN_PROFILE` was set when the process started."""

def plan_cache_info() -> dict[str, int]:
    """hits, misses, evictions, entries, capacity of the eager plan cache."""

def memory_stats() -> dict[str, int]:
    """live_bytes, peak_bytes, pooled_bytes, live_buffers."""

# -- files ------------------------------------------------------------------------------------

def fingerprint64(strings: list[bytes], key: tuple[int, int] | None = None) -> np.ndarray:
    """64-bit hashes (uint64) of byte strings: FarmHash's fingerprint, or SipHash-2-4 under a key."""

def h5_read(data: bytes, max_bytes: int = ...) -> dict[str, Any]:
    """Reads an HDF5 file held in memory. Returns the root group: {"attrs": {name: value},
    "groups": {name: group}, "datasets": {name: {"data": ndarray, "attrs": {...}}}}. Strings come
    as str; a bfloat16 dataset (2-byte opaque with dtype="bfloat16") as a uint16 array and that
    attribute. Refuses links, external and virtual storage, and sizes the file cannot justify."""

def h5_write(root: dict[str, Any]) -> bytes:
    """The inverse, in the profile that Keras's files use."""

__version__: str
