//! Element types of floating-point products: as stored, and as accumulated.

use bytemuck::Pod;
use half::{bf16, f16};

use super::kernel::Real;
use super::transpose::{transpose_bf16, transpose_f16, transpose_f32, transpose_f64};
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::multiversion;
use crate::pool::SharedMut;
use crate::vmath::{bf16_from_f32, bf16_to_f32, f16_from_f32, f16_to_f32};

multiversion! {
    fn widen_bf16(src: &[bf16], dst: &mut [f32]) {
        assert_eq!(src.len(), dst.len());
        for (x, y) in src.iter().zip(dst) {
            *y = bf16_to_f32(x.to_bits());
        }
    }
    fn widen_f16_by_bits(src: &[f16], dst: &mut [f32]) {
        assert_eq!(src.len(), dst.len());
        for (x, y) in src.iter().zip(dst) {
            *y = f16_to_f32(x.to_bits());
        }
    }
}

/// Converts by the instruction for it, where there is one.
fn widen_f16(isa: Isa, src: &[f16], dst: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if isa.level() >= Level::Avx2 {
        use std::arch::x86_64::*;
        #[target_feature(enable = "avx2,f16c")]
        fn vectors(src: &[f16], dst: &mut [f32]) {
            for (x, y) in src.chunks_exact(8).zip(dst.chunks_exact_mut(8)) {
                // SAFETY: both have eight elements.
                unsafe {
                    _mm256_storeu_ps(y.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast())))
                }
            }
        }
        assert_eq!(src.len(), dst.len());
        let whole = src.len() / 8 * 8;
        // SAFETY: the instruction set was detected.
        unsafe { vectors(&src[..whole], &mut dst[..whole]) };
        return widen_f16_by_bits(isa, &src[whole..], &mut dst[whole..]);
    }
    widen_f16_by_bits(isa, src, dst);
}

/// A floating-point type as stored in tensors: f32, f64, and float16 and bfloat16, whose products are
/// accumulated in f32.
pub trait Float: Pod + Send + Sync {
    /// Type of products and sums.
    type Acc: Real + Float<Acc = Self::Acc>;
    /// Exact.
    fn to_acc(self) -> Self::Acc;
    /// Rounded to nearest even.
    fn from_acc(x: Self::Acc) -> Self;
    /// Converts a slice to one of the same length.
    fn widen(isa: Isa, src: &[Self], dst: &mut [Self::Acc]);
    /// Converts a slice to one of the same length, rounding to nearest even.
    fn narrow(isa: Isa, src: &[Self::Acc], dst: &mut [Self]);
    /// `dst[i * dst_stride + j] = src[j * src_stride + i]` for i < rows, j < cols; may write zeros
    /// between `cols` and `dst_stride`.
    fn transpose(
        isa: Isa,
        src: &[Self],
        src_stride: usize,
        rows: usize,
        cols: usize,
        dst: &mut [Self::Acc],
        dst_stride: usize,
    );
    /// The slice itself, when it needs no conversion.
    fn as_acc(src: &[Self]) -> Option<&[Self::Acc]>;
    /// The shared slice as one of the accumulator's type if it is, else unchanged.
    fn shared(dst: SharedMut<Self>) -> Result<SharedMut<Self::Acc>, SharedMut<Self>>;
}

macro_rules! wide {
    ($($elem:ty, $transpose:ident;)*) => {$(
        impl Float for $elem {
            type Acc = Self;
            #[inline(always)]
            fn to_acc(self) -> Self {
                self
            }
            #[inline(always)]
            fn from_acc(x: Self) -> Self {
                x
            }
            fn widen(_: Isa, src: &[Self], dst: &mut [Self]) {
                dst.copy_from_slice(src);
            }
            fn narrow(_: Isa, src: &[Self], dst: &mut [Self]) {
                dst.copy_from_slice(src);
            }
            fn transpose(isa: Isa, src: &[Self], src_stride: usize, rows: usize, cols: usize, dst: &mut [Self], dst_stride: usize) {
                $transpose(isa, src, src_stride, rows, cols, dst, dst_stride);
            }
            #[inline(always)]
            fn as_acc(src: &[Self]) -> Option<&[Self]> {
                Some(src)
            }
            fn shared(dst: SharedMut<Self>) -> Result<SharedMut<Self>, SharedMut<Self>> {
                Ok(dst)
            }
        }
    )*};
}
wide! { f32, transpose_f32; f64, transpose_f64; }

macro_rules! narrow {
    ($($elem:ty, $widen:ident, $narrow:ident, $transpose:ident, $to:path, $from:path;)*) => {$(
        multiversion! {
            fn $narrow(src: &[f32], dst: &mut [$elem]) {
                assert_eq!(src.len(), dst.len());
                for (&x, y) in src.iter().zip(dst) {
                    *y = <$elem>::from_bits($from(x));
                }
            }
        }

        impl Float for $elem {
            type Acc = f32;
            #[inline(always)]
            fn to_acc(self) -> f32 {
                $to(self.to_bits())
            }
            #[inline(always)]
            fn from_acc(x: f32) -> Self {
                Self::from_bits($from(x))
            }
            fn widen(isa: Isa, src: &[Self], dst: &mut [f32]) {
                $widen(isa, src, dst);
            }
            fn narrow(isa: Isa, src: &[f32], dst: &mut [Self]) {
                $narrow(isa, src, dst);
            }
            fn transpose(isa: Isa, src: &[Self], src_stride: usize, rows: usize, cols: usize, dst: &mut [f32], dst_stride: usize) {
                $transpose(isa, src, src_stride, rows, cols, dst, dst_stride);
            }
            #[inline(always)]
            fn as_acc(_: &[Self]) -> Option<&[f32]> {
                None
            }
            fn shared(dst: SharedMut<Self>) -> Result<SharedMut<f32>, SharedMut<Self>> {
                Err(dst)
            }
        }
    )*};
}
narrow! {
    f16, widen_f16, narrow_f16, transpose_f16, f16_to_f32, f16_from_f32;
    bf16, widen_bf16, narrow_bf16, transpose_bf16, bf16_to_f32, bf16_from_f32;
}
