//! Convolution with all taps of the window in one pass of the micro-kernel: each result is written
//! once. Windows are read in place, or from padded copies of a band of x.

use smallvec::SmallVec;

use super::geometry::{Band, Bands, ConvGeometry};
use super::tiles::{Row, Slab, Weights, for_tiles};
use super::{Output, Work};
use crate::gemm::drive::Parts;
use crate::gemm::elem::Float;
use crate::gemm::kernel::{Kernels, Segment, Tile};
use crate::gemm::scratch;
use crate::isa::Isa;
use crate::pool::ThreadPool;

/// Elements of padded copies that a task holds at a time, unless one band takes more.
const SLABS: usize = 1 << 18;

/// How a pass over x is cut, and how its windows are read.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub bands: Bands,
    /// None: windows are read in place.
    pub slab: Option<Slab>,
    /// The window's elements as runs that are adjacent both in x and in the weights.
    pub runs: SmallVec<[Segment; 32]>,
}

impl Pass {
    /// The pass over bands of about `size` positions; `None` when padded copies would be wasteful.
    /// `in_place` tells whether x needs no conversion; weights' taps are `tap` elements apart.
    pub fn new(g: &ConvGeometry, size: usize, in_place: bool, tap: usize) -> Option<Self> {
        let [d, h, w] = &g.axes;
        let bands = Bands::new(g.batch, g.axes.map(|a| a.output), size);
        let largest = bands.largest();
        let slab = if in_place && g.is_inside() { None } else { Some(Slab::new(g, largest.0, largest.1)?) };
        let strides = match &slab {
            Some(slab) => slab.strides(),
            None => [h.input * w.input * g.c_in, w.input * g.c_in, g.c_in],
        };
        let depth_step = if slab.is_some() { 1 } else { d.dilation };
        let in_group = g.c_in / g.groups;
        let merged = if g.groups == 1 && (w.dilation == 1 || w.window == 1) { w.window } else { 1 };
        let runs = (0..g.taps()).step_by(merged).map(|t| {
            let [td, th, tw] = g.tap(t);
            let a =
                td * depth_step * strides[0] + th * h.dilation * strides[1] + tw * w.dilation * strides[2];
            Segment { a, b: t * tap, len: merged * in_group }
        });
        Some(Self { bands, slab, runs: runs.collect() })
    }

    /// Calls `body` with groups of consecutive bands, small enough for their padded copies, the
    /// elements that windows are read from, and the rows of positions in these.
    pub fn for_groups<T: Float>(
        &self,
        isa: Isa,
        g: &ConvGeometry,
        x: &[T],
        bands: std::ops::Range<usize>,
        largest: usize,
        mut body: impl FnMut(&[T::Acc], &[Row]),
    ) {
        let mut rows: SmallVec<[Row; 64]> = SmallVec::new();
        let per_group = match &self.slab {
            Some(slab) => (SLABS / slab.len.max(1)).max(1),
            None => usize::MAX,
        };
        let mut next = bands.start;
        while next < bands.end {
            let start = next;
            let mut positions = 0;
            rows.clear();
            while next < bands.end && next - start < per_group && positions < largest {
                let band = self.bands.get(next);
                positions += band.len();
                self.push_rows(g, &band, next - start, &mut rows);
                next += 1;
            }
            match (&self.slab, T::as_acc(x)) {
                (None, Some(x)) => body(x, &rows),
                (slab, _) => {
                    let len = slab.map_or(0, |s| s.len);
                    scratch::with(len * (next - start), |slabs: &mut [T::Acc]| {
                        for (i, to) in slabs.chunks_exact_mut(len.max(1)).enumerate() {
                            if let Some(slab) = slab {
                                slab.fill(isa, g, x, &self.bands.get(start + i), to);
                            }
                        }
                        body(slabs, &rows);
                    });
                }
            }
        }
    }

    /// The rows of a band, its slab being the i-th.
    fn push_rows(&self, g: &ConvGeometry, band: &Band, i: usize, rows: &mut SmallVec<[Row; 64]>) {
        let [d, h, w] = &g.axes;
        for (r, row) in band.rows.clone().enumerate() {
            let a = match &self.slab {
                Some(slab) => i * slab.len + r * h.stride * slab.strides()[1],
                // Inside of x all positions are positive.
                None => {
                    let plane = band.image * d.input + d.position(band.depth, 0) as usize;
                    let line = plane * h.input + h.position(row, 0) as usize;
                    (line * w.input + w.position(band.cols.start, 0) as usize) * g.c_in
                }
            };
            rows.push(Row { a, c: band.start + r * band.cols.len(), len: band.cols.len() });
        }
    }
}

/// y = epilogue(x * w).
pub(super) fn convolve<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    kernels: &Kernels<T::Acc>,
    g: &ConvGeometry,
    pass: &Pass,
    work: &Work,
    x: &[T],
    weights: &Weights<'_, T::Acc>,
    y: &Output<T>,
    bias: Option<&[T::Acc]>,
    relu: bool,
) {
    let tasks = Parts::new(pass.bands.count, work.tasks.min(pass.bands.count));
    let panels = g.groups * weights.panels();
    let parts = Parts::new(panels, y.column_parts(work, tasks.count, panels));
    pool.run(tasks.count * parts.count, &|task| {
        let bands = tasks.get(task / parts.count);
        let part = parts.get(task % parts.count);
        pass.for_groups(isa, g, x, bands, usize::MAX, |source, rows| {
            let first = rows.first().map_or(0, |row| row.c);
            let count = rows.iter().map(|row| row.len).sum();
            y.with_wide(isa, first, count, |c, c_first| {
                let row = |i: usize| Row { c: (rows[i].c - c_first) * g.c_out, ..rows[i] };
                let len = rows.iter().map(|row| row.len).max().unwrap_or(0);
                let steps = (g.axes[2].stride * g.c_in, g.c_out);
                for unit in part.clone() {
                    let (group, panel) = (unit / weights.panels(), unit % weights.panels());
                    let cols = weights.panel_cols(panel);
                    let (in_group, column) = (g.c_in / g.groups, group * weights.cols + cols.start);
                    let base = Tile {
                        b: weights.at(group, panel),
                        b_step: weights.step,
                        segments: &pass.runs,
                        cols: cols.len(),
                        bias: bias.map_or(std::ptr::null(), |bias| bias[column..].as_ptr()),
                        relu,
                        ..Tile::empty()
                    };
                    for_tiles(kernels.mr, len, rows.len(), row, steps, |at, gathered| {
                        let tile = Tile {
                            a: source.as_ptr().wrapping_add(at.a + group * in_group),
                            a_rows: at.a_rows,
                            c: c.as_ptr().wrapping_add(at.c + column),
                            c_rows: at.c_rows,
                            ..base
                        };
                        // SAFETY: windows lie inside of the source, by the pass's construction; the
                        // weights have a panel per unit; tasks have disjoint positions or columns of
                        // y, whose length the entry checked. The kernels' instruction set was detected.
                        unsafe { kernels.get(gathered, at.count, cols.len())(&tile) }
                    });
                }
            });
        });
    });
}
