//! Positions in row-major arrays.

use crate::shape::Dims;
use crate::{Shape, builder};

/// The multi-index of element number `i`.
pub(super) fn unravel(mut i: usize, shape: &[usize]) -> Dims {
    let mut position = builder::zeros(shape.len());
    for (p, &d) in position.iter_mut().zip(shape).rev() {
        *p = i % d.max(1);
        i /= d.max(1);
    }
    position
}

/// The number of the element at a multi-index.
pub(super) fn ravel(position: &[usize], shape: &[usize]) -> usize {
    position.iter().zip(shape).fold(0, |n, (&p, &d)| n * d + p)
}

/// All multi-indices in row-major order.
pub(super) fn positions(shape: &[usize]) -> impl Iterator<Item = Dims> {
    (0..shape.iter().product()).map(move |i| unravel(i, shape))
}

/// A tensor as (outer, axis, inner): sizes before, of and after `axis`.
pub(super) fn around(shape: &Shape, axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}
