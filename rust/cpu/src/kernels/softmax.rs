//! Softmax and its logarithm, one row (or one strip of columns) at a time while it is in cache.

use oxhorn_core::{Error, Result};

use super::element::{AxisView, Element, Tensor, grain, with_float};
use crate::fused::with_scratch;
use crate::isa::Isa;
use crate::pool::{SharedMut, parallel_for};
use crate::step::{Args, Task};
use crate::vmath::{Arch, Real, per_arch};

/// Columns handled side by side where the axis is not the last, and short rows where it is.
const STRIP: usize = 64;

/// Rows up to this long would leave most of a vector idle if they were handled one by one.
const SHORT: usize = 24;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Softmax,
    LogSoftmax,
}

/// A float type whose softmax is computed in `Self::In`.
trait Row: Element {
    type In: Real + Element;
    fn to_in(self) -> Self::In;
    fn of_in(x: Self::In) -> Self;
}

macro_rules! rows {
    ($($t:ident $in:ident |$x:ident| $to:expr, |$y:ident| $of:expr;)*) => { $(impl Row for $t {
        type In = $in;
        #[inline(always)]
        fn to_in(self) -> $in {
            let $x = self;
            $to
        }
        #[inline(always)]
        fn of_in($y: $in) -> Self {
            $of
        }
    })* };
}

use half::{bf16, f16};
rows! {
    f32 f32 |x| x, |y| y;
    f64 f64 |x| x, |y| y;
    f16 f32 |x| crate::vmath::f16_to_f32(x.to_bits()), |y| f16::from_bits(crate::vmath::f16_from_f32(y));
    bf16 f32 |x| crate::vmath::bf16_to_f32(x.to_bits()), |y| bf16::from_bits(crate::vmath::bf16_from_f32(y));
}

per_arch! {
    /// Normalises a row. `buffer` has room for it.
    fn row<T: Row>(kind: Kind, x: &[T], y: &mut [T], buffer: &mut [T::In]) = row_in;
    /// Normalises `buffer.len() / STRIP` rows of at most `STRIP` columns that are `inner` elements apart.
    fn strip<T: Row>(kind: Kind, x: &[T], y: &mut [T], inner: usize, width: usize, buffer: &mut [T::In]) = strip_in;
    /// Normalises at most `STRIP` rows of `n` elements that follow each other.
    fn short<T: Row>(kind: Kind, x: &[T], y: &mut [T], n: usize, buffer: &mut [T::In]) = short_in;
}

#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    // A NaN gets through by way of the sum; here it only must not hide the others.
    if b > a { b } else { a }
}

#[inline(always)]
fn row_in<T: Row, A: Arch>(kind: Kind, x: &[T], y: &mut [T], buffer: &mut [T::In]) {
    const LANES: usize = 32;
    let zero = T::In::of(0.0);
    let mut lanes = [T::In::of(f64::NEG_INFINITY); LANES];
    for (chunk, out) in x.chunks(LANES).zip(buffer.chunks_mut(LANES)) {
        for ((lane, &x), out) in lanes.iter_mut().zip(chunk).zip(out) {
            *out = x.to_in();
            *lane = larger(*lane, *out);
        }
    }
    let top = lanes.into_iter().reduce(larger).unwrap_or(zero);
    let mut sums = [zero; LANES];
    match kind {
        Kind::Softmax => {
            for chunk in buffer.chunks_mut(LANES) {
                for (sum, e) in sums.iter_mut().zip(chunk) {
                    *e = (*e - top).exp::<A>();
                    *sum = *sum + *e;
                }
            }
            let total = pairwise(sums);
            for (y, &e) in y.iter_mut().zip(&*buffer) {
                *y = T::of_in(e / total);
            }
        }
        Kind::LogSoftmax => {
            for chunk in buffer.chunks_mut(LANES) {
                for (sum, d) in sums.iter_mut().zip(chunk) {
                    *d = *d - top;
                    *sum = *sum + d.exp::<A>();
                }
            }
            let log = pairwise(sums).ln::<A>();
            for (y, &d) in y.iter_mut().zip(&*buffer) {
                *y = T::of_in(d - log);
            }
        }
    }
}

