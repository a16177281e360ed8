//! Pooling: reductions over sliding windows, and what their gradients need.
//!
//! The leading axes over which nothing slides are images, the trailing ones lanes (channels): a window
//! is a short list of lane rows, and each row is walked as a vector. Images are shared out over the pool,
//! so no two tasks write the same element and results do not depend on the number of threads.

use oxhorn_core::op::{ReduceKind, Window};
use oxhorn_core::shape::Dims;
use oxhorn_core::{Error, Result};
use smallvec::SmallVec;

use crate::isa::Isa;
use crate::kernels::element::Element;
use crate::multiversion;
use crate::pool::{SharedMut, ThreadPool};

/// Below this many elements of x in all, a region costs more than it saves.
const SERIAL: usize = 1 << 14;

/// A window over a tensor of known shape.
#[derive(Debug, Clone)]
pub(crate) struct WindowGeometry {
    images: usize,
    lanes: usize,
    /// The axes between: over these windows slide.
    axes: SmallVec<[Axis; 3]>,
    /// Windows of one image.
    windows: usize,
    /// Elements of one image of x.
    image: usize,
}

/// One axis over which windows slide.
#[derive(Debug, Clone)]
struct Axis {
    /// Lane rows of x per step of the axis.
    pitch: usize,
    /// For each window the first position inside of x, and the number of positions inside.
    spans: Vec<(usize, usize)>,
    /// Distance between the positions.
    dilation: usize,
}

impl WindowGeometry {
    /// The geometry of `window` over a tensor of shape `x`.
    ///
    /// # Errors
    /// When the window has another rank than `x`.
    pub fn new(window: &Window, x: &[usize]) -> Result<Self> {
        let rank = x.len();
        if window.size.len() != rank {
            return Err(Error::shape("window", format!("a window of rank {rank}"), format!("{:?}", window.size)));
        }
        let slides = |i: usize| window.size[i] != 1 || window.strides[i] != 1 || window.padding[i] != (0, 0);
        let first = (0..rank).find(|&i| slides(i)).unwrap_or(rank);
        let last = (0..rank).rfind(|&i| slides(i)).map_or(first, |i| i + 1);
        let mut axes = SmallVec::new();
        for i in first..last {
            let pitch = x[i + 1..last].iter().product();
            axes.push(Axis::new(window, i, x[i], pitch));
        }
        let windows = axes.iter().map(|axis: &Axis| axis.spans.len()).product();
        let lanes = x[last..].iter().product();
        let image = x[first..last].iter().product::<usize>() * lanes;
        Ok(Self { images: x[..first].iter().product(), lanes, axes, windows, image })
    }

    /// Calls `visit(window, rows)` for every window of an image, with the offsets of its lane rows that lie
    /// inside of x, first to last.
    #[inline(always)]
    fn each_window(&self, mut visit: impl FnMut(usize, &[usize])) {
        let mut at: Dims = SmallVec::from_elem(0, self.axes.len());
        let mut rows: SmallVec<[usize; 32]> = SmallVec::new();
        for window in 0..self.windows {
            rows.clear();
            rows.push(0);
            for (axis, &at) in self.axes.iter().zip(&at) {
                let (start, count) = axis.spans[at];
                let known = rows.len();
                // In row-major order: every offset so far, times the positions along this axis.
                let outer: SmallVec<[usize; 32]> = std::mem::take(&mut rows);
                rows.reserve(known * count);
                for offset in outer {
                    for k in 0..count {
                        rows.push(offset + (start + k * axis.dilation) * axis.pitch * self.lanes);
                    }
                }
            }
            visit(window, &rows);
            for i in (0..at.len()).rev() {
                at[i] += 1;
                if at[i] < self.axes[i].spans.len() {
                    break;
                }
                at[i] = 0;
            }
        }
    }

    /// Runs `body(image)` for every image.
    fn each_image(&self, pool: &ThreadPool, body: impl Fn(usize) + Sync) {
        if self.images * self.image < SERIAL {
            (0..self.images).for_each(body);
        } else {
            pool.run(self.images, &body);
        }
    }

    fn check(&self, x: usize, y: usize) {
        assert_eq!(x, self.images * self.image, "elements of x");
        assert_eq!(y, self.images * self.windows * self.lanes, "elements of y");
    }
}

