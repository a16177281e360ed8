//! Packing: blocks of a matrix copied into the order in which the micro-kernel reads them, converted
//! to the accumulator's type on the way.

use super::MatRef;
use super::elem::Float;
use super::kernel::Real;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;

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
    debug_assert!(cols <= width && panel.len() >= rows * width);
    if cols < width {
        for row in panel.chunks_exact_mut(width).take(rows) {
            row[cols..].fill(<E::Acc as Real>::ZERO);
        }
    }
    if rows == 0 || cols == 0 {
        return;
    }
    if src.col_stride == 1 {
        for (i, row) in panel.chunks_exact_mut(width).take(rows).enumerate() {
            let from = i * src.row_stride;
            E::widen(isa, &src.data[from..from + cols], &mut row[..cols]);
        }
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

/// Writes `dst[i * dst_stride + j] = src[j * src_stride + i]` for i < rows, j < cols.
#[inline(always)]
pub(crate) fn transpose_plain<E: Float>(
    src: &[E],
    src_stride: usize,
    rows: usize,
    cols: usize,
    dst: &mut [E::Acc],
    dst_stride: usize,
) {
    for (i, row) in dst.chunks_mut(dst_stride).take(rows).enumerate() {
        for (j, x) in row[..cols].iter_mut().enumerate() {
            *x = src[j * src_stride + i].to_acc();
        }
    }
}

/// The same for f32, eight by eight in registers where there is AVX2.
pub(crate) fn transpose_f32(
    isa: Isa,
    src: &[f32],
    src_stride: usize,
    rows: usize,
    cols: usize,
    dst: &mut [f32],
    dst_stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if isa.level() >= Level::Avx2 && rows >= 8 && cols >= 8 {
        assert!(
            src.len() > (cols - 1) * src_stride + rows - 1 && dst.len() >= (rows - 1) * dst_stride + cols
        );
        // SAFETY: the instruction set was detected, the assertion covers all that is read and written.
        return unsafe {
            transpose_f32_avx2(src.as_ptr(), src_stride, rows, cols, dst.as_mut_ptr(), dst_stride)
        };
    }
    let _ = isa;
    transpose_plain(src, src_stride, rows, cols, dst, dst_stride);
}

/// # Safety
/// `src` and `dst` hold the matrices; both sides are at least 8.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn transpose_f32_avx2(
    src: *const f32,
    src_stride: usize,
    rows: usize,
    cols: usize,
    dst: *mut f32,
    dst_stride: usize,
) {
    use std::arch::x86_64::*;
    // Sixteen rows of eight columns at a time, so that cache lines are used whole. The last blocks
    // overlap the ones before instead of being smaller.
    for i in (0..rows).step_by(16) {
        for j in (0..cols).step_by(8) {
            for i in [i, i + 8] {
                if i >= rows {
                    break;
                }
                let (i, j) = (i.min(rows - 8), j.min(cols - 8));
                // SAFETY: rows i..i + 8 and columns j..j + 8 are inside.
                unsafe {
                    let s = src.add(j * src_stride + i);
                    let d = dst.add(i * dst_stride + j);
                    let x: [__m256; 8] = std::array::from_fn(|c| _mm256_loadu_ps(s.add(c * src_stride)));
                    let pair = |a: __m256, b: __m256| (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                    let (t0, t1) = pair(x[0], x[1]);
                    let (t2, t3) = pair(x[2], x[3]);
                    let (t4, t5) = pair(x[4], x[5]);
                    let (t6, t7) = pair(x[6], x[7]);
                    let quad = |a: __m256, b: __m256| {
                        (_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b))
                    };
                    let (u0, u1) = quad(t0, t2);
                    let (u2, u3) = quad(t1, t3);
                    let (u4, u5) = quad(t4, t6);
                    let (u6, u7) = quad(t5, t7);
                    for (r, (a, b)) in [(u0, u4), (u1, u5), (u2, u6), (u3, u7)].into_iter().enumerate() {
                        _mm256_storeu_ps(d.add(r * dst_stride), _mm256_permute2f128_ps::<0x20>(a, b));
                        _mm256_storeu_ps(d.add((r + 4) * dst_stride), _mm256_permute2f128_ps::<0x31>(a, b));
                    }
                }
            }
        }
    }
}

/// As [`transpose_f32`], four by four.
pub(crate) fn transpose_f64(
    isa: Isa,
    src: &[f64],
    src_stride: usize,
    rows: usize,
    cols: usize,
    dst: &mut [f64],
    dst_stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if isa.level() >= Level::Avx2 && rows >= 4 && cols >= 4 {
        assert!(
            src.len() > (cols - 1) * src_stride + rows - 1 && dst.len() >= (rows - 1) * dst_stride + cols
        );
        // SAFETY: the instruction set was detected, the assertion covers all that is read and written.
        return unsafe {
            transpose_f64_avx2(src.as_ptr(), src_stride, rows, cols, dst.as_mut_ptr(), dst_stride)
        };
    }
    let _ = isa;
    transpose_plain(src, src_stride, rows, cols, dst, dst_stride);
}

/// # Safety
/// `src` and `dst` hold the matrices; both sides are at least 4.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn transpose_f64_avx2(
    src: *const f64,
    src_stride: usize,
    rows: usize,
    cols: usize,
    dst: *mut f64,
    dst_stride: usize,
) {
    use std::arch::x86_64::*;
    for i in (0..rows).step_by(8) {
        for j in (0..cols).step_by(4) {
            for i in [i, i + 4] {
                if i >= rows {
                    break;
                }
                let (i, j) = (i.min(rows - 4), j.min(cols - 4));
                // SAFETY: rows i..i + 4 and columns j..j + 4 are inside.
                unsafe {
                    let s = src.add(j * src_stride + i);
                    let d = dst.add(i * dst_stride + j);
                    let x: [__m256d; 4] = std::array::from_fn(|c| _mm256_loadu_pd(s.add(c * src_stride)));
                    let (t0, t1) = (_mm256_unpacklo_pd(x[0], x[1]), _mm256_unpackhi_pd(x[0], x[1]));
                    let (t2, t3) = (_mm256_unpacklo_pd(x[2], x[3]), _mm256_unpackhi_pd(x[2], x[3]));
                    _mm256_storeu_pd(d, _mm256_permute2f128_pd::<0x20>(t0, t2));
                    _mm256_storeu_pd(d.add(dst_stride), _mm256_permute2f128_pd::<0x20>(t1, t3));
                    _mm256_storeu_pd(d.add(2 * dst_stride), _mm256_permute2f128_pd::<0x31>(t0, t2));
                    _mm256_storeu_pd(d.add(3 * dst_stride), _mm256_permute2f128_pd::<0x31>(t1, t3));
                }
            }
        }
    }
}
