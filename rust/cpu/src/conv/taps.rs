//! Convolution one tap of the window at a time, adding to the result. Padding costs nothing here,
//! since each tap runs over just the positions where it meets an element; a gradient with respect to
//! x is the same with source and result exchanged, whatever the stride.

use super::geometry::{Band, Bands, ConvGeometry};
use super::tiles::{Row, Weights, for_tiles};
use super::{Output, Work};
use crate::gemm::drive::Parts;
use crate::gemm::elem::Float;
use crate::gemm::kernel::{Kernels, Real, Segment, Tile};
use crate::gemm::scratch;
use crate::isa::Isa;
use crate::pool::ThreadPool;

/// From x to y (`transposed` false), or from dy to dx.
pub(super) fn accumulate<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    kernels: &Kernels<T::Acc>,
    g: &ConvGeometry,
    work: &Work,
    transposed: bool,
    source: &[T],
    weights: &Weights<'_, T::Acc>,
    result: &Output<T>,
    bias: Option<&[T::Acc]>,
    relu: bool,
) {
    let space = g.axes.map(|a| if transposed { a.input } else { a.output });
    let bands = Bands::new(g.batch, space, work.positions);
    let tasks = Parts::new(bands.count, work.tasks.min(bands.count));
    let panels = g.groups * weights.panels();
    let parts = Parts::new(panels, result.column_parts(work, tasks.count, panels));
    let from_channels = if transposed { g.c_out } else { g.c_in };
    pool.run(tasks.count * parts.count, &|task| {
        let part = parts.get(task % parts.count);
        for band in tasks.get(task / parts.count).map(|i| bands.get(i)) {
            let convert = |source: &[T::Acc], source_start: usize| {
                result.with_wide(isa, band.start, band.len(), |c, c_first| {
                    for unit in part.clone() {
                        let (group, panel) = (unit / weights.panels(), unit % weights.panels());
                        let cols = weights.panel_cols(panel);
                        let column = group * weights.cols + cols.start;
                        let segments = [Segment { a: 0, b: 0, len: weights.depth }];
                        let each_row = |body: &dyn Fn(&mut [T::Acc])| {
                            for i in 0..band.len() {
                                let at = (band.start - c_first + i) * result.channels + column;
                                // SAFETY: one task has these positions and columns.
                                body(unsafe { c.slice(at..at + cols.len()) });
                            }
                        };
                        match bias {
                            Some(bias) => {
                                each_row(&|c| c.copy_from_slice(&bias[column..column + cols.len()]))
                            }
                            None => each_row(&|c| c.fill(T::Acc::ZERO)),
                        }
                        for tap in 0..g.taps() {
                            let meeting = Meeting::new(g, &band, tap, transposed);
                            let row = |i: usize| {
                                let Row { a, c, len } = meeting.row(g, &band, i);
                                let a = a * from_channels + group * weights.depth - source_start;
                                Row { a, c: (c - c_first) * result.channels + column, len }
                            };
                            let stride = g.axes[2].stride;
                            let steps = if transposed {
                                (from_channels, stride * result.channels)
                            } else {
                                (stride * from_channels, result.channels)
                            };
                            let base = Tile {
                                b: weights.at(group, panel).wrapping_add(tap * weights.tap),
                                b_step: weights.step,
                                segments: &segments,
                                cols: cols.len(),
                                accumulate: true,
                                ..Tile::empty()
                            };
                            for_tiles(
                                kernels.mr,
                                meeting.cols,
                                meeting.rows(),
                                row,
                                steps,
                                |at, gathered| {
                                    let tile = Tile {
                                        a: source.as_ptr().wrapping_add(at.a),
                                        a_rows: at.a_rows,
                                        c: c.as_ptr().wrapping_add(at.c),
                                        c_rows: at.c_rows,
                                        ..base
                                    };
                                    // SAFETY: a meeting's positions lie inside of both tensors, whose
                                    // lengths the entry checked; one task has the band's positions and
                                    // the panel's columns. The kernels' instruction set was detected.
                                    unsafe { kernels.get(gathered, at.count, cols.len())(&tile) }
                                },
                            );
                        }
                        if relu {
                            each_row(&|c| {
                                for c in c {
                                    *c = if *c < T::Acc::ZERO { T::Acc::ZERO } else { *c };
                                }
                            });
                        }
                    }
                });
            };
            match T::as_acc(source) {
                Some(source) => convert(source, 0),
                None => {
                    // The source's planes that the band reads.
                    let (start, end) = planes(g, &band, transposed);
                    let (start, end) = (start * from_channels, end * from_channels);
                    scratch::with(end - start, |wide: &mut [T::Acc]| {
                        T::widen(isa, &source[start..end], wide);
                        convert(wide, start);
                    });
                }
            }
        }
    });
}

/// The outputs whose tap meets an input, one of them in a band: a box of positions.
struct Meeting {
    tap: [usize; 3],
    transposed: bool,
    depths: (usize, usize),
    heights: (usize, usize),
    first_col: usize,
    cols: usize,
}

impl Meeting {
    fn new(g: &ConvGeometry, band: &Band, tap: usize, transposed: bool) -> Self {
        let tap = g.tap(tap);
        let within = [band.depth..band.depth + 1, band.rows.clone(), band.cols.clone()];
        let [d, h, w] = std::array::from_fn(|i| {
            let (axis, part) = (&g.axes[i], within[i].clone());
            if transposed {
                axis.outputs(tap[i], part)
            } else {
                let inside = axis.outputs(tap[i], 0..axis.input);
                let start = inside.start.max(part.start);
                start..inside.end.min(part.end).max(start)
            }
        });
        Self {
            tap,
            transposed,
            depths: (d.start, d.len()),
            heights: (h.start, h.len()),
            first_col: w.start,
            cols: w.len(),
        }
    }

    /// Number of rows.
    fn rows(&self) -> usize {
        self.depths.1 * self.heights.1
    }

    /// The i-th row: its first position in the source and in the result.
    fn row(&self, g: &ConvGeometry, band: &Band, i: usize) -> Row {
        let [d, h, w] = &g.axes;
        let od = self.depths.0 + i / self.heights.1;
        let oh = self.heights.0 + i % self.heights.1;
        let output = ((band.image * d.output + od) * h.output + oh) * w.output + self.first_col;
        // Positions are inside, so none is negative.
        let [id, ih, iw] = [
            d.position(od, self.tap[0]),
            h.position(oh, self.tap[1]),
            w.position(self.first_col, self.tap[2]),
        ]
        .map(|i| i as usize);
        let input = ((band.image * d.input + id) * h.input + ih) * w.input + iw;
        let (a, c) = if self.transposed { (output, input) } else { (input, output) };
        Row { a, c, len: self.cols }
    }
}

/// First and past-the-end position of what a band reads.
fn planes(g: &ConvGeometry, band: &Band, transposed: bool) -> (usize, usize) {
    let (mut first, mut last) = (usize::MAX, 0);
    for tap in 0..g.taps() {
        let meeting = Meeting::new(g, band, tap, transposed);
        if meeting.rows() > 0 && meeting.cols > 0 {
            let step = if transposed { 1 } else { g.axes[2].stride };
            let end = meeting.row(g, band, meeting.rows() - 1);
            first = first.min(meeting.row(g, band, 0).a);
            last = last.max(end.a + (end.len - 1) * step + 1);
        }
    }
    (first.min(last), last)
}