impl Axis {
    fn new(window: &Window, i: usize, size: usize, pitch: usize) -> Self {
        let (k, stride, dilation) = (window.size[i], window.strides[i], window.dilation[i]);
        let (low, high) = window.padding[i];
        let reach = (k - 1) * dilation + 1;
        let count = (size + low + high).checked_sub(reach).map_or(0, |room| room / stride + 1);
        let spans = (0..count).map(|j| {
            // Positions j * stride - low + t * dilation for t in 0..k, as far as they lie in 0..size.
            let begin = j * stride;
            let skipped = low.saturating_sub(begin).div_ceil(dilation).min(k);
            let start = begin + skipped * dilation;
            let room = (size + low).saturating_sub(start);
            (start.saturating_sub(low), room.div_ceil(dilation).min(k - skipped))
        });
        Self { pitch, spans: spans.collect(), dilation }
    }
}

/// Max, min or sum of each window. Windows that lie in the padding alone give the reduction's identity.
///
/// # Panics
/// When the slices do not fit the geometry.
pub(crate) fn reduce<T: Element>(pool: &ThreadPool, kind: ReduceKind, g: &WindowGeometry, x: &[T], y: &mut [T]) {
    g.check(x.len(), y.len());
    let isa = Isa::get();
    let size = g.windows * g.lanes;
    let y = SharedMut::new(y);
    g.each_image(pool, |image| {
        let x = &x[image * g.image..(image + 1) * g.image];
        // SAFETY: each image's part is written by its own task alone.
        let y = unsafe { y.slice(image * size..(image + 1) * size) };
        match kind {
            ReduceKind::Max => image_max(isa, g, x, y),
            ReduceKind::Min => image_min(isa, g, x, y),
            _ => image_sum(isa, g, x, y),
        }
    });
}

#[inline(always)]
fn fold<T: Element>(g: &WindowGeometry, x: &[T], y: &mut [T], identity: T, combine: impl Fn(T, T) -> T) {
    let lanes = g.lanes;
    g.each_window(|window, rows| {
        let y = &mut y[window * lanes..(window + 1) * lanes];
        let Some((&first, rest)) = rows.split_first() else {
            y.fill(identity);
            return;
        };
        y.copy_from_slice(&x[first..first + lanes]);
        for &row in rest {
            for (y, &x) in y.iter_mut().zip(&x[row..row + lanes]) {
                *y = combine(*y, x);
            }
        }
    });
}

multiversion! {
    fn image_max[T: Element](g: &WindowGeometry, x: &[T], y: &mut [T]) {
        fold(g, x, y, T::LOWEST, |a, b| a.larger(b));
    }

    fn image_min[T: Element](g: &WindowGeometry, x: &[T], y: &mut [T]) {
        fold(g, x, y, T::HIGHEST, |a, b| a.smaller(b));
    }

    fn image_sum[T: Element](g: &WindowGeometry, x: &[T], y: &mut [T]) {
        let lanes = g.lanes;
        let mut sums: Vec<T::Wide> = vec![T::ZERO.widen(); lanes];
        g.each_window(|window, rows| {
            let y = &mut y[window * lanes..(window + 1) * lanes];
            let Some((&first, rest)) = rows.split_first() else {
                y.fill(T::ZERO);
                return;
            };
            for (sum, &x) in sums.iter_mut().zip(&x[first..first + lanes]) {
                *sum = x.widen();
            }
            for &row in rest {
                for (sum, &x) in sums.iter_mut().zip(&x[row..row + lanes]) {
                    *sum = T::add_wide(*sum, x.widen());
                }
            }
            for (y, &sum) in y.iter_mut().zip(&sums) {
                *y = T::narrow(sum);
            }
        });
    }
}

/// The transpose of a window sum: each value of `dy` added to every element of its window.
///
/// # Panics
/// When the slices do not fit the geometry.
pub(crate) fn scatter_sum<T: Element>(pool: &ThreadPool, g: &WindowGeometry, dy: &[T], dx: &mut [T]) {
    g.check(dx.len(), dy.len());
    let isa = Isa::get();
    let size = g.windows * g.lanes;
    let dx = SharedMut::new(dx);
    g.each_image(pool, |image| {
        // SAFETY: each image's part is written by its own task alone.
        let dx = unsafe { dx.slice(image * g.image..(image + 1) * g.image) };
        image_scatter_sum(isa, g, &dy[image * size..(image + 1) * size], dx);
    });
}

