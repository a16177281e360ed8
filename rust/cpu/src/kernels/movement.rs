//! Pad, concat and the dynamic slices.

use oxhorn_core::op::{Concat, Pad};
use oxhorn_core::shape::Dims;
use oxhorn_core::{DType, Result};
use smallvec::SmallVec;

use super::copy::{StridedCopy, dense};
use super::element::{AxisView, Tensor, with_bits};
use crate::pool::{SharedMut, ThreadPool, parallel_for};
use crate::step::{Arg, Args, At, Frame, Task};

/// See [`Pad`]: the result is filled, then x is copied into its place.
pub(crate) fn pad(op: &Pad, args: &Args<'_>) -> Result<Task> {
    let ([x, value], [y]) = (args.inputs, args.outputs) else { return Err(args.malformed("x and a value")) };
    let size = y.dtype().size();
    // The part of x that is not cropped, axis by axis, and where it goes.
    let (steps_x, steps_y) = (dense(x.dims()), dense(y.dims()));
    let mut dims = SmallVec::<[usize; 6]>::new();
    let (mut from, mut to) = (0isize, 0isize);
    let mut into = SmallVec::<[isize; 6]>::new();
    for axis in 0..x.dims().len() {
        let (n, low, gap) = (x.dims()[axis] as isize, op.low[axis], op.interior[axis] as isize + 1);
        // Element i goes to low + i * gap; those outside of the result are cropped.
        let first = if low < 0 { (-low + gap - 1) / gap } else { 0 };
        let room = y.dims()[axis] as isize - low;
        let last = if room > 0 { n.min((room - 1) / gap + 1) } else { 0 };
        dims.push((last - first).max(0) as usize);
        from += first * steps_x[axis];
        to += (low + first * gap) * steps_y[axis];
        into.push(gap * steps_y[axis]);
    }
    let empty = dims.contains(&0);
    let full = dims.as_slice() == y.dims();
    let copy = StridedCopy::new(size, &dims, &steps_x, &into);
    let (from, to) = (from * size as isize, to * size as isize);
    let (x, value, y, dtype) = (x.at, Tensor::of(value), Tensor::of(y), y.dtype());
    let out = args.outputs[0].at;
    Ok(Box::new(move |frame| {
        if !full {
            // SAFETY: the result is this step's own; bits of its size are as good as its dtype.
            with_bits!(dtype, T => unsafe { fill(frame.pool, y.write::<T>(frame), value.read::<T>(frame)[0]) });
        }
        if !empty {
            // SAFETY: the region was cut so that it lies inside of both tensors.
            unsafe { copy.run(frame.pool, frame.ptr(x).offset(from), frame.ptr(out).offset(to)) };
        }
    }))
}

fn fill<T: Copy + Send + Sync>(pool: &ThreadPool, y: &mut [T], value: T) {
    let n = y.len();
    let y = SharedMut::new(y);
    // SAFETY: ranges of different tasks are disjoint.
    parallel_for(pool, n, 1 << 16, |range| unsafe { y.slice(range) }.fill(value));
}

/// See [`Concat`].
pub(crate) fn concat(op: &Concat, args: &Args<'_>) -> Result<Task> {
    let [y] = args.outputs else { return Err(args.malformed("one result")) };
    let size = y.dtype().size();
    let view = AxisView::new(y.dims(), op.axis);
    let whole = view.n * view.inner * size;
    let mut start = 0;
    let mut parts = Vec::new();
    for x in args.inputs {
        let run = x.dims()[op.axis] * view.inner * size;
        if run > 0 && view.outer > 0 {
            let steps = |bytes: usize| [bytes as isize, 1];
            parts.push((x.at, start, StridedCopy::new(1, &[view.outer, run], &steps(run), &steps(whole))));
        }
        start += run;
    }
    let y = y.at;
    Ok(Box::new(move |frame| {
        for (x, start, copy) in &parts {
            // SAFETY: each part has its own place along the axis.
            unsafe { copy.run(frame.pool, frame.ptr(*x), frame.ptr(y).add(*start)) };
        }
    }))
}

/// Run-time positions: where they lie and their dtype.
#[derive(Clone, Copy)]
pub(crate) struct Indices {
    tensor: Tensor,
    wide: bool,
}

