//! Matrix products, single and batched, with bias and ReLU fused.
//!
//! [`gemm`] is the only entry. Below it, [`drive`] cuts a product into tiles, copies blocks of the
//! operands where that pays, and shares the tiles out over the pool; [`kernel`] computes one tile in
//! registers; [`vector`] has the products with a single row or column, which memory bounds.
//! Integers, which nothing waits for, take a plain loop ([`integer`]).
//!
//! The cut follows the sizes alone and each element of C is summed in one fixed order, so results
//! are the same bits with any number of threads.

pub(crate) mod drive;
pub(crate) mod elem;
mod integer;
pub(crate) mod kernel;
pub(crate) mod pack;
pub(crate) mod scratch;
mod simd;
mod transpose;
mod vector;

use crate::isa::Isa;
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
        isa: Isa,
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
    gemm_on(Isa::get(), pool, dims, a, b, c, accumulate, epilogue);
}

/// [`gemm`] on a given instruction set.
pub(crate) fn gemm_on<T: GemmElem>(
    isa: Isa,
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
    T::product(pool, isa, dims, a, b, c, accumulate, epilogue);
}

/// Panics unless the element with the greatest index of each axis is inside.
fn check(name: &str, len: usize, axes: &[(usize, usize)]) {
    let last = axes.iter().try_fold(0usize, |at, &(n, stride)| at.checked_add((n - 1).checked_mul(stride)?));
    assert!(
        last.is_some_and(|at| at < len),
        "gemm: operand {name} of {len} elements is too short for {axes:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use elem::Float;
    use half::{bf16, f16};
    use proptest::prelude::*;

    /// A case: sizes, layouts, and a seed for the values, which are small integers, so that sums are
    /// exact in every type.
    #[derive(Debug, Clone)]
    struct Case {
        dims: GemmDims,
        transposed: (bool, bool),
        /// Elements between the end of a row and the next.
        gaps: (usize, usize, usize),
        shared_b: bool,
        accumulate: bool,
        bias: bool,
        relu: bool,
    }

    fn cases() -> impl Strategy<Value = Case> {
        let size = || prop_oneof![4 => 1usize..20, 2 => 1usize..70, 1 => 0usize..200];
        let dims = (1usize..5, size(), size(), size());
        let flags = any::<[bool; 6]>();
        (dims, (0usize..4, 0usize..4, 0usize..4), flags).prop_map(|((batch, m, n, k), gaps, f)| Case {
            dims: GemmDims { batch, m, n, k },
            transposed: (f[0], f[1]),
            gaps,
            shared_b: f[2],
            accumulate: f[3],
            bias: f[4],
            relu: f[5],
        })
    }

    fn values<T>(len: usize, seed: usize, from: impl Fn(i32) -> T) -> Vec<T> {
        (0..len).map(|i| from(((i * 7 + seed * 3 + i * i / 5) % 7) as i32 - 3)).collect()
    }

    /// Data and strides of an operand.
    fn operand<T>(data: &[T], batch_stride: usize, inner: usize, transposed: bool) -> MatRef<'_, T> {
        let (row_stride, col_stride) = if transposed { (1, inner) } else { (inner, 1) };
        MatRef { data, row_stride, col_stride, batch_stride }
    }

    fn run_case<T: Copy + PartialEq + std::fmt::Debug>(
        case: &Case,
        from: impl Fn(i32) -> T + Copy,
        product: impl Fn(&GemmDims, MatRef<'_, T>, MatRef<'_, T>, MatMut<'_, T>, bool, Epilogue<'_, T>),
    ) {
        let &Case { dims, transposed, gaps, .. } = case;
        let GemmDims { batch, m, n, k } = dims;
        let a_inner = if transposed.0 { m } else { k } + gaps.0;
        let b_inner = if transposed.1 { k } else { n } + gaps.1;
        let a_size = a_inner * if transposed.0 { k } else { m };
        let b_size = b_inner * if transposed.1 { n } else { k };
        let c_stride = n + gaps.2;
        let a = values(batch * a_size, 1, from);
        let b = values(if case.shared_b { 1 } else { batch } * b_size, 2, from);
        let bias = values(n, 3, from);
        let before = values(batch * m * c_stride, 4, from);
        let mut c = before.clone();
        let a_ref = operand(&a, a_size, a_inner, transposed.0);
        let b_ref = operand(&b, if case.shared_b { 0 } else { b_size }, b_inner, transposed.1);
        let c_ref = MatMut { data: &mut c, row_stride: c_stride, batch_stride: m * c_stride };
        let epilogue = Epilogue { bias: case.bias.then_some(&bias[..]), relu: case.relu };
        product(&dims, a_ref, b_ref, c_ref, case.accumulate, epilogue);

        let int = |len: usize, seed: usize| values(len, seed, |x| x);
        let (ai, bi, biasi, ci) = (int(a.len(), 1), int(b.len(), 2), int(n, 3), int(c.len(), 4));
        let expected: Vec<T> = (0..c.len())
            .map(|at| {
                let (e, i, j) = (at / (m * c_stride), at / c_stride % m, at % c_stride);
                if j >= n {
                    return before[at]; // gaps stay as they are
                }
                let mut sum = if case.accumulate { ci[at] } else { 0 };
                for p in 0..k {
                    let x = ai[e * a_ref.batch_stride + i * a_ref.row_stride + p * a_ref.col_stride];
                    let y = bi[e * b_ref.batch_stride + p * b_ref.row_stride + j * b_ref.col_stride];
                    sum += x * y;
                }
                sum += if case.bias { biasi[j] } else { 0 };
                from(if case.relu { sum.max(0) } else { sum })
            })
            .collect();
        assert!(c == expected, "{case:?}");
    }

    fn floats<T: Float + PartialEq + std::fmt::Debug>(case: &Case, from: impl Fn(i32) -> T + Copy) {
        let pool = ThreadPool::new(2);
        for isa in Isa::available() {
            run_case(case, from, |dims, a, b, c, accumulate, epilogue| {
                gemm_on(isa, &pool, dims, a, b, c, accumulate, epilogue);
            });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(192))]

        #[test]
        fn every_float_and_instruction_set_matches_a_plain_loop(case in cases()) {
            floats(&case, |x| x as f32);
            floats(&case, f64::from);
            floats(&case, |x| f16::from_f32(x as f32));
            floats(&case, |x| bf16::from_f32(x as f32));
        }

        #[test]
        fn integers_wrap(case in cases()) {
            let pool = ThreadPool::new(2);
            run_case(&case, |x| x, |d, a, b, c, acc, e| gemm(&pool, d, a, b, c, acc, e));
            run_case(&case, i64::from, |d, a, b, c, acc, e| gemm(&pool, d, a, b, c, acc, e));
            let unsigned = Case { relu: false, ..case };
            run_case(&unsigned, |x| x as u8, |d, a, b, c, acc, e| gemm(&pool, d, a, b, c, acc, e));
            run_case(&unsigned, |x| x as i8, |d, a, b, c, acc, e| gemm(&pool, d, a, b, c, acc, e));
        }
    }

    /// Sizes that reach every path of the driver: several blocks of the depth, packing, copies of A.
    #[test]
    fn large_products() {
        let sizes = [
            (130, 70, 1100),
            (40, 1100, 600),
            (33, 600, 1024),
            (3, 3000, 900),
            (2, 5000, 1030),
            (300, 1, 700),
        ];
        for (m, n, k) in sizes {
            for bits in 0..4 {
                let case = Case {
                    dims: GemmDims { batch: 1, m, n, k },
                    transposed: (bits & 1 != 0, bits & 2 != 0),
                    gaps: (0, 0, 1),
                    shared_b: false,
                    accumulate: bits == 1,
                    bias: bits != 2,
                    relu: bits == 3,
                };
                floats(&case, |x| x as f32);
            }
        }
    }

    /// Values whose sums are not exact.
    fn rough(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 2_654_435_761) % 1_000_003) as f32 / 500_000.0 - 1.0).collect()
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        for (batch, m, n, k) in
            [(1, 128, 32, 784), (1, 257, 130, 300), (1, 600, 700, 1500), (40, 30, 30, 30), (3, 200, 200, 200)]
        {
            let (a, b) = (rough(batch * m * k), rough(batch * n * k));
            for (ta, tb) in [(false, false), (true, false), (false, true)] {
                let results: Vec<Vec<u32>> = [1, 2, 4]
                    .into_iter()
                    .map(|threads| {
                        let mut c = vec![0.0f32; batch * m * n];
                        gemm(
                            &ThreadPool::new(threads),
                            &GemmDims { batch, m, n, k },
                            operand(&a, m * k, if ta { m } else { k }, ta),
                            operand(&b, n * k, if tb { k } else { n }, tb),
                            MatMut { data: &mut c, row_stride: n, batch_stride: m * n },
                            false,
                            Epilogue::default(),
                        );
                        c.into_iter().map(f32::to_bits).collect()
                    })
                    .collect();
                assert!(results[0] == results[1] && results[0] == results[2], "{batch} {m} {n} {k}");
            }
        }
    }

    #[test]
    fn rounding_errors_stay_small() {
        let (m, n, k) = (20, 40, 3000);
        let (a, b) = (rough(m * k), rough(k * n));
        let mut c = vec![0.0f32; m * n];
        let c_ref = MatMut { data: &mut c, row_stride: n, batch_stride: 0 };
        let (a_ref, b_ref) = (operand(&a, 0, k, false), operand(&b, 0, n, false));
        gemm(
            &ThreadPool::new(1),
            &GemmDims { batch: 1, m, n, k },
            a_ref,
            b_ref,
            c_ref,
            false,
            Epilogue::default(),
        );
        for i in 0..m {
            for j in 0..n {
                let exact: f64 = (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b[p * n + j])).sum();
                assert!((f64::from(c[i * n + j]) - exact).abs() < 1e-4, "{} {exact}", c[i * n + j]);
            }
        }
    }

    #[test]
    #[should_panic(expected = "too short")]
    fn short_operands_are_refused() {
        let (a, mut c) = ([0.0f32; 5], [0.0f32; 4]);
        let x = operand(&a, 0, 3, false);
        let c = MatMut { data: &mut c, row_stride: 2, batch_stride: 0 };
        gemm(
            &ThreadPool::new(1),
            &GemmDims { batch: 1, m: 2, n: 2, k: 3 },
            x,
            x,
            c,
            false,
            Epilogue::default(),
        );
    }
}