multiversion! {
    fn image_scatter_sum[T: Element](g: &WindowGeometry, dy: &[T], dx: &mut [T]) {
        let lanes = g.lanes;
        dx.fill(T::ZERO);
        g.each_window(|window, rows| {
            let dy = &dy[window * lanes..(window + 1) * lanes];
            for &row in rows {
                for (dx, &dy) in dx[row..row + lanes].iter_mut().zip(dy) {
                    *dx = dx.add(dy);
                }
            }
        });
    }

    fn image_scatter[T: Element](maximum: bool, g: &WindowGeometry, x: &[T], dy: &[T], dx: &mut [T]) {
        let lanes = g.lanes;
        dx.fill(T::ZERO);
        let mut best = Extremum::new(lanes);
        g.each_window(|window, rows| {
            if best.find(maximum, x, rows) {
                let dy = &dy[window * lanes..(window + 1) * lanes];
                for (lane, (&row, &dy)) in best.rows.iter().zip(dy).enumerate() {
                    let dx = &mut dx[row + lane];
                    *dx = dx.add(dy);
                }
            }
        });
    }

    fn image_pick[T: Element](maximum: bool, g: &WindowGeometry, x: &[T], v: &[T], y: &mut [T]) {
        let lanes = g.lanes;
        let mut best = Extremum::new(lanes);
        g.each_window(|window, rows| {
            let y = &mut y[window * lanes..(window + 1) * lanes];
            if best.find(maximum, x, rows) {
                for (lane, (&row, y)) in best.rows.iter().zip(y).enumerate() {
                    *y = v[row + lane];
                }
            } else {
                y.fill(T::ZERO);
            }
        });
    }
}

/// Per lane, the extremum of a window and the row in which it first stands.
struct Extremum<T> {
    values: Vec<T>,
    rows: Vec<usize>,
}

impl<T: Element> Extremum<T> {
    fn new(lanes: usize) -> Self {
        Self { values: vec![T::ZERO; lanes], rows: vec![0; lanes] }
    }

    /// Finds the extrema of the window of these rows; false if it is empty. NaN counts as extreme.
    #[inline(always)]
    fn find(&mut self, maximum: bool, x: &[T], rows: &[usize]) -> bool {
        let Some((&first, rest)) = rows.split_first() else {
            return false;
        };
        let lanes = self.values.len();
        self.values.copy_from_slice(&x[first..first + lanes]);
        self.rows.fill(first);
        for &row in rest {
            for ((value, at), &x) in self.values.iter_mut().zip(&mut self.rows).zip(&x[row..row + lanes]) {
                let better = if maximum { x > *value } else { x < *value };
                let take = better | (x.is_nan() & !value.is_nan());
                *value = if take { x } else { *value };
                *at = if take { row } else { *at };
            }
        }
        true
    }
}

/// Each element of `dy` added at the first extremum of its window.
///
/// # Panics
/// When the slices do not fit the geometry.
pub(crate) fn max_scatter<T: Element>(
    pool: &ThreadPool,
    kind: ReduceKind,
    g: &WindowGeometry,
    x: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    g.check(x.len(), dy.len());
    g.check(dx.len(), dy.len());
    let isa = Isa::get();
    let size = g.windows * g.lanes;
    let dx = SharedMut::new(dx);
    g.each_image(pool, |image| {
        let part = image * g.image..(image + 1) * g.image;
        // SAFETY: each image's part is written by its own task alone.
        let dx = unsafe { dx.slice(part.clone()) };
        image_scatter(isa, kind == ReduceKind::Max, g, &x[part], &dy[image * size..(image + 1) * size], dx);
    });
}

