//! Kernels that go along one axis: position of the extremum, running totals.

use oxhorn_core::op::{ArgKind, ArgReduce, Cumulative, CumulativeKind};
use oxhorn_core::{Error, Result};

use super::element::{AxisView, Element, Tensor, grain, with_element, with_float};
use crate::isa::Isa;
use crate::multiversion;
use crate::pool::{SharedMut, parallel_for};
use crate::step::{Args, Task};

/// Columns handled side by side: those inside the axis, or rows where the axis is the last.
const STRIP: usize = 32;

/// Rows up to this long are handled side by side.
const SHORT: usize = 24;

/// See [`ArgReduce`].
pub(crate) fn arg_reduce(op: &ArgReduce, args: &Args<'_>) -> Result<Task> {
    let (x, y) = args.unary()?;
    let view = AxisView::new(x.dims(), op.axis);
    if view.n == 0 && y.numel() > 0 {
        return Err(args.malformed("an axis that is not empty"));
    }
    let (kind, dtype, isa) = (op.kind, x.dtype(), Isa::get());
    let (x, y) = (Tensor::of(x), Tensor::of(y));
    Ok(Box::new(move |frame| {
        let AxisView { outer, n, inner } = view;
        if outer * n * inner == 0 {
            return;
        }
        with_element!(dtype, T => {
            // SAFETY: the dtypes' own types; the result is this step's own.
            let (x, y) = unsafe { (x.read::<T>(frame), SharedMut::new(y.write::<i32>(frame))) };
            parallel_for(frame.pool, outer, grain(n * inner), |range| {
                let x = &x[range.start * n * inner..range.end * n * inner];
                // SAFETY: each outer position has its own results.
                let y = unsafe { y.slice(range.start * inner..range.end * inner) };
                positions(isa, kind, x, n, inner, y);
            });
        });
    }))
}

/// Whether `x` comes before `best` as the extremum. A NaN beats everything but a NaN.
#[inline(always)]
#[expect(
    clippy::neg_cmp_op_on_partial_ord,
    clippy::eq_op,
    reason = "two instructions that are right for NaN"
)]
fn beats<T: Element, const MAX: bool>(x: T, best: T) -> bool {
    let ahead = if MAX { !(x <= best) } else { !(x >= best) };
    ahead & (best == best)
}

multiversion! {
    /// Position of the first extremum along an axis of `n` elements that are `inner` apart.
    fn positions[T: Element](kind: ArgKind, x: &[T], n: usize, inner: usize, y: &mut [i32]) {
        match kind {
            ArgKind::Max => positions_of::<T, true>(x, n, inner, y),
            ArgKind::Min => positions_of::<T, false>(x, n, inner, y),
        }
    }
}

#[inline(always)]
fn positions_of<T: Element, const MAX: bool>(x: &[T], n: usize, inner: usize, y: &mut [i32]) {
    if inner > 1 {
        for (x, y) in x.chunks_exact(n * inner).zip(y.chunks_exact_mut(inner)) {
            for (i, y) in y.chunks_mut(STRIP).enumerate() {
                side_by_side::<T, MAX>(&x[i * STRIP..], n, inner, 1, y);
            }
        }
    } else if n <= SHORT {
        for (x, y) in x.chunks(n * STRIP).zip(y.chunks_mut(STRIP)) {
            side_by_side::<T, MAX>(x, n, 1, n, y);
        }
    } else {
        for (x, y) in x.chunks_exact(n).zip(y) {
            *y = position::<T, MAX>(x) as i32;
        }
    }
}

/// Positions for at most [`STRIP`] columns, one per vector lane: element j of column c lies at
/// `j * step + c * pitch`.
#[inline(always)]
fn side_by_side<T: Element, const MAX: bool>(x: &[T], n: usize, step: usize, pitch: usize, y: &mut [i32]) {
    let mut best = [x[0]; STRIP];
    let mut at = [0i32; STRIP];
    for (c, best) in best[..y.len()].iter_mut().enumerate() {
        *best = x[c * pitch];
    }
    let mut row = best;
    for j in 1..n {
        let x = &x[j * step..];
        for (c, row) in row[..y.len()].iter_mut().enumerate() {
            *row = x[c * pitch];
        }
        for c in 0..STRIP {
            let wins = beats::<T, MAX>(row[c], best[c]);
            best[c] = if wins { row[c] } else { best[c] };
            at[c] = if wins { j as i32 } else { at[c] };
        }
    }
    y.copy_from_slice(&at[..y.len()]);
}

