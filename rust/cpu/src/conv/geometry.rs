//! Sizes of a convolution, always with three spatial axes, and how its work is cut.

use std::ops::Range;

use oxhorn_core::ops::convolution::ConvSpec;
use oxhorn_core::{Error, Result, Shape};
use smallvec::SmallVec;

use crate::gemm::drive::Parts;

/// Pairs of a source position and a tap, along one axis, that meet at a position of the result.
pub(crate) type Meetings = SmallVec<[(usize, usize); 16]>;

/// One spatial axis: output o reads input `o * stride + tap * dilation - pad` for each tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Axis {
    pub input: usize,
    pub window: usize,
    pub output: usize,
    pub stride: usize,
    pub dilation: usize,
    pub pad: isize,
}

impl Axis {
    /// An axis of one element.
    pub const ONE: Self = Self { input: 1, window: 1, output: 1, stride: 1, dilation: 1, pad: 0 };

    /// An axis of checked sizes; `None` when they are out of range.
    pub fn new(
        input: usize,
        window: usize,
        stride: usize,
        dilation: usize,
        pad: (isize, isize),
    ) -> Option<Self> {
        let limit = isize::MAX as i128 / 4;
        let extent = (window as i128 - 1) * dilation as i128 + 1;
        let padded = input as i128 + pad.0 as i128 + pad.1 as i128;
        let sizes = [extent, padded.abs(), pad.0.unsigned_abs() as i128, stride as i128];
        if window == 0 || stride == 0 || dilation == 0 || sizes.into_iter().any(|size| size > limit) {
            return None;
        }
        let count = if padded < extent { 0 } else { (padded - extent) / stride as i128 + 1 };
        let output = usize::try_from(count).ok()?;
        Some(Self { input, window, output, stride, dilation, pad: pad.0 })
    }

    /// Inputs from the first that a window covers to the last.
    pub fn extent(&self) -> usize {
        (self.window - 1) * self.dilation + 1
    }

    /// The input that a tap of an output's window reads; may be outside.
    pub fn position(&self, output: usize, tap: usize) -> isize {
        (output * self.stride + tap * self.dilation) as isize - self.pad
    }

    /// The outputs whose given tap reads an input of the range.
    pub fn outputs(&self, tap: usize, inputs: Range<usize>) -> Range<usize> {
        let first_at_or_after = |input: usize| {
            let distance = input as isize - self.position(0, tap);
            (distance.max(0) as usize).div_ceil(self.stride).min(self.output)
        };
        first_at_or_after(inputs.start)..first_at_or_after(inputs.end)
    }

    /// The inputs (or, `transposed`, the outputs) that the window's elements take to `position`.
    pub fn meetings(&self, position: usize, transposed: bool) -> Meetings {
        let source = |tap: usize| {
            if transposed {
                let distance = usize::try_from(position as isize - self.position(0, tap)).ok()?;
                let output = distance / self.stride;
                (distance.is_multiple_of(self.stride) && output < self.output).then_some(output)
            } else {
                usize::try_from(self.position(position, tap)).ok().filter(|&i| i < self.input)
            }
        };
        (0..self.window).filter_map(|tap| Some((source(tap)?, tap))).collect()
    }

    /// Pairs of an output and a tap that read an input, not padding.
    pub fn pairs(&self) -> usize {
        (0..self.window).map(|tap| self.outputs(tap, 0..self.input).len()).sum()
    }

    /// Whether no window reaches outside.
    pub fn is_inside(&self) -> bool {
        self.pad <= 0 && self.position(self.output - 1, self.window - 1) < self.input as isize
    }
}

/// Geometry of a convolution and of its two gradients: made once, when a plan is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvGeometry {
    pub(super) batch: usize,
    pub(super) groups: usize,
    pub(super) c_in: usize,
    pub(super) c_out: usize,
    /// Depth, height, width; leading ones below three spatial axes.
    pub(super) axes: [Axis; 3],
    output: Shape,
}

