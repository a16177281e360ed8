//! Matrix products, single and batched, with bias and ReLU fused.
//!
//! [`gemm`] is the only entry. Below it, [`drive`] cuts a product into tiles, copies blocks of the
//! operands where that pays, and shares the tiles out over the pool; [`kernel`] computes one tile in
//! registers; [`vector`] has the products with a single row or column, which memory bounds.
//! Integers, which nothing waits for, take a plain loop ([`integer`]).
//!
//! The cut follows the sizes alone and each element of C is summed in one fixed order, so results
//! are the same bits with any number of threads.

pub mod drive;
pub(crate) mod elem;
mod integer;
pub(crate) mod kernel;
pub(crate) mod pack;
pub(crate) mod scratch;
mod simd;
mod vector;

use crate::pool::ThreadPool;

/// Sizes of a product: C (batch, m, n) = A (batch, m, k) B (batch, k, n).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GemmDims {
    /// Number of products.
    pub batch: usize,
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
}

/// An operand: element (b, i, j) is `data[b * batch_stride + i * row_stride + j * col_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct MatRef<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// Elements between rows.
    pub row_stride: usize,
    /// Elements between columns.
    pub col_stride: usize,
    /// Elements between the matrices of a batch; 0 when all products share one.
    pub batch_stride: usize,
}

/// The result: element (b, i, j) is `data[b * batch_stride + i * row_stride + j]`.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    /// The elements.
    pub data: &'a mut [T],
    /// Elements between rows, at least n.
    pub row_stride: usize,
    /// Elements between the matrices of a batch, at least m rows.
    pub batch_stride: usize,
}

/// What happens to C after the product: `max(C + bias, 0)`, either part optional.
#[derive(Debug, Clone, Copy)]
pub struct Epilogue<'a, T> {
    /// Added to every row: n elements.
    pub bias: Option<&'a [T]>,
    /// Whether negative results become zero.
    pub relu: bool,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Self { bias: None, relu: false }
    }
}

impl<T> Epilogue<'_, T> {
    /// Whether it changes nothing.
    pub fn is_identity(&self) -> bool {
        self.bias.is_none() && !self.relu
    }
}

/// Element types of matrix products: f32, f64, float16 and bfloat16 (accumulated in f32, rounded
/// once), and the integers (which wrap).
pub trait GemmElem: Copy {
    /// The product; the sizes are checked.
    #[doc(hidden)]
    fn product(
        pool: &ThreadPool,
        dims: &GemmDims,
        a: MatRef<'_, Self>,
        b: MatRef<'_, Self>,
        c: MatMut<'_, Self>,
        accumulate: bool,
        epilogue: Epilogue<'_, Self>,
    );
}

/// C = epilogue(A B), or epilogue(C + A B) with `accumulate`.
///
/// # Panics
/// When an operand is too short for the sizes, or rows of C overlap.
pub fn gemm<T: GemmElem>(
    pool: &ThreadPool,
    dims: &GemmDims,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    c: MatMut<'_, T>,
    accumulate: bool,
    epilogue: Epilogue<'_, T>,
) {
    let &GemmDims { batch, m, n, k } = dims;
    if batch == 0 || m == 0 || n == 0 {
        return;
    }
    if k > 0 {
        check("a", a.data.len(), &[(batch, a.batch_stride), (m, a.row_stride), (k, a.col_stride)]);
        check("b", b.data.len(), &[(batch, b.batch_stride), (k, b.row_stride), (n, b.col_stride)]);
    }
    check("c", c.data.len(), &[(batch, c.batch_stride), (m, c.row_stride), (n, 1)]);
    assert!(m == 1 || c.row_stride >= n, "gemm: expected c's row stride >= {n}, got {}", c.row_stride);
    let matrix = (m - 1) * c.row_stride + n;
    assert!(
        batch == 1 || c.batch_stride >= matrix,
        "gemm: expected c's batch stride >= {matrix}, got {}",
        c.batch_stride
    );
    if let Some(bias) = epilogue.bias {
        assert!(bias.len() == n, "gemm: expected a bias of {n} elements, got {}", bias.len());
    }
    T::product(pool, dims, a, b, c, accumulate, epilogue);
}

/// Panics unless the element with the greatest index of each axis is inside.
fn check(name: &str, len: usize, axes: &[(usize, usize)]) {
    let last = axes.iter().try_fold(0usize, |at, &(n, stride)| at.checked_add((n - 1).checked_mul(stride)?));
    assert!(
        last.is_some_and(|at| at < len),
        "gemm: operand {name} of {len} elements is too short for {axes:?}"
    );
}
