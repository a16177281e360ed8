//! Gathers and scatters.
//!
//! Scatters that add are deterministic: a destination belongs to one task, which applies its updates in
//! their order. How the destinations are divided depends on sizes alone.

use oxhorn_core::Result;
use oxhorn_core::op::{Gather, GatherAlong, ScatterAlong, ScatterMode, ScatterNd};
use smallvec::SmallVec;

use super::element::{AxisView, Element, Tensor, grain, with_bits, with_element};
use super::movement::{IndexSlice, Indices, duplicate};
use crate::pool::{SharedMut, ThreadPool, parallel_for};
use crate::step::{Args, Raw, Task};

/// Asks for the cache line at an address, which need not be readable.
#[inline(always)]
fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that has no effect but on caches, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Copies `bytes`, most often those of one row of a table.
///
/// # Safety
/// Readable and writable, not overlapping.
#[inline(always)]
unsafe fn copy_row(source: *const u8, destination: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match bytes {
            4 => destination.cast::<[u8; 4]>().write(source.cast::<[u8; 4]>().read()),
            8 => destination.cast::<[u8; 8]>().write(source.cast::<[u8; 8]>().read()),
            _ => std::ptr::copy_nonoverlapping(source, destination, bytes),
        }
    }
}

/// Bytes of rows that are asked for ahead of the one being copied.
const AHEAD: usize = 2048;

/// Copies rows of `row` bytes, of which the i-th comes from `source(i)`, to their places one after another.
///
/// Rows that lie anywhere are the opposite of what processors foresee, so their lines are asked for early.
///
/// # Safety
/// `source(i)` is readable for `row` bytes for every i below `rows`, and `y` is writable for all of them, not
/// overlapping, and nobody else's.
unsafe fn copy_rows(
    pool: &ThreadPool,
    rows: usize,
    row: usize,
    source: impl Fn(usize) -> *const u8 + Sync,
    y: *mut u8,
) {
    const LINE: usize = 64;
    let y = Raw(y);
    let distance = (AHEAD / row).clamp(1, 64);
    // Tasks of one size, each worth entering a region for.
    let tasks = ((rows * row.max(LINE)) >> 16).clamp(1, 64);
    parallel_for(pool, rows, rows.div_ceil(tasks), |range| {
        let ask = |i: usize| {
            (0..row.min(2 * AHEAD)).step_by(LINE).for_each(|at| prefetch(source(i).wrapping_add(at)))
        };
        (range.start..range.end.min(range.start + distance)).for_each(ask);
        for i in range.clone() {
            if i + distance < range.end {
                ask(i + distance);
            }
            // SAFETY: the caller's promise; row i of the result is this task's.
            unsafe { copy_row(source(i), y.add(i * row), row) };
        }
    });
}

/// See [`Gather`].
pub(crate) fn gather(op: &Gather, args: &Args<'_>) -> Result<Task> {
    let ([x, indices], [y]) = (args.inputs, args.outputs) else {
        return Err(args.malformed("x and indices"));
    };
    let view = AxisView::new(x.dims(), op.axis);
    let (count, row) = (indices.numel(), view.inner * x.dtype().size());
    let rows = view.outer * count;
    let (x, indices, y) = (x.at, Indices::of(indices), y.at);
    Ok(Box::new(move |frame| {
        if row == 0 || rows == 0 {
            return;
        }
        let (x, y, indices) = (Raw(frame.ptr(x)), frame.ptr(y), indices.read(frame));
        let source = |i: usize| {
            let (outer, place) = if view.outer == 1 { (0, i) } else { (i / count, i % count) };
            let index = indices.get(place).clamp(0, view.n as i64 - 1) as usize;
            x.get().wrapping_add((outer * view.n + index) * row).cast_const()
        };
        // SAFETY: a clamped index addresses a row of x; the result is this step's own.
        unsafe { copy_rows(frame.pool, rows, row, source, y) };
    }))
}

