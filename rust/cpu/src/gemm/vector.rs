//! Products with one column, or with few rows and a transposed B: dot products, since packing B would
//! cost more than the product.

use super::drive::{Help, Job, TASK, Target, run, single};
use super::elem::Float;
use super::kernel::{Kernels, Real};
use super::pack::Block;
use super::scratch;

/// Most rows for which a transposed B is read in place.
const ROWS: usize = 4;

/// Computes the product if it is one of these. Returns whether it did.
pub(super) fn try_product<T: Float>(
    help: Help<'_>,
    kernels: &Kernels<T::Acc>,
    job: &Job<'_, T>,
    target: Target<'_, T::Acc>,
) -> bool {
    let &Job { m, n, k, a, b, .. } = job;
    if n == 1 && m > 1 && a.col_stride != 1 && a.row_stride == 1 && target.row_stride == 1 {
        // C' = B' A': one row.
        let bias = job.bias.map(|bias| bias[0]);
        let (a, b) = (b.transposed(), a.transposed());
        let row = Job { m: 1, n: m, a, b, bias: None, relu: job.relu && bias.is_none(), ..*job };
        single(help, &row, target);
        if let Some(bias) = bias {
            // SAFETY: no task is running, and C is the caller's.
            let c = unsafe { target.c.slice(target.start..target.start + m) };
            for c in c {
                *c += bias;
                if job.relu && *c < T::Acc::ZERO {
                    *c = T::Acc::ZERO;
                }
            }
        }
        return true;
    }
    let (Some(a_data), Some(b_data)) = (T::as_acc(a.data), T::as_acc(b.data)) else { return false };
    if k == 0 || a.col_stride != 1 {
        return false;
    }
    let a = Block { data: a_data, row_stride: a.row_stride, col_stride: 1 };
    let b = Block { data: b_data, row_stride: b.row_stride, col_stride: b.col_stride };
    if b.row_stride == 1 && (n == 1 || m <= ROWS && b.col_stride != 1) {
        dots(help, kernels, job, a, b, target);
        true
    } else if n == 1 {
        scratch::with(k, |column: &mut [T::Acc]| {
            column.iter_mut().enumerate().for_each(|(p, x)| *x = b.data[p * b.row_stride]);
            dots(help, kernels, job, a, Block { data: column, row_stride: 1, col_stride: 0 }, target);
        });
        true
    } else {
        false
    }
}

/// Every element of C as a dot product of contiguous vectors.
fn dots<T: Float>(
    help: Help<'_>,
    kernels: &Kernels<T::Acc>,
    job: &Job<'_, T>,
    a: Block<'_, T::Acc>,
    b: Block<'_, T::Acc>,
    target: Target<'_, T::Acc>,
) {
    let &Job { m, n, k, .. } = job;
    let grain = (TASK / 4 / k).max(1);
    run(help, (m * n).div_ceil(grain), |task| {
        // Rows inside, so that a column of B is read once.
        for (j, i) in (task * grain..(m * n).min((task + 1) * grain)).map(|e| (e / m, e % m)) {
            let x = &a.data[i * a.row_stride..][..k];
            let y = &b.data[j * b.col_stride..][..k];
            // SAFETY: both have k elements; the kernels' instruction set was detected.
            let mut sum = unsafe { (kernels.dot)(x.as_ptr(), y.as_ptr(), k) };
            let at = target.start + i * target.row_stride + j;
            // SAFETY: one task has this element.
            let c = unsafe { &mut target.c.slice(at..at + 1)[0] };
            if let Some(bias) = job.bias {
                sum += bias[j];
            }
            if job.accumulate {
                sum += *c;
            }
            *c = if job.relu && sum < T::Acc::ZERO { T::Acc::ZERO } else { sum };
        }
    });
}