/// Position in one row: the extremum first, in lanes; then where it is.
#[inline(always)]
fn position<T: Element, const MAX: bool>(x: &[T]) -> usize {
    let better = |best: T, x: T| if beats::<T, MAX>(x, best) { x } else { best };
    let mut lanes = [x[0]; STRIP];
    let (chunks, rest) = x.as_chunks::<STRIP>();
    for chunk in chunks {
        for j in 0..STRIP {
            lanes[j] = better(lanes[j], chunk[j]);
        }
    }
    let mut half = STRIP / 2;
    while half > 0 {
        for j in 0..half {
            lanes[j] = better(lanes[j], lanes[j + half]);
        }
        half /= 2;
    }
    let best = rest.iter().fold(lanes[0], |best, &x| better(best, x));
    let found = |x: T| (x == best) | (x.is_nan() & best.is_nan());
    let skipped =
        chunks.iter().take_while(|chunk| !chunk.iter().fold(false, |any, &x| any | found(x))).count();
    let start = skipped * STRIP;
    start + x[start..].iter().position(|&x| found(x)).unwrap_or(0)
}

/// See [`Cumulative`]. Floats are accumulated in f64.
pub(crate) fn cumulative(op: &Cumulative, args: &Args<'_>) -> Result<Task> {
    let (x, y) = args.unary()?;
    let (view, reverse, dtype) = (AxisView::new(x.dims(), op.axis), op.reverse, x.dtype());
    let (x, y) = (Tensor::of(x), Tensor::of(y));
    macro_rules! task {
        ($with:ident, |$a:ident, $b:ident| $join:expr) => {
            task!($with, T, |$a, $b| $join)
        };
        ($with:ident, $t:ident, |$a:ident, $b:ident| $join:expr) => {
            Box::new(move |frame| {
                let AxisView { outer, n, inner } = view;
                if outer * n * inner == 0 {
                    return;
                }
                let _ = $with!(dtype, $t => {
                    // SAFETY: the dtype's own type; the result is this step's own.
                    let (x, y) = unsafe { (x.read::<$t>(frame), SharedMut::new(y.write::<$t>(frame))) };
                    parallel_for(frame.pool, outer, grain(n * inner * 4), |range| {
                        for o in range {
                            let part = o * n * inner..(o + 1) * n * inner;
                            // SAFETY: each outer position has its own results.
                            let y = unsafe { y.slice(part.clone()) };
                            totals::<$t>(&x[part], y, inner, reverse, |$a, $b| $join);
                        }
                    });
                });
            })
        };
    }
    Ok(match op.kind {
        CumulativeKind::Sum => task!(with_element, T, |a, b| T::add_wide(a, b)),
        CumulativeKind::Prod => task!(with_element, T, |a, b| T::mul_wide(a, b)),
        CumulativeKind::Max => task!(with_element, T, |a, b| T::narrow(a).larger(T::narrow(b)).widen()),
        CumulativeKind::Min => task!(with_element, T, |a, b| T::narrow(a).smaller(T::narrow(b)).widen()),
        CumulativeKind::LogSumExp if dtype.is_float() => task!(with_float, |a, b| log_add_exp(a, b)),
        CumulativeKind::LogSumExp => return Err(Error::dtype(args.name, "a float dtype", dtype)),
    })
}

fn log_add_exp(a: f64, b: f64) -> f64 {
    if a == b {
        return a + std::f64::consts::LN_2;
    }
    Element::larger(a, b) + (-(a - b).abs()).exp().ln_1p()
}

/// Running totals along rows of `inner` elements.
#[inline(always)]
fn totals<T: Element>(
    x: &[T],
    y: &mut [T],
    inner: usize,
    reverse: bool,
    join: impl Fn(T::Wide, T::Wide) -> T::Wide,
) {
    let n = x.len() / inner;
    let mut running: Vec<T::Wide> = Vec::with_capacity(inner);
    for step in 0..n {
        let i = if reverse { n - 1 - step } else { step };
        let (x, y) = (&x[i * inner..(i + 1) * inner], &mut y[i * inner..(i + 1) * inner]);
        if step == 0 {
            running.extend(x.iter().map(|x| x.widen()));
        } else {
            for (total, x) in running.iter_mut().zip(x) {
                *total = join(*total, x.widen());
            }
        }
        for (y, &total) in y.iter_mut().zip(&running) {
            *y = T::narrow(total);
        }
    }
}