/// For each window, the element of `v` at the first extremum of x; zero for windows in the padding alone.
///
/// # Panics
/// When the slices do not fit the geometry.
pub(crate) fn max_pick<T: Element>(
    pool: &ThreadPool,
    kind: ReduceKind,
    g: &WindowGeometry,
    x: &[T],
    v: &[T],
    y: &mut [T],
) {
    g.check(x.len(), y.len());
    g.check(v.len(), y.len());
    let isa = Isa::get();
    let size = g.windows * g.lanes;
    let y = SharedMut::new(y);
    g.each_image(pool, |image| {
        let part = image * g.image..(image + 1) * g.image;
        // SAFETY: each image's part is written by its own task alone.
        let y = unsafe { y.slice(image * size..(image + 1) * size) };
        image_pick(isa, kind == ReduceKind::Max, g, &x[part.clone()], &v[part], y);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(size: &[usize], strides: &[usize], padding: &[(usize, usize)], dilation: &[usize]) -> Window {
        Window {
            size: size.into(),
            strides: strides.into(),
            padding: padding.iter().copied().collect(),
            dilation: dilation.into(),
        }
    }

    /// Offsets in x of the elements of every window, for one channel, by definition.
    fn naive(w: &Window, x: &[usize]) -> Vec<Vec<usize>> {
        let count = |i: usize| {
            (x[i] + w.padding[i].0 + w.padding[i].1 - (w.size[i] - 1) * w.dilation[i] - 1) / w.strides[i] + 1
        };
        let mut windows = vec![];
        let counts: Vec<usize> = (0..x.len()).map(count).collect();
        for n in 0..counts.iter().product() {
            let mut inside = vec![];
            for m in 0..w.size.iter().product() {
                let (mut n, mut m, mut offset, mut pitch, mut ok) = (n, m, 0, 1, true);
                for i in (0..x.len()).rev() {
                    let position = (n % counts[i]) * w.strides[i] + (m % w.size[i]) * w.dilation[i];
                    (n, m) = (n / counts[i], m / w.size[i]);
                    ok &= position >= w.padding[i].0 && position - w.padding[i].0 < x[i];
                    offset += position.wrapping_sub(w.padding[i].0).wrapping_mul(pitch);
                    pitch *= x[i];
                }
                if ok {
                    inside.push(offset);
                }
            }
            windows.push(inside);
        }
        windows
    }

    #[test]
    fn all_four_agree_with_the_definition() {
        let cases = [
            (vec![2, 5, 6, 3], window(&[1, 2, 3, 1], &[1, 2, 1, 1], &[(0, 0), (1, 0), (1, 1), (0, 0)], &[1, 1, 1, 1])),
            (vec![3, 7, 2], window(&[1, 3, 1], &[1, 2, 1], &[(0, 0), (2, 2), (0, 0)], &[1, 2, 1])),
            (vec![2, 3, 4, 5], window(&[1, 1, 2, 2], &[1, 1, 2, 2], &[(0, 0); 4], &[1, 1, 1, 1])),
            (vec![4], window(&[2], &[3], &[(3, 3)], &[1])),
        ];
        for (shape, w) in cases {
            let n: usize = shape.iter().product();
            let x: Vec<f32> = (0..n).map(|i| ((i * 7919) % 13) as f32 - 6.0).collect();
            let expected = naive(&w, &shape);
            let dy: Vec<f32> = (0..expected.len()).map(|i| i as f32 + 1.0).collect();
            let g = WindowGeometry::new(&w, &shape).expect("geometry");
            for threads in [1, 2] {
                let pool = ThreadPool::new(threads);
                let mut y = vec![0.0; expected.len()];
                reduce(&pool, ReduceKind::Sum, &g, &x, &mut y);
                let sums: Vec<f32> = expected.iter().map(|w| w.iter().map(|&i| x[i]).sum()).collect();
                assert_eq!(y, sums);
                reduce(&pool, ReduceKind::Max, &g, &x, &mut y);
                let max = |w: &Vec<usize>| w.iter().map(|&i| x[i]).fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(y, expected.iter().map(max).collect::<Vec<_>>());
                let position = |w: &Vec<usize>| w.iter().copied().find(|&i| x[i] == max(w));
                let (mut sum, mut picked) = (vec![0.0; n], vec![0.0; n]);
                for (w, dy) in expected.iter().zip(&dy) {
                    w.iter().for_each(|&i| sum[i] += dy);
                    if let Some(i) = position(w) {
                        picked[i] += dy;
                    }
                }
                let mut dx = vec![9.0; n];
                scatter_sum(&pool, &g, &dy, &mut dx);
                assert_eq!(dx, sum);
                max_scatter(&pool, ReduceKind::Max, &g, &x, &dy, &mut dx);
                assert_eq!(dx, picked);
                let v: Vec<f32> = (0..n).map(|i| i as f32).collect();
                max_pick(&pool, ReduceKind::Max, &g, &x, &v, &mut y);
                let at: Vec<f32> = expected.iter().map(|w| position(w).map_or(0.0, |i| i as f32)).collect();
                assert_eq!(y, at);
            }
        }
    }

    #[test]
    fn nan_is_the_extremum() {
        let w = window(&[3], &[3], &[(0, 0)], &[1]);
        let g = WindowGeometry::new(&w, &[3]).expect("geometry");
        let pool = ThreadPool::new(1);
        let mut dx = [0.0; 3];
        max_scatter(&pool, ReduceKind::Max, &g, &[1.0, f32::NAN, 5.0], &[1.0], &mut dx);
        assert_eq!(dx, [0.0, 1.0, 0.0]);
    }
}
