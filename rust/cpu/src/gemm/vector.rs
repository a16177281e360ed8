//! Products of few rows, or with one column: memory bounds most of them, and packing B would cost more
//! than the product.

use super::drive::{Help, Job, Parts, TASK, Target, run, single};
use super::elem::Float;
use super::kernel::{Dots, Kernels, Real};
use super::pack::{self, Block};
use super::scratch;
use crate::multiversion;

/// Most rows for which B's columns are read in place, where they are contiguous.
const ROWS: usize = 12;
/// Most rows for which B's rows are, or narrow elements of B converted for each row.
const FEW_ROWS: usize = 2;
/// Bytes of B that stay in L2.
const SMALL_B: usize = 1 << 18;
/// Elements of A that stay in L1 while B passes.
const NEAR: usize = 1 << 12;
/// Columns of a task that adds up rows of B, and how many rows it converts at a time.
const COLS: usize = 512;
const STEPS: usize = 16;

/// Computes the product if it is one of these. Returns whether it did.
pub(super) fn try_product<T: Float>(
    help: Help<'_>,
    kernels: &Kernels<T::Acc>,
    job: &Job<'_, T>,
    target: Target<'_, T>,
) -> bool {
    let &Job { m, n, k, a, b, .. } = job;
    if k == 0 {
        return false;
    }
    if n == 1 && m > 1 {
        return target.is_dense() && {
            // C' = B' A': one row.
            let (a, b) = (b.transposed(), a.transposed());
            scratch::with(m, |bias: &mut [T::Acc]| {
                if let Some(all) = job.bias {
                    bias.fill(all[0]);
                }
                let bias = job.bias.map(|_| &*bias);
                single(help, &Job { m: 1, n: m, a, b, bias, ..*job }, target);
            });
            true
        };
    }
    let is_wide = T::as_acc(&[]).is_some();
    if b.row_stride == 1 && b.col_stride != 1 {
        // To add up a vector takes as long as a few steps.
        let few = m <= 4 || a.col_stride == 1 && m <= ROWS && k >= 8 * kernels.lanes;
        let few = if is_wide { few } else { m <= FEW_ROWS };
        if few {
            dots(help, kernels, job, target);
        }
        few
    } else {
        // A small B is better read tile by tile.
        let tiled = is_wide && n % kernels.lanes == 0 && k * n * size_of::<T>() <= SMALL_B;
        let few = m <= FEW_ROWS && b.col_stride == 1 && !tiled;
        if few {
            rows(help, job, target);
        }
        few
    }
}

/// Calls `body` with a matrix that has contiguous rows of wide elements, and the elements between these.
fn with_rows<T: Float, R>(
    job: &Job<'_, T>,
    x: Block<'_, T>,
    rows: usize,
    len: usize,
    body: impl FnOnce(&[T::Acc], usize) -> R,
) -> R {
    match T::as_acc(x.data) {
        Some(wide) if x.col_stride == 1 => body(wide, x.row_stride),
        _ => scratch::with(rows * len, |wide: &mut [T::Acc]| {
            pack::pack(job.isa, x, rows, len, wide, len);
            body(wide, len)
        }),
    }
}