impl ConvGeometry {
    /// The geometry for x of shape (batch, *space, c_in) and a kernel of shape
    /// (*window, c_in / groups, c_out), with one to three spatial axes.
    pub fn new(spec: &ConvSpec, x: &[usize], kernel: &[usize]) -> Result<Self> {
        const OP: &str = "convolution";
        let rank = x.len().saturating_sub(2);
        if !(1..=3).contains(&rank) || kernel.len() != x.len() {
            let expected = "x and kernel with one to three spatial axes";
            return Err(Error::shape(OP, expected, format!("ranks {} and {}", x.len(), kernel.len())));
        }
        if [spec.strides.len(), spec.padding.len(), spec.dilation.len()] != [rank; 3] {
            return Err(Error::attribute(
                OP,
                format!("expected strides, padding and dilation of {rank} axes"),
            ));
        }
        let (c_in, c_out, groups) = (x[rank + 1], kernel[rank + 1], spec.groups);
        if groups == 0
            || !c_in.is_multiple_of(groups)
            || !c_out.is_multiple_of(groups)
            || kernel[rank] != c_in / groups
        {
            let expected = format!("{c_in} input and {c_out} output channels in {groups} groups");
            return Err(Error::shape(
                OP,
                expected,
                format!("a kernel for {} channels of a group", kernel[rank]),
            ));
        }
        let mut axes = [Axis::ONE; 3];
        let mut output = vec![x[0]];
        for i in 0..rank {
            let (stride, dilation) = (spec.strides[i], spec.dilation[i]);
            let axis =
                Axis::new(x[i + 1], kernel[i], stride, dilation, spec.padding[i]).ok_or_else(|| {
                    let message = "expected window, strides and dilation of at least 1, and padding in range";
                    Error::attribute(OP, message)
                })?;
            axes[3 - rank + i] = axis;
            output.push(axis.output);
        }
        output.push(c_out);
        let output = Shape::from(output.as_slice()).check()?;
        Ok(Self { batch: x[0], groups, c_in, c_out, axes, output })
    }

    /// Shape of the result, (batch, *out, c_out).
    pub fn output(&self) -> &Shape {
        &self.output
    }

    /// Elements of x.
    pub(super) fn x_len(&self) -> usize {
        self.batch * self.inputs() * self.c_in
    }

    /// Elements of the kernel.
    pub(super) fn w_len(&self) -> usize {
        self.taps() * self.c_in / self.groups * self.c_out
    }

    /// Elements of y.
    pub(super) fn y_len(&self) -> usize {
        self.batch * self.outputs() * self.c_out
    }

    /// Positions in one image of x.
    pub(super) fn inputs(&self) -> usize {
        self.axes.iter().map(|a| a.input).product()
    }

    /// Positions in one image of y.
    pub(super) fn outputs(&self) -> usize {
        self.axes.iter().map(|a| a.output).product()
    }

    /// Elements of the window.
    pub(super) fn taps(&self) -> usize {
        self.axes.iter().map(|a| a.window).product()
    }

    /// A tap's position in the window, (depth, height, width).
    pub(super) fn tap(&self, tap: usize) -> [usize; 3] {
        let [_, h, w] = self.axes.map(|a| a.window);
        [tap / (h * w), tap / w % h, tap % w]
    }

    /// Pairs of an output and a tap of one image that read an input, not padding.
    pub(super) fn pairs(&self) -> usize {
        self.axes.iter().map(Axis::pairs).product()
    }

    /// Whether no window reaches outside of x.
    pub(super) fn is_inside(&self) -> bool {
        self.axes.iter().all(Axis::is_inside)
    }

    /// Whether it is a matrix product of the channels.
    pub(super) fn is_pointwise(&self) -> bool {
        self.groups == 1
            && self.axes.iter().all(|a| a.window == 1 && a.stride == 1 && a.pad == 0 && a.input == a.output)
    }

    /// The convolution that takes dy to dx, where all strides are 1.
    pub(super) fn reversed(&self) -> Self {
        let axes = self.axes.map(|a| Axis {
            input: a.output,
            output: a.input,
            pad: a.extent() as isize - 1 - a.pad,
            ..a
        });
        Self { c_in: self.c_out, c_out: self.c_in, axes, output: Shape::default(), ..self.clone() }
    }

    /// Whether each channel is convolved by itself.
    pub(super) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.c_in && self.c_out == self.c_in
    }
}

/// A band: whole rows of one plane of one image, or a part of a single row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Band {
    pub image: usize,
    pub depth: usize,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    /// Position of its first element among all of the batch's.
    pub start: usize,
}

impl Band {
    /// Positions.
    pub fn len(&self) -> usize {
        self.rows.len() * self.cols.len()
    }
}

/// A tensor's positions cut into bands. Consecutive bands are adjacent in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bands {
    space: [usize; 3],
    rows: Parts,
    cols: Parts,
    /// How many there are.
    pub count: usize,
}

