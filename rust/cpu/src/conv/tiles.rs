//! Tiles of positions, the kernel's weights in the micro-kernel's order, and padded copies of x.

use std::ops::Range;

use super::geometry::{Band, ConvGeometry};
use crate::gemm::drive::{Help, Parts, run};
use crate::gemm::elem::Float;
use crate::gemm::kernel::{Kernels, Rows};
use crate::gemm::pack::{self, Block};
use crate::gemm::scratch;
use crate::isa::Isa;
use crate::pool::{SharedMut, ThreadPool};

/// Bytes of weights that are read in place: they stay in L2.
const SMALL_WEIGHTS: usize = 1 << 19;
/// Most rows of any micro-kernel.
const MAX_MR: usize = 16;

/// A row of positions: where the first lies in the source and in the result, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub a: usize,
    pub c: usize,
    pub len: usize,
}

/// The positions of a tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Positions<'a> {
    pub count: usize,
    /// Where the first lies, to be added to the rows.
    pub a: usize,
    pub c: usize,
    pub a_rows: Rows<'a>,
    pub c_rows: Rows<'a>,
}

/// Cuts rows of positions (of `len` positions, about) into tiles. Positions of a row are `a_step` and
/// `c_step` elements apart. Long rows are cut by themselves; short ones share tiles.
pub(super) fn for_tiles(
    mr: usize,
    len: usize,
    rows: usize,
    row: impl Fn(usize) -> Row,
    (a_step, c_step): (usize, usize),
    mut tile: impl FnMut(Positions<'_>, bool),
) {
    if rows == 0 || len == 0 {
        return;
    }
    if rows == 1 || len / len.div_ceil(mr) * 2 > mr {
        for row in (0..rows).map(row) {
            for part in Parts::at_most(row.len, mr).iter().filter(|part| !part.is_empty()) {
                let positions = Positions {
                    count: part.len(),
                    a: row.a + part.start * a_step,
                    c: row.c + part.start * c_step,
                    a_rows: Rows::Stride(a_step),
                    c_rows: Rows::Stride(c_step),
                };
                tile(positions, false);
            }
        }
        return;
    }
    let total = (0..rows).map(|i| row(i).len).sum();
    let (mut next, mut current, mut at) = (1, row(0), 0);
    for part in Parts::at_most(total, mr).iter().filter(|part| !part.is_empty()) {
        let (mut a, mut c) = ([0; MAX_MR], [0; MAX_MR]);
        for (a, c) in a.iter_mut().zip(&mut c).take(part.len()) {
            while at == current.len {
                (current, next, at) = (row(next), next + 1, 0);
            }
            *a = current.a + at * a_step;
            *c = current.c + at * c_step;
            at += 1;
        }
        let positions = Positions {
            count: part.len(),
            a: 0,
            c: 0,
            a_rows: Rows::Offsets(&a[..part.len()]),
            c_rows: Rows::Offsets(&c[..part.len()]),
        };
        tile(positions, true);
    }
}

/// Which matrix the weights of a tap are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Orientation {
    /// Input channels by output channels.
    Forward,
    /// Output channels by input channels.
    Transposed,
    /// The same, taps in reverse order: the convolution that undoes one of stride 1.
    Flipped,
}

/// The weights as the tiles read them, one matrix of `depth` rows and `cols` columns for each group
/// and tap, cut into panels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights<'a, T> {
    data: &'a [T],
    group: usize,
    panel: usize,
    /// Elements between taps.
    pub tap: usize,
    /// Elements between rows.
    pub step: usize,
    /// Rows of a group and tap.
    pub depth: usize,
    /// Columns of a group.
    pub cols: usize,
    /// Columns of a panel.
    pub nr: usize,
}

impl<T> Weights<'_, T> {
    /// Panels of a group.
    pub fn panels(&self) -> usize {
        self.cols.div_ceil(self.nr)
    }

    /// Columns of one panel.
    pub fn panel_cols(&self, panel: usize) -> Range<usize> {
        panel * self.nr..self.cols.min((panel + 1) * self.nr)
    }

    /// A panel's first element, tap 0.
    pub fn at(&self, group: usize, panel: usize) -> *const T {
        self.data[(group * self.group + panel * self.panel).min(self.data.len())..].as_ptr()
    }

    /// Bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(self.data)
    }
}

