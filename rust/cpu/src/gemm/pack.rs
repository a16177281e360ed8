//! Packing: blocks of a matrix copied into the order in which the micro-kernel reads them, converted
//! to the accumulator's type on the way.

use super::MatRef;
use super::elem::Float;
use super::kernel::Real;
use crate::isa::Isa;
use crate::multiversion;

/// A block of a matrix: element (i, j) is at `i * row_stride + j * col_stride`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a, T> {
    /// From element (0, 0) on.
    pub data: &'a [T],
    /// Elements between rows.
    pub row_stride: usize,
    /// Elements between columns.
    pub col_stride: usize,
}

impl<'a, T: Copy> Block<'a, T> {
    /// The i-th matrix of a batch; empty when the matrices are (`depth` 0).
    pub fn of(x: MatRef<'a, T>, i: usize, depth: usize) -> Self {
        let data = if depth == 0 { &[] } else { &x.data[i * x.batch_stride..] };
        Self { data, row_stride: x.row_stride, col_stride: x.col_stride }
    }

    /// The block from element (i, j) on.
    pub fn at(self, i: usize, j: usize) -> Self {
        Self { data: &self.data[(i * self.row_stride + j * self.col_stride).min(self.data.len())..], ..self }
    }

    /// The matrix with rows for columns.
    pub fn transposed(self) -> Self {
        Self { data: self.data, row_stride: self.col_stride, col_stride: self.row_stride }
    }
}

/// Copies `rows * cols` elements into `panel`, `width` elements per row; columns from `cols` on are
/// zero.
pub(crate) fn pack<E: Float>(
    isa: Isa,
    src: Block<'_, E>,
    rows: usize,
    cols: usize,
    panel: &mut [E::Acc],
    width: usize,
) {
    panels(isa, src, rows, std::iter::once((cols, width)), panel);
}

/// Rows that are copied to one panel after the other, so that whole cache lines are read before their
/// successors replace them.
const ROWS: usize = 32;

/// Columns of the widest panel.
const WIDE: usize = 32;

/// Packs adjacent columns of `src` into panels, one after the other in `to`: each has `rows` rows, and
/// columns and width as in [`pack`].
pub(crate) fn panels<E: Float>(
    isa: Isa,
    src: Block<'_, E>,
    rows: usize,
    widths: impl Iterator<Item = (usize, usize)> + Clone,
    to: &mut [E::Acc],
) {
    let step = if src.col_stride == 1 { ROWS } else { rows.max(1) };
    for first in (0..rows).step_by(step) {
        let height = step.min(rows - first);
        let (mut column, mut at) = (0, 0);
        for (cols, width) in widths.clone() {
            debug_assert!(cols <= width);
            let panel = &mut to[at + first * width..at + (first + height) * width];
            panel_rows(isa, src.at(first, column), height, cols, panel, width);
            (column, at) = (column + cols, at + rows * width);
        }
    }
}

/// Some rows of a panel.
fn panel_rows<E: Float>(
    isa: Isa,
    src: Block<'_, E>,
    rows: usize,
    cols: usize,
    panel: &mut [E::Acc],
    width: usize,
) {
    if cols < width {
        for row in panel.chunks_exact_mut(width).take(rows) {
            row[cols..].fill(<E::Acc as Real>::ZERO);
        }
    }
    if rows == 0 || cols == 0 {
        return;
    }
    if src.col_stride == 1 && cols > WIDE {
        for (i, row) in panel.chunks_exact_mut(width).take(rows).enumerate() {
            E::widen(isa, &src.data[i * src.row_stride..][..cols], &mut row[..cols]);
        }
    } else if src.col_stride == 1 {
        copy_rows(isa, src.data, src.row_stride, rows, cols, panel, width);
    } else if src.row_stride == 1 {
        E::transpose(isa, src.data, src.col_stride, rows, cols, panel, width);
    } else {
        for (i, row) in panel.chunks_exact_mut(width).take(rows).enumerate() {
            for (j, x) in row[..cols].iter_mut().enumerate() {
                *x = src.data[i * src.row_stride + j * src.col_stride].to_acc();
            }
        }
    }
}

multiversion! {
    /// Copies `rows` rows of `cols` elements; the usual widths of panels by code of their own.
    fn copy_rows[E: Float](
        src: &[E],
        src_stride: usize,
        rows: usize,
        cols: usize,
        panel: &mut [E::Acc],
        width: usize,
    ) {
        match cols {
            4 => copy_rows_of::<E, 4>(src, src_stride, rows, panel, width),
            5 => copy_rows_of::<E, 5>(src, src_stride, rows, panel, width),
            6 => copy_rows_of::<E, 6>(src, src_stride, rows, panel, width),
            8 => copy_rows_of::<E, 8>(src, src_stride, rows, panel, width),
            12 => copy_rows_of::<E, 12>(src, src_stride, rows, panel, width),
            13 => copy_rows_of::<E, 13>(src, src_stride, rows, panel, width),
            14 => copy_rows_of::<E, 14>(src, src_stride, rows, panel, width),
            16 => copy_rows_of::<E, 16>(src, src_stride, rows, panel, width),
            32 => copy_rows_of::<E, 32>(src, src_stride, rows, panel, width),
            _ => {
                for (i, row) in panel.chunks_exact_mut(width).take(rows).enumerate() {
                    let from = &src[i * src_stride..][..cols];
                    row[..cols].iter_mut().zip(from).for_each(|(y, &x)| *y = x.to_acc());
                }
            }
        }
    }
}

/// As [`copy_rows`].
#[inline(always)]
fn copy_rows_of<E: Float, const COLS: usize>(
    src: &[E],
    src_stride: usize,
    rows: usize,
    panel: &mut [E::Acc],
    width: usize,
) {
    for (i, row) in panel.chunks_exact_mut(width).take(rows).enumerate() {
        let from = &src[i * src_stride..][..COLS];
        for (y, &x) in row[..COLS].iter_mut().zip(from) {
            *y = x.to_acc();
        }
    }
}
