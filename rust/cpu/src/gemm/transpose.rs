//! Transposition of blocks, converted to the accumulator's type on the way.

use super::elem::Float;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Writes `dst[i * dst_stride + j] = src[j * src_stride + i]` for i < rows, j < cols. May write zeros
/// between `cols` and `dst_stride`.
#[inline(always)]
pub(crate) fn plain<E: Float>(
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

/// Defines a function like [`plain`] that moves squares of `$n` by `$n` elements through registers where
/// there is AVX2.
macro_rules! transpose {
    ($name:ident, $elem:ty, $acc:ty, $n:literal, $features:literal,
     $load:path, $zero:path, $store:path, $square:path) => {
        /// [`plain`] for one type.
        pub(crate) fn $name(
            isa: Isa,
            src: &[$elem],
            src_stride: usize,
            rows: usize,
            cols: usize,
            dst: &mut [$acc],
            dst_stride: usize,
        ) {
            #[cfg(target_arch = "x86_64")]
            if isa.level() >= Level::Avx2 && rows >= $n && cols >= 2 {
                #[target_feature(enable = $features)]
                fn avx2(
                    src: &[$elem],
                    src_stride: usize,
                    rows: usize,
                    cols: usize,
                    dst: &mut [$acc],
                    dst_stride: usize,
                ) {
                    assert!(cols <= dst_stride && src.len() > (cols - 1) * src_stride + rows - 1);
                    assert!(dst.len() >= (rows - 1) * dst_stride + cols);
                    let (src, dst) = (src.as_ptr(), dst.as_mut_ptr());
                    let width = cols.min($n);
                    // Two squares of a column of squares in turn, so that cache lines are used whole. Those
                    // at the end overlap the ones before where they can.
                    for i in (0..rows).step_by(2 * $n) {
                        for j in (0..cols).step_by($n) {
                            for i in [i, i + $n] {
                                if i >= rows {
                                    break;
                                }
                                let (i, j) = (i.min(rows - $n), j.min(cols - width));
                                // Zeros may be written after the columns: rows come in order, so zeros in
                                // the place of a later row are replaced.
                                let end = (i + $n - 1) * dst_stride + j + $n;
                                let whole = width == $n || end <= (rows - 1) * dst_stride + cols;
                                // SAFETY: rows i..i + $n and columns j..j + width are inside, by the
                                // assertions; vectors are stored beyond these only when that is inside.
                                unsafe {
                                    let from = src.add(j * src_stride + i);
                                    let to = dst.add(i * dst_stride + j);
                                    let mut x = [$zero(); $n];
                                    for c in 0..$n {
                                        if c < width {
                                            x[c] = $load(from.add(c * src_stride));
                                        }
                                    }
                                    let y = $square(x);
                                    for r in 0..$n {
                                        if whole {
                                            $store(to.add(r * dst_stride), y[r]);
                                        } else {
                                            let mut row = [0.0; $n];
                                            $store(row.as_mut_ptr(), y[r]);
                                            let row = row.as_ptr();
                                            std::ptr::copy_nonoverlapping(row, to.add(r * dst_stride), width);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                // SAFETY: the instruction set was detected.
                return unsafe { avx2(src, src_stride, rows, cols, dst, dst_stride) };
            }
            let _ = isa;
            plain(src, src_stride, rows, cols, dst, dst_stride);
        }
    };
}

transpose!(
    transpose_f32,
    f32,
    f32,
    8,
    "avx2",
    _mm256_loadu_ps,
    _mm256_setzero_ps,
    _mm256_storeu_ps,
    x86::square_ps
);
transpose!(
    transpose_f64,
    f64,
    f64,
    4,
    "avx2",
    _mm256_loadu_pd,
    _mm256_setzero_pd,
    _mm256_storeu_pd,
    x86::square_pd
);
transpose!(
    transpose_f16,
    half::f16,
    f32,
    8,
    "avx2,f16c",
    x86::load_f16,
    _mm256_setzero_ps,
    _mm256_storeu_ps,
    x86::square_ps
);
transpose!(
    transpose_bf16,
    half::bf16,
    f32,
    8,
    "avx2",
    x86::load_bf16,
    _mm256_setzero_ps,
    _mm256_storeu_ps,
    x86::square_ps
);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use half::{bf16, f16};
    use std::arch::x86_64::*;

    /// Eight elements, widened.
    ///
    /// # Safety
    /// They are valid memory.
    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub unsafe fn load_f16(p: *const f16) -> __m256 {
        // SAFETY: the contract.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(p.cast()) })
    }

    /// Eight elements, widened.
    ///
    /// # Safety
    /// They are valid memory.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn load_bf16(p: *const bf16) -> __m256 {
        // SAFETY: the contract.
        let bits = unsafe { _mm_loadu_si128(p.cast()) };
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
    }

    /// The transpose of eight vectors.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn square_ps(x: [__m256; 8]) -> [__m256; 8] {
        let mut t = [x[0]; 8];
        for i in (0..8).step_by(2) {
            t[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
            t[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
        }
        let mut u = t;
        for i in [0, 1, 4, 5] {
            // Columns 2 i and 2 i + 1 (modulo 4) of four rows.
            u[2 * (i % 4) + i / 4 * 4] = _mm256_shuffle_ps::<0x44>(t[i], t[i + 2]);
            u[2 * (i % 4) + i / 4 * 4 + 1] = _mm256_shuffle_ps::<0xee>(t[i], t[i + 2]);
        }
        let mut y = u;
        for i in 0..4 {
            y[i] = _mm256_permute2f128_ps::<0x20>(u[i], u[i + 4]);
            y[i + 4] = _mm256_permute2f128_ps::<0x31>(u[i], u[i + 4]);
        }
        y
    }

    /// The transpose of four vectors.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn square_pd(x: [__m256d; 4]) -> [__m256d; 4] {
        let (t0, t1) = (_mm256_unpacklo_pd(x[0], x[1]), _mm256_unpackhi_pd(x[0], x[1]));
        let (t2, t3) = (_mm256_unpacklo_pd(x[2], x[3]), _mm256_unpackhi_pd(x[2], x[3]));
        [
            _mm256_permute2f128_pd::<0x20>(t0, t2),
            _mm256_permute2f128_pd::<0x20>(t1, t3),
            _mm256_permute2f128_pd::<0x31>(t0, t2),
            _mm256_permute2f128_pd::<0x31>(t1, t3),
        ]
    }
}