#[inline(always)]
fn pairwise<T: Real, const N: usize>(mut lanes: [T; N]) -> T {
    let mut half = N / 2;
    while half > 0 {
        for j in 0..half {
            lanes[j] = lanes[j] + lanes[j + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn strip_in<T: Row, A: Arch>(
    kind: Kind,
    x: &[T],
    y: &mut [T],
    inner: usize,
    width: usize,
    buffer: &mut [T::In],
) {
    let n = buffer.len() / STRIP;
    side_by_side::<T, A>(kind, x, y, Walk { n, width, step: inner, pitch: 1 }, buffer);
}

#[inline(always)]
fn short_in<T: Row, A: Arch>(kind: Kind, x: &[T], y: &mut [T], n: usize, buffer: &mut [T::In]) {
    side_by_side::<T, A>(kind, x, y, Walk { n, width: x.len() / n, step: 1, pitch: n }, buffer);
}

/// Where element j of column c lies: at `j * step + c * pitch`.
#[derive(Clone, Copy)]
struct Walk {
    n: usize,
    width: usize,
    step: usize,
    pitch: usize,
}

/// Normalises at most [`STRIP`] columns at once, one per vector lane.
#[inline(always)]
fn side_by_side<T: Row, A: Arch>(kind: Kind, x: &[T], y: &mut [T], walk: Walk, buffer: &mut [T::In]) {
    let Walk { n, width, step, pitch } = walk;
    let buffer = &mut buffer[..n * STRIP];
    let mut tops = [T::In::of(f64::NEG_INFINITY); STRIP];
    for (j, out) in buffer.chunks_exact_mut(STRIP).enumerate() {
        let x = &x[j * step..];
        for (c, out) in out[..width].iter_mut().enumerate() {
            *out = x[c * pitch].to_in();
        }
        for (top, out) in tops.iter_mut().zip(&*out) {
            *top = larger(*top, *out);
        }
    }
    let mut sums = [T::In::of(0.0); STRIP];
    for out in buffer.chunks_exact_mut(STRIP) {
        for c in 0..STRIP {
            let d = out[c] - tops[c];
            let e = d.exp::<A>();
            sums[c] = sums[c] + e;
            out[c] = if kind == Kind::Softmax { e } else { d };
        }
    }
    if kind == Kind::LogSoftmax {
        sums = sums.map(|sum| sum.ln::<A>());
    }
    for (j, out) in buffer.chunks_exact(STRIP).enumerate() {
        let y = &mut y[j * step..];
        for (c, &e) in out[..width].iter().enumerate() {
            let value = if kind == Kind::Softmax { e / sums[c] } else { e - sums[c] };
            y[c * pitch] = T::of_in(value);
        }
    }
}

/// See [`oxhorn_core::op::Softmax`] and [`oxhorn_core::op::LogSoftmax`].
pub(crate) fn softmax(kind: Kind, axis: usize, args: &Args<'_>) -> Result<Task> {
    let (x, y) = args.unary()?;
    let (view, dtype, isa) = (AxisView::new(x.dims(), axis), x.dtype(), Isa::get());
    if !dtype.is_float() {
        return Err(Error::dtype(args.name, "a float dtype", dtype));
    }
    let (x, y) = (Tensor::of(x), Tensor::of(y));
    Ok(Box::new(move |frame| {
        let AxisView { outer, n, inner } = view;
        if outer * n * inner == 0 {
            return;
        }
        let block = n * inner;
        let _ = with_float!(dtype, T => {
            // SAFETY: the dtype's own type; the result is this step's own.
            let (x, y) = unsafe { (x.read::<T>(frame), SharedMut::new(y.write::<T>(frame))) };
            parallel_for(frame.pool, outer, grain(block * 8), |range| {
                let is_short = inner == 1 && n <= SHORT;
                let width = if inner == 1 && !is_short { 1 } else { STRIP };
                with_buffer::<<T as Row>::In>(n * width, |buffer| {
                    if is_short {
                        // SAFETY: each range has its own results.
                        let y = unsafe { y.slice(range.start * n..range.end * n) };
                        let x = &x[range.start * n..range.end * n];
                        for (x, y) in x.chunks(STRIP * n).zip(y.chunks_mut(STRIP * n)) {
                            short::<T>(isa, kind, x, y, n, buffer);
                        }
                        return;
                    }
                    for o in range {
                        let x = &x[o * block..(o + 1) * block];
                        // SAFETY: each outer position has its own results.
                        let y = unsafe { y.slice(o * block..(o + 1) * block) };
                        if inner == 1 {
                            row::<T>(isa, kind, x, y, buffer);
                            continue;
                        }
                        for start in (0..inner).step_by(STRIP) {
                            let width = STRIP.min(inner - start);
                            strip::<T>(isa, kind, &x[start..], &mut y[start..], inner, width, buffer);
                        }
                    }
                });
            });
        });
    }))
}

/// Calls `f` with `n` numbers of scratch memory.
fn with_buffer<T: Real>(n: usize, f: impl FnOnce(&mut [T])) {
    with_scratch(n * size_of::<T>(), |scratch| {
        // SAFETY: scratch memory is initialised, aligned to a cache line and large enough; `T` is f32 or f64.
        f(unsafe { std::slice::from_raw_parts_mut(scratch.cast::<T>(), n) });
    });
}