impl Indices {
    pub fn of(arg: &Arg) -> Self {
        Self { tensor: Tensor::of(arg), wide: arg.dtype() == DType::I64 }
    }

    /// The indices of a run.
    pub fn read<'a>(self, frame: &Frame<'a>) -> IndexSlice<'a> {
        // SAFETY: int32 or int64, as the dtype said.
        unsafe {
            if self.wide {
                IndexSlice::Wide(self.tensor.read(frame))
            } else {
                IndexSlice::Narrow(self.tensor.read(frame))
            }
        }
    }
}

/// int32 or int64 indices.
#[derive(Clone, Copy)]
pub(crate) enum IndexSlice<'a> {
    Narrow(&'a [i32]),
    Wide(&'a [i64]),
}

impl IndexSlice<'_> {
    #[inline(always)]
    pub fn get(&self, i: usize) -> i64 {
        match self {
            Self::Narrow(s) => i64::from(s[i]),
            Self::Wide(s) => s[i],
        }
    }
}

/// The offset in elements of a window of `sizes` at `start`, clamped to fit `dims`.
fn clamped_offset(start: IndexSlice<'_>, dims: &[usize], sizes: &[usize], steps: &[isize]) -> isize {
    let axes = dims.iter().zip(sizes).zip(steps).enumerate();
    axes.map(|(i, ((&d, &s), &step))| start.get(i).clamp(0, (d - s) as i64) as isize * step).sum()
}

/// Axis sizes and steps that a closure keeps.
fn geometry(big: &Arg, window: &[usize]) -> (Dims, Dims, SmallVec<[isize; 6]>) {
    (big.dims().into(), window.into(), dense(big.dims()))
}

/// See [`oxhorn_core::op::DynamicSlice`].
pub(crate) fn dynamic_slice(args: &Args<'_>) -> Result<Task> {
    let ([x, start], [y]) = (args.inputs, args.outputs) else { return Err(args.malformed("x and start")) };
    let size = y.dtype().size();
    let (dims, sizes, steps) = geometry(x, y.dims());
    let copy = StridedCopy::new(size, &sizes, &steps, &dense(&sizes));
    let (x, start, y, empty) = (x.at, Indices::of(start), y.at, y.numel() == 0);
    Ok(Box::new(move |frame| {
        if empty {
            return;
        }
        let offset = clamped_offset(start.read(frame), &dims, &sizes, &steps) * size as isize;
        // SAFETY: the clamped window lies inside x.
        unsafe { copy.run(frame.pool, frame.ptr(x).offset(offset), frame.ptr(y)) };
    }))
}

/// See [`oxhorn_core::op::DynamicUpdateSlice`].
pub(crate) fn dynamic_update_slice(args: &Args<'_>) -> Result<Task> {
    let ([x, update, start], [y]) = (args.inputs, args.outputs) else {
        return Err(args.malformed("x, update and start"));
    };
    let size = y.dtype().size();
    let (dims, sizes, steps) = geometry(y, update.dims());
    let copy = StridedCopy::new(size, &sizes, &dense(&sizes), &steps);
    let (base, bytes, empty) = (x.at, y.ty.bytes(), update.numel() == 0);
    let (update, start, y) = (update.at, Indices::of(start), y.at);
    Ok(Box::new(move |frame| {
        duplicate(frame, base, y, bytes);
        if empty {
            return;
        }
        let offset = clamped_offset(start.read(frame), &dims, &sizes, &steps) * size as isize;
        // SAFETY: the clamped window lies inside the result.
        unsafe { copy.run(frame.pool, frame.ptr(update), frame.ptr(y).offset(offset)) };
    }))
}

/// Copies a tensor unless it is there already.
pub(crate) fn duplicate(frame: &Frame<'_>, from: At, to: At, bytes: usize) {
    let (from, to) = (frame.ptr(from), frame.ptr(to));
    if from != to && bytes > 0 {
        let copy = StridedCopy::new(1, &[bytes], &[1], &[1]);
        // SAFETY: both places hold a tensor of this size, and places of one step are equal or disjoint.
        unsafe { copy.run(frame.pool, from, to) };
    }
}