/// See [`GatherAlong`].
pub(crate) fn gather_along(op: &GatherAlong, args: &Args<'_>) -> Result<Task> {
    let ([x, indices], [y]) = (args.inputs, args.outputs) else {
        return Err(args.malformed("x and indices"));
    };
    let (from, to) = (AxisView::new(x.dims(), op.axis), AxisView::new(y.dims(), op.axis));
    let dtype = x.dtype();
    let (x, indices, y) = (Tensor::of(x), Indices::of(indices), Tensor::of(y));
    let block = to.n * to.inner;
    Ok(Box::new(move |frame| {
        let indices = indices.read(frame);
        with_bits!(dtype, T => {
            // SAFETY: only moves elements of this size; the result is this step's own.
            let (x, y) = unsafe { (x.read::<T>(frame), SharedMut::new(y.write::<T>(frame))) };
            parallel_for(frame.pool, to.outer, grain(block), |range| {
                for outer in range {
                    let x = &x[outer * from.n * from.inner..][..from.n * from.inner];
                    // SAFETY: blocks of different outer positions are disjoint.
                    let y = unsafe { y.slice(outer * block..(outer + 1) * block) };
                    for (i, y) in y.iter_mut().enumerate() {
                        let index = indices.get(outer * block + i).clamp(0, from.n as i64 - 1) as usize;
                        *y = x[index * from.inner + i % from.inner];
                    }
                }
            });
        });
    }))
}

/// How index vectors address slices of a tensor.
struct Addresses {
    /// (size, slices per step) of each indexed axis.
    axes: SmallVec<[(usize, usize); 6]>,
    /// Number of index vectors.
    count: usize,
    /// Elements of a slice.
    slice: usize,
}

impl Addresses {
    fn new(dims: &[usize], indices: &[usize]) -> Self {
        let (&depth, places) = indices.split_last().unwrap_or((&0, &[]));
        let indexed = &dims[..depth];
        let step = |i: usize| indexed[i + 1..].iter().product();
        let axes = indexed.iter().enumerate().map(|(i, &n)| (n, step(i))).collect();
        Self { axes, count: places.iter().product(), slice: dims[depth..].iter().product() }
    }

    /// Slice that vector `i` addresses, each component clamped.
    fn clamped(&self, indices: IndexSlice<'_>, i: usize) -> usize {
        let depth = self.axes.len();
        let parts = self.axes.iter().enumerate();
        parts.map(|(k, &(n, step))| indices.get(i * depth + k).clamp(0, n as i64 - 1) as usize * step).sum()
    }

    /// Slice that vector `i` addresses, if all its components are in range.
    fn checked(&self, indices: IndexSlice<'_>, i: usize) -> Option<usize> {
        let depth = self.axes.len();
        let mut slice = 0;
        for (k, &(n, step)) in self.axes.iter().enumerate() {
            let index = usize::try_from(indices.get(i * depth + k)).ok().filter(|&index| index < n)?;
            slice += index * step;
        }
        Some(slice)
    }
}

/// See [`oxhorn_core::op::GatherNd`].
pub(crate) fn gather_nd(args: &Args<'_>) -> Result<Task> {
    let ([x, indices], [y]) = (args.inputs, args.outputs) else {
        return Err(args.malformed("x and indices"));
    };
    let addresses = Addresses::new(x.dims(), indices.dims());
    let row = addresses.slice * x.dtype().size();
    let (x, indices, y) = (x.at, Indices::of(indices), y.at);
    Ok(Box::new(move |frame| {
        if row == 0 || addresses.count == 0 {
            return;
        }
        let (x, y, indices) = (Raw(frame.ptr(x)), frame.ptr(y), indices.read(frame));
        let source = |i: usize| x.get().wrapping_add(addresses.clamped(indices, i) * row).cast_const();
        // SAFETY: a clamped vector addresses a slice of x; the result is this step's own.
        unsafe { copy_rows(frame.pool, addresses.count, row, source, y) };
    }))
}

