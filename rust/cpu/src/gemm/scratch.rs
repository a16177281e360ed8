//! Scratch memory of a thread, kept between calls: kernels allocate nothing once warm.

use std::cell::RefCell;

use bytemuck::{Pod, Zeroable};

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

// SAFETY: all zeros is a valid array of integers.
unsafe impl Zeroable for Line {}
// SAFETY: integers without padding: the size is the alignment.
unsafe impl Pod for Line {}

/// Buffers larger than this many bytes are given back after use.
const KEEP: usize = 64 << 20;

thread_local! {
    /// Buffers not in use. Nested calls take one each, and in the same order the next time.
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `body` with `len` elements of unspecified value, aligned to a cache line.
pub(crate) fn with<T: Pod, R>(len: usize, body: impl FnOnce(&mut [T]) -> R) -> R {
    if len == 0 {
        return body(&mut []);
    }
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
    if buffer.len() < lines {
        // Not grown in place: the old contents need no copy.
        buffer = vec![Line::zeroed(); lines];
    }
    let result = body(&mut bytemuck::cast_slice_mut::<Line, T>(&mut buffer[..lines])[..len]);
    if lines * size_of::<Line>() <= KEEP {
        FREE.with_borrow_mut(|free| free.push(buffer));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_buffers_are_distinct_and_aligned() {
        with(100, |a: &mut [f32]| {
            a.fill(1.0);
            with(1000, |b: &mut [f64]| {
                b.fill(2.0);
                assert_eq!(b.as_ptr() as usize % 64, 0);
            });
            assert!(a.len() == 100 && a.iter().all(|&x| x == 1.0));
        });
        assert_eq!(with(0, |x: &mut [u8]| x.len()), 0);
    }
}
