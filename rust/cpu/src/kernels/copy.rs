//! Copies between two strided regions: what pad, concat and the dynamic slices are made of.

use smallvec::SmallVec;

use super::element::grain;
use crate::pool::{ThreadPool, parallel_for};
use crate::step::Raw;

/// A copy of an n-D region; steps are in bytes.
#[derive(Debug, Clone)]
pub(crate) struct StridedCopy {
    /// (size, source step, destination step) of the loops around runs of adjacent bytes.
    loops: SmallVec<[(usize, isize, isize); 6]>,
    /// Bytes that lie together on both sides.
    run: usize,
}

impl StridedCopy {
    /// A copy of `dims` elements of `size` bytes between places with these steps in elements.
    pub fn new(size: usize, dims: &[usize], source: &[isize], destination: &[isize]) -> Self {
        let mut loops = SmallVec::<[(usize, isize, isize); 6]>::new();
        let mut run = size;
        let bytes = |steps: &[isize], axis: usize| steps[axis] * size as isize;
        for axis in (0..dims.len()).rev() {
            let (n, s, d) = (dims[axis], bytes(source, axis), bytes(destination, axis));
            if n == 1 {
                continue;
            }
            if loops.is_empty() && s == run as isize && d == run as isize {
                run *= n;
                continue;
            }
            match loops.last_mut() {
                // Two loops that walk as one.
                Some((inner, si, di)) if s == *si * *inner as isize && d == *di * *inner as isize => {
                    *inner *= n
                }
                _ => loops.push((n, s, d)),
            }
        }
        loops.reverse();
        Self { loops, run }
    }

    /// Copies.
    ///
    /// # Safety
    /// All elements of the region are readable at `source` and writable at `destination`, the two do not
    /// overlap, and nobody else uses the destination.
    pub unsafe fn run(&self, pool: &ThreadPool, source: *const u8, destination: *mut u8) {
        let (source, destination) = (Raw(source.cast_mut()), Raw(destination));
        let Some(((n, s, d), inner)) = self.loops.split_first() else {
            parallel_for(pool, self.run, 1 << 18, |range| {
                // SAFETY: the caller's promise, for a part of the run.
                unsafe {
                    let from = source.add(range.start);
                    std::ptr::copy_nonoverlapping(from, destination.add(range.start), range.len());
                }
            });
            return;
        };
        let bytes = inner.iter().map(|l| l.0).product::<usize>() * self.run;
        // A short loop has its cost too.
        parallel_for(pool, *n, grain(bytes / 8 + 4), |range| {
            for i in range {
                let offsets = (i as isize * s, i as isize * d);
                // SAFETY: the caller's promise, for the i-th part of the region.
                unsafe {
                    self.nest(inner, source.get().offset(offsets.0), destination.get().offset(offsets.1))
                };
            }
        });
    }

    /// # Safety
    /// As [`StridedCopy::run`], for the loops given.
    unsafe fn nest(&self, loops: &[(usize, isize, isize)], mut source: *const u8, mut destination: *mut u8) {
        // SAFETY: the caller's promise; the steps stay inside the region while there are iterations left.
        unsafe {
            match loops {
                [] => run(self.run, source, destination),
                &[(n, s, d)] => match self.run {
                    1 => elements::<u8>(n, source, s, destination, d),
                    2 => elements::<u16>(n, source, s, destination, d),
                    4 => elements::<u32>(n, source, s, destination, d),
                    8 => elements::<u64>(n, source, s, destination, d),
                    _ => {
                        for _ in 0..n {
                            run(self.run, source, destination);
                            source = source.wrapping_offset(s);
                            destination = destination.wrapping_offset(d);
                        }
                    }
                },
                &[(n, s, d), ref inner @ ..] => {
                    for _ in 0..n {
                        self.nest(inner, source, destination);
                        source = source.wrapping_offset(s);
                        destination = destination.wrapping_offset(d);
                    }
                }
            }
        }
    }
}

/// # Safety
/// `bytes` readable and writable bytes that do not overlap.
#[inline(always)]
unsafe fn run(bytes: usize, source: *const u8, destination: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(source, destination, bytes) }
}

/// # Safety
/// As [`StridedCopy::run`] for one loop over single elements.
#[inline(always)]
unsafe fn elements<T: Copy>(n: usize, source: *const u8, s: isize, destination: *mut u8, d: isize) {
    for i in 0..n as isize {
        // SAFETY: the caller's promise.
        unsafe {
            let value = source.offset(i * s).cast::<T>().read_unaligned();
            destination.offset(i * d).cast::<T>().write_unaligned(value);
        }
    }
}

/// Row-major steps of `dims`, in elements.
pub(crate) fn dense(dims: &[usize]) -> SmallVec<[isize; 6]> {
    let mut steps: SmallVec<[isize; 6]> = SmallVec::from_elem(1, dims.len());
    for i in (1..dims.len()).rev() {
        steps[i - 1] = steps[i] * dims[i] as isize;
    }
    steps
}