impl Bands {
    /// Bands of about `size` positions (at most, where a row is not longer) of `batch` images.
    pub fn new(batch: usize, space: [usize; 3], size: usize) -> Self {
        let [depth, height, width] = space;
        // Long rows are cut, but into parts that keep the tiles full.
        let cols =
            if width > 2 * size.max(64) { Parts::at_most(width, size.max(64)) } else { Parts::new(width, 1) };
        let rows = if cols.count > 1 {
            Parts::new(height, height.max(1))
        } else {
            Parts::at_most(height, (size / width.max(1)).max(1))
        };
        Self { space, rows, cols, count: batch * depth * rows.count * cols.count }
    }

    /// Most rows and columns of a band.
    pub fn largest(&self) -> (usize, usize) {
        (self.rows.get(0).len(), self.cols.get(0).len())
    }

    /// The i-th band.
    pub fn get(&self, i: usize) -> Band {
        let [depth, height, width] = self.space;
        let (plane, part) =
            (i / (self.rows.count * self.cols.count), i % (self.rows.count * self.cols.count));
        let rows = self.rows.get(part / self.cols.count);
        let cols = self.cols.get(part % self.cols.count);
        let start = (plane * height + rows.start) * width + cols.start;
        Band { image: plane / depth, depth: plane % depth, rows, cols, start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_every_position_in_order() {
        for space in [[1, 1, 1], [1, 1, 1000], [1, 7, 5], [2, 9, 300], [3, 4, 4], [1, 3, 700]] {
            for size in [1, 14, 100, 100_000] {
                let bands = Bands::new(2, space, size);
                let mut next = 0;
                for band in (0..bands.count).map(|i| bands.get(i)) {
                    assert_eq!(band.start, next);
                    let plane = band.image * space[0] + band.depth;
                    assert_eq!(band.start, (plane * space[1] + band.rows.start) * space[2] + band.cols.start);
                    assert!(band.cols.len() == space[2] || band.rows.len() == 1);
                    next += band.len();
                }
                assert_eq!(next, 2 * space.iter().product::<usize>());
            }
        }
    }

    #[test]
    fn outputs_of_a_tap_are_those_that_read_the_range() {
        for (stride, dilation, pad, window) in
            [(1, 1, 0, 3), (2, 1, 1, 3), (3, 2, 4, 2), (1, 3, -1, 2), (2, 2, -2, 1)]
        {
            let axis = Axis { input: 9, window, output: 6, stride, dilation, pad };
            for tap in 0..window {
                for start in 0..9 {
                    for end in start..=9 {
                        let expected: Vec<usize> = (0..6)
                            .filter(|&o| (start as isize..end as isize).contains(&axis.position(o, tap)))
                            .collect();
                        assert_eq!(axis.outputs(tap, start..end).collect::<Vec<_>>(), expected);
                    }
                }
            }
        }
    }

    fn spec(strides: &[usize], padding: &[(isize, isize)], dilation: &[usize], groups: usize) -> ConvSpec {
        ConvSpec { strides: strides.into(), padding: padding.into(), dilation: dilation.into(), groups }
    }

    #[test]
    fn shapes_and_errors() {
        let g =
            |s: &ConvSpec, x: &[usize], k: &[usize]| ConvGeometry::new(s, x, k).map(|g| g.output().to_vec());
        assert_eq!(g(&spec(&[2], &[(1, 0)], &[1], 1), &[3, 8, 4], &[3, 4, 5]), Ok(vec![3, 4, 5]));
        assert_eq!(g(&spec(&[1], &[(-2, -2)], &[2], 1), &[3, 8, 4], &[3, 4, 5]), Ok(vec![3, 0, 5]));
        assert!(g(&spec(&[1], &[(0, 0)], &[1], 3), &[3, 8, 4], &[3, 4, 5]).is_err());
        assert!(g(&spec(&[0], &[(0, 0)], &[1], 1), &[3, 8, 4], &[3, 4, 5]).is_err());
        assert!(g(&spec(&[1], &[(0, 0)], &[1], 1), &[3, 4], &[3, 4]).is_err());
        assert!(g(&spec(&[1], &[(isize::MAX, 0)], &[1], 1), &[3, 8, 4], &[3, 4, 5]).is_err());
        assert!(g(&spec(&[1], &[(0, 0)], &[usize::MAX], 1), &[3, 8, 4], &[3, 4, 5]).is_err());
    }
}
