//! Kernels that go along one axis: position of the extremum, running totals.

use oxhorn_core::op::{ArgKind, ArgReduce, Cumulative, CumulativeKind};
use oxhorn_core::{Error, Result};

use super::element::{AxisView, Element, Tensor, grain, with_element, with_float};
use crate::pool::{SharedMut, parallel_for};
use crate::step::{Args, Task};

/// See [`ArgReduce`].
pub(crate) fn arg_reduce(op: &ArgReduce, args: &Args<'_>) -> Result<Task> {
    let (x, y) = args.unary()?;
    let view = AxisView::new(x.dims(), op.axis);
    if view.n == 0 && y.numel() > 0 {
        return Err(args.malformed("an axis that is not empty"));
    }
    let (kind, dtype) = (op.kind, x.dtype());
    let (x, y) = (Tensor::of(x), Tensor::of(y));
    Ok(Box::new(move |frame| {
        let AxisView { outer, n, inner } = view;
        if outer * n * inner == 0 {
            return;
        }
        with_element!(dtype, T => {
            // SAFETY: the dtypes' own types; the result is this step's own.
            let (x, y) = unsafe { (x.read::<T>(frame), SharedMut::new(y.write::<i32>(frame))) };
            parallel_for(frame.pool, outer, grain(n * inner * 2), |range| {
                for o in range {
                    let x = &x[o * n * inner..(o + 1) * n * inner];
                    // SAFETY: each outer position has its own results.
                    let y = unsafe { y.slice(o * inner..(o + 1) * inner) };
                    match kind {
                        ArgKind::Max => positions(x, inner, y, |a, best| a > best),
                        ArgKind::Min => positions(x, inner, y, |a, best| a < best),
                    }
                }
            });
        });
    }))
}

/// First position, along rows of `inner` elements, of the element that beats all others. A NaN beats
/// everything.
#[inline(always)]
fn positions<T: Element>(x: &[T], inner: usize, y: &mut [i32], beats: impl Fn(T, T) -> bool + Copy) {
    let better = |a: T, best: T| beats(a, best) || (a.is_nan() && !best.is_nan());
    if inner == 1 {
        // The extremum first, in lanes; then where it is.
        let mut lanes = [x[0]; 16];
        let (chunks, rest) = x.as_chunks::<16>();
        for chunk in chunks {
            for j in 0..16 {
                lanes[j] = if better(chunk[j], lanes[j]) { chunk[j] } else { lanes[j] };
            }
        }
        let best = lanes.iter().chain(rest).fold(x[0], |best, &a| if better(a, best) { a } else { best });
        let found = x.iter().position(|&a| a == best || (best.is_nan() && a.is_nan()));
        y[0] = found.unwrap_or(0) as i32;
        return;
    }
    let mut best: Vec<T> = x[..inner].to_vec();
    y.fill(0);
    for (i, row) in x.chunks_exact(inner).enumerate().skip(1) {
        for ((&a, best), y) in row.iter().zip(&mut best).zip(y.iter_mut()) {
            let wins = better(a, *best);
            *best = if wins { a } else { *best };
            *y = if wins { i as i32 } else { *y };
        }
    }
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