/// A few rows times contiguous columns: dot products.
fn dots<T: Float>(help: Help<'_>, kernels: &Kernels<T::Acc>, job: &Job<'_, T>, target: Target<'_, T>) {
    const N: usize = Kernels::<f32>::DOT_COLS;
    let &Job { m, n, k, .. } = job;
    let max_depth = (NEAR / m).next_multiple_of(64);
    let tasks = Parts::new(n.div_ceil(N), (m * n * k * 2 / TASK).clamp(1, n.div_ceil(N)));
    with_rows(job, job.a, m, k, |a, a_row| {
        run(help, tasks.count, |task| {
            let cols = tasks.get(task);
            let cols = cols.start * N..n.min(cols.end * N);
            if job.accumulate {
                target.widen(job.isa, 0..m, cols.clone());
            }
            for depth in Parts::at_most(k, max_depth).iter() {
                let last = depth.end == k;
                for j in cols.clone().step_by(N) {
                    let width = N.min(cols.end - j);
                    let b = job.b.at(depth.start, j).transposed();
                    with_rows(job, b, width, depth.len(), |b, b_col| {
                        for i in (0..m).step_by(Kernels::<f32>::DOT_ROWS) {
                            let height = Kernels::<f32>::DOT_ROWS.min(m - i);
                            let at = target.start + i * target.row_stride + j;
                            let part = Dots {
                                a: a[i * a_row + depth.start..].as_ptr(),
                                a_row,
                                b: b.as_ptr(),
                                b_col,
                                len: depth.len(),
                                c: target.c.as_ptr().wrapping_add(at),
                                c_row: target.row_stride,
                                accumulate: job.accumulate || depth.start > 0,
                                bias: job.bias.filter(|_| last).map_or(std::ptr::null(), |b| b[j..].as_ptr()),
                                relu: job.relu && last,
                            };
                            // SAFETY: the entry checked that the operands hold the matrices, and rows,
                            // columns and depth are inside these; tasks have disjoint columns of C. The
                            // kernels' instruction set was detected.
                            unsafe { kernels.dots(height, width)(&part) }
                        }
                    });
                }
            }
            target.narrow(job.isa, 0..m, cols);
        });
    });
}

/// A few rows times contiguous rows of B, some of which are added up at a time.
fn rows<T: Float>(help: Help<'_>, job: &Job<'_, T>, target: Target<'_, T>) {
    let &Job { isa, m, n, k, a, b, .. } = job;
    run(help, n.div_ceil(COLS), |task| {
        let cols = task * COLS..n.min((task + 1) * COLS);
        if job.accumulate {
            target.widen(isa, 0..m, cols.clone());
        }
        let steps = if T::as_acc(b.data).is_some() { k } else { STEPS };
        with_rows(job, a, m, k, |a, a_row| {
            for p in (0..k).step_by(steps) {
                let steps = steps.min(k - p);
                with_rows(job, b.at(p, cols.start), steps, cols.len(), |b, b_row| {
                    for i in 0..m {
                        let at = target.start + i * target.row_stride;
                        // SAFETY: tasks have disjoint columns of C.
                        let sums = unsafe { target.c.slice(at + cols.start..at + cols.end) };
                        if p == 0 && !job.accumulate {
                            sums.fill(T::Acc::ZERO);
                        }
                        add_rows(isa, &a[i * a_row + p..][..steps], b, b_row, sums);
                        if p + steps == k {
                            finish(isa, job.bias.map(|bias| &bias[cols.clone()]), job.relu, sums);
                        }
                    }
                });
            }
        });
        target.narrow(isa, 0..m, cols);
    });
}

multiversion! {
    /// Adds each factor times its row of `b` to the sums.
    fn add_rows[T: Real](factors: &[T], b: &[T], stride: usize, sums: &mut [T]) {
        let cols = sums.len();
        let row = |p: usize| &b[p * stride..][..cols];
        let (fours, rest) = factors.as_chunks::<4>();
        for (i, &[a0, a1, a2, a3]) in fours.iter().enumerate() {
            let (b0, b1, b2, b3) = (row(4 * i), row(4 * i + 1), row(4 * i + 2), row(4 * i + 3));
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum += b0[j] * a0 + b1[j] * a1 + (b2[j] * a2 + b3[j] * a3);
            }
        }
        for (p, &x) in rest.iter().enumerate() {
            sums.iter_mut().zip(row(4 * fours.len() + p)).for_each(|(sum, &b)| *sum += b * x);
        }
    }

    /// The end of a row of C.
    fn finish[T: Real](bias: Option<&[T]>, relu: bool, sums: &mut [T]) {
        if let Some(bias) = bias {
            sums.iter_mut().zip(bias).for_each(|(x, &bias)| *x += bias);
        }
        if relu {
            sums.iter_mut().for_each(|x| *x = if *x < T::ZERO { T::ZERO } else { *x });
        }
    }
}