/// Calls `body` with the weights, packed if need be.
pub(super) fn with_weights<T: Float, R>(
    pool: &ThreadPool,
    isa: Isa,
    kernels: &Kernels<T::Acc>,
    g: &ConvGeometry,
    w: &[T],
    orientation: Orientation,
    body: impl FnOnce(&Weights<'_, T::Acc>) -> R,
) -> R {
    let (taps, nr) = (g.taps(), kernels.nr());
    let (in_group, out_group) = (g.c_in / g.groups, g.c_out / g.groups);
    let forward = orientation == Orientation::Forward;
    let (depth, cols) = if forward { (in_group, out_group) } else { (out_group, in_group) };
    let whole_vectors = kernels.cheap_masks || cols.is_multiple_of(kernels.lanes);
    if let (true, true, Some(data)) = (forward, whole_vectors, T::as_acc(w))
        && (cols <= nr || size_of_val(data) <= SMALL_WEIGHTS)
    {
        let (group, tap) = (out_group, in_group * g.c_out);
        return body(&Weights { data, group, panel: nr, tap, step: g.c_out, depth, cols, nr });
    }
    let (tap, panels) = (depth * nr, cols.div_ceil(nr));
    let panel = taps * tap;
    scratch::with(g.groups * panels * panel, |buffer: &mut [T::Acc]| {
        let shared = SharedMut::new(buffer);
        run(help(pool, w.len()), g.groups * panels, |i| {
            let (group, column) = (i / panels, i % panels * nr);
            // SAFETY: panels do not overlap, and one task has this one.
            let to = unsafe { shared.slice(i * panel..(i + 1) * panel) };
            for t in 0..taps {
                let from =
                    if orientation == Orientation::Flipped { taps - 1 - t } else { t } * in_group * g.c_out
                        + group * out_group
                        + column * if forward { 1 } else { g.c_out };
                let (row_stride, col_stride) = if forward { (g.c_out, 1) } else { (1, g.c_out) };
                let block = Block { data: &w[from.min(w.len())..], row_stride, col_stride };
                pack::pack(isa, block, depth, nr.min(cols - column), &mut to[t * tap..(t + 1) * tap], nr);
            }
        });
        // SAFETY: the tasks that wrote it are done.
        let data: &[T::Acc] = unsafe { shared.slice(0..shared.len()) };
        body(&Weights { data, group: panels * panel, panel, tap, step: nr, depth, cols, nr })
    })
}

/// The pool, when so many elements to copy are worth it.
pub(super) fn help(pool: &ThreadPool, elements: usize) -> Help<'_> {
    (elements > 1 << 15).then_some(pool)
}

/// Padded copies of what the windows of a band read: (window's depth, rows, columns, channels).
#[derive(Debug, Clone, Copy)]
pub(super) struct Slab {
    rows: usize,
    cols: usize,
    channels: usize,
    /// Elements.
    pub len: usize,
}

impl Slab {
    /// Slabs large enough for bands of up to so many rows and columns; `None` when that is a waste,
    /// as it is for a few taps far apart.
    pub fn new(g: &ConvGeometry, rows: usize, cols: usize) -> Option<Self> {
        let [d, h, w] = &g.axes;
        let reach = |n: usize, stride: usize, extent: usize| {
            n.saturating_sub(1).checked_mul(stride)?.checked_add(extent)
        };
        let (rows, cols) = (reach(rows, h.stride, h.extent())?, reach(cols, w.stride, w.extent())?);
        let len = d.window.checked_mul(rows)?.checked_mul(cols)?.checked_mul(g.c_in)?;
        (len <= 1 << 22).then_some(Self { rows, cols, channels: g.c_in, len })
    }

    /// Elements between window depths, rows and columns.
    pub fn strides(&self) -> [usize; 3] {
        [self.rows * self.cols * self.channels, self.cols * self.channels, self.channels]
    }

    /// Copies what a band's windows read, zeros where that is padding.
    pub fn fill<T: Float>(&self, isa: Isa, g: &ConvGeometry, x: &[T], band: &Band, slab: &mut [T::Acc]) {
        let zero = <T::Acc as bytemuck::Zeroable>::zeroed();
        let [d, h, w] = &g.axes;
        let first_row = h.position(band.rows.start, 0);
        let first_col = w.position(band.cols.start, 0);
        let rows = (band.rows.len() - 1) * h.stride + h.extent();
        // Columns of the slab that lie inside of x.
        let inside = |n: isize| n.clamp(0, self.cols as isize) as usize;
        let (left, right) = (inside(-first_col), inside(w.input as isize - first_col));
        for tap in 0..d.window {
            let plane = d.position(band.depth, tap);
            for (r, to) in
                slab[tap * self.strides()[0]..].chunks_exact_mut(self.strides()[1]).take(rows).enumerate()
            {
                let row = first_row + r as isize;
                let outside = plane < 0 || plane >= d.input as isize || row < 0 || row >= h.input as isize;
                if outside || left >= right {
                    to.fill(zero);
                    continue;
                }
                let row = (band.image * d.input + plane as usize) * h.input + row as usize;
                let from = (row * w.input + (first_col + left as isize) as usize) * self.channels;
                let (left, right) = (left * self.channels, right * self.channels);
                to[..left].fill(zero);
                T::widen(isa, &x[from..from + right - left], &mut to[left..right]);
                to[right..].fill(zero);
            }
        }
    }
}