/// How an update meets the value that is there.
fn combine<T: Element>(mode: ScatterMode) -> fn(&mut [T], &[T]) {
    fn all<T: Copy>(y: &mut [T], u: &[T], f: impl Fn(T, T) -> T) {
        for (y, &u) in y.iter_mut().zip(u) {
            *y = f(*y, u);
        }
    }
    match mode {
        ScatterMode::Set => |y, u| y.copy_from_slice(u),
        ScatterMode::Add => |y, u| all(y, u, T::add),
        ScatterMode::Mul => |y, u| all(y, u, T::mul),
        ScatterMode::Max => |y, u| all(y, u, T::larger),
        ScatterMode::Min => |y, u| all(y, u, T::smaller),
    }
}

/// See [`ScatterNd`].
pub(crate) fn scatter_nd(op: &ScatterNd, args: &Args<'_>) -> Result<Task> {
    let ([x, indices, updates], [y]) = (args.inputs, args.outputs) else {
        return Err(args.malformed("x, indices and updates"));
    };
    let addresses = Addresses::new(x.dims(), indices.dims());
    let (mode, dtype, bytes) = (op.mode, y.dtype(), y.ty.bytes());
    let slices: usize = addresses.axes.iter().map(|a| a.0).product();
    // Every task looks at all indices, so there are few tasks, each with many elements to update.
    let work = addresses.count * addresses.slice;
    let tasks = (work >> 15).min(addresses.slice.max(4) / 4).clamp(1, 16).min(slices.max(1));
    let (base, indices, updates) = (x.at, Indices::of(indices), Tensor::of(updates));
    let (out, y) = (y.at, Tensor::of(y));
    Ok(Box::new(move |frame| {
        duplicate(frame, base, out, bytes);
        if addresses.slice == 0 || addresses.count == 0 {
            return;
        }
        let indices = indices.read(frame);
        let slice = addresses.slice;
        with_element!(dtype, T => {
            let apply = combine::<T>(mode);
            // SAFETY: the dtype's own type; the result is this step's own.
            let (updates, y) = unsafe { (updates.read::<T>(frame), SharedMut::new(y.write::<T>(frame))) };
            frame.pool.run(tasks, &|task| {
                let (low, high) = (slices * task / tasks, slices * (task + 1) / tasks);
                for i in 0..addresses.count {
                    if let Some(at) = addresses.checked(indices, i)
                        && (low..high).contains(&at)
                    {
                        // SAFETY: slices from `low` to `high` are this task's.
                        let y = unsafe { y.slice(at * slice..(at + 1) * slice) };
                        apply(y, &updates[i * slice..(i + 1) * slice]);
                    }
                }
            });
        });
    }))
}

/// See [`ScatterAlong`].
pub(crate) fn scatter_along(op: &ScatterAlong, args: &Args<'_>) -> Result<Task> {
    let ([x, indices, updates], [y]) = (args.inputs, args.outputs) else {
        return Err(args.malformed("x, indices and updates"));
    };
    let (to, from) = (AxisView::new(y.dims(), op.axis), AxisView::new(updates.dims(), op.axis));
    let (dtype, bytes) = (y.dtype(), y.ty.bytes());
    let (base, indices, updates) = (x.at, Indices::of(indices), Tensor::of(updates));
    let (out, y) = (y.at, Tensor::of(y));
    let (blocks, block) = (to.n * to.inner, from.n * from.inner);
    Ok(Box::new(move |frame| {
        duplicate(frame, base, out, bytes);
        if block == 0 {
            return;
        }
        let indices = indices.read(frame);
        with_element!(dtype, T => {
            // SAFETY: the dtype's own type; the result is this step's own.
            let (updates, y) = unsafe { (updates.read::<T>(frame), SharedMut::new(y.write::<T>(frame))) };
            parallel_for(frame.pool, to.outer, grain(block), |range| {
                for outer in range {
                    // SAFETY: blocks of different outer positions are disjoint.
                    let y = unsafe { y.slice(outer * blocks..(outer + 1) * blocks) };
                    for (i, &update) in updates[outer * block..(outer + 1) * block].iter().enumerate() {
                        let index = usize::try_from(indices.get(outer * block + i)).ok().filter(|&j| j < to.n);
                        if let Some(index) = index {
                            let y = &mut y[index * to.inner + i % from.inner];
                            *y = y.add(update);
                        }
                    }
                }
            });
        });
    }))
}
