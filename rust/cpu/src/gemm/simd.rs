//! The vector operations of the micro-kernels, for each instruction set.

/// A vector of `LANES` elements.
///
/// # Safety
/// All methods require that the processor has the implementor's instruction set and are inlined into
/// functions that enable it. Loads and stores require valid memory, of any alignment, for the elements
/// that they touch; masked ones touch only the lanes in the mask.
pub(crate) unsafe trait Simd: Copy {
    /// Element type.
    type Elem: Copy;
    /// The first n lanes.
    type Mask: Copy;
    /// Elements per vector.
    const LANES: usize;
    /// Whether a masked load costs no more than a whole one. Where it does, the micro-kernel loads
    /// whole vectors and wants B padded.
    const CHEAP_MASKS: bool;
    unsafe fn zero() -> Self;
    unsafe fn splat(x: *const Self::Elem) -> Self;
    unsafe fn mask(lanes: usize) -> Self::Mask;
    unsafe fn load(p: *const Self::Elem) -> Self;
    /// Zero outside the mask.
    unsafe fn load_masked(p: *const Self::Elem, mask: Self::Mask) -> Self;
    unsafe fn store(self, p: *mut Self::Elem);
    unsafe fn store_masked(self, p: *mut Self::Elem, mask: Self::Mask);
    /// `self * b + c`, fused where the instruction set can.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    /// The greater of the lanes and zero; NaN stays NaN.
    unsafe fn relu(self) -> Self;
    /// Asks for the cache line at an address, which may be any.
    #[inline(always)]
    unsafe fn prefetch(p: *const Self::Elem) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE is part of x86-64.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast());
        }
        let _ = p;
    }
    /// Sum of the lanes, in a fixed order.
    unsafe fn sum(self) -> Self::Elem;
}

/// Sum of 2^k values by halves.
#[inline(always)]
fn tree_sum<T: Copy + std::ops::Add<Output = T>, const N: usize>(mut x: [T; N]) -> T {
    let mut n = N;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            x[i] = x[i] + x[i + n];
        }
    }
    x[0]
}

#[cfg(target_arch = "x86_64")]
macro_rules! x86 {
    ($name:ident, $elem:ty, $reg:ty, $lanes:expr, $mask:ty, |$n:ident| $make_mask:expr, $zero:ident, $set1:ident, $loadu:ident,
     $storeu:ident, |$lm:ident, $lp:ident| $loadm:expr, |$sp:ident, $sm:ident, $sv:ident| $storem:expr, $fmadd:ident, $add:ident, $max:ident, $sum:ident) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $name($reg);

        // SAFETY: the trait's contract is the intrinsics' own.
        unsafe impl Simd for $name {
            type Elem = $elem;
            type Mask = $mask;
            const LANES: usize = $lanes;
            const CHEAP_MASKS: bool = $lanes * size_of::<$elem>() == 64;
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller has the instruction set.
                Self(unsafe { $zero() })
            }
            #[inline(always)]
            unsafe fn splat(x: *const $elem) -> Self {
                // SAFETY: as above; the element is valid.
                Self(unsafe { $set1(*x) })
            }
            #[inline(always)]
            unsafe fn mask($n: usize) -> $mask {
                // SAFETY: the caller has the instruction set.
                #[allow(unused_unsafe)]
                unsafe {
                    $make_mask
                }
            }
            #[inline(always)]
            unsafe fn load(p: *const $elem) -> Self {
                // SAFETY: the memory is valid.
                Self(unsafe { $loadu(p) })
            }
            #[inline(always)]
            unsafe fn load_masked($lp: *const $elem, $lm: $mask) -> Self {
                // SAFETY: the lanes in the mask are valid memory.
                Self(unsafe { $loadm })
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $elem) {
                // SAFETY: the memory is valid.
                unsafe { $storeu(p, self.0) }
            }
            #[inline(always)]
            unsafe fn store_masked(self, $sp: *mut $elem, $sm: $mask) {
                let $sv = self.0;
                // SAFETY: the lanes in the mask are valid memory.
                unsafe { $storem }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: the caller has the instruction set.
                Self(unsafe { $fmadd(self.0, b.0, c.0) })
            }
            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                // SAFETY: the caller has the instruction set.
                Self(unsafe { $add(self.0, b.0) })
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // The instruction returns its second operand when one is NaN.
                // SAFETY: the caller has the instruction set.
                Self(unsafe { $max($zero(), self.0) })
            }
            #[inline(always)]
            unsafe fn sum(self) -> $elem {
                // SAFETY: the caller has the instruction set.
                unsafe { $sum(self.0) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    /// The first `lanes` lanes.
    ///
    /// # Safety
    /// They are valid memory, and the caller has AVX2.
    #[inline(always)]
    unsafe fn load_ps(p: *const f32, lanes: usize) -> __m256 {
        // SAFETY: masked loads touch no more than the lanes in the mask.
        unsafe {
            let all = _mm256_set1_epi32(lanes as i32);
            _mm256_maskload_ps(p, _mm256_cmpgt_epi32(all, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)))
        }
    }

    /// The first `lanes` lanes.
    ///
    /// # Safety
    /// As [`load_ps`].
    #[inline(always)]
    unsafe fn load_pd(p: *const f64, lanes: usize) -> __m256d {
        // SAFETY: as above.
        unsafe {
            let all = _mm256_set1_epi64x(lanes as i64);
            _mm256_maskload_pd(p, _mm256_cmpgt_epi64(all, _mm256_setr_epi64x(0, 1, 2, 3)))
        }
    }

    /// Stores the first `lanes` lanes in halves: a masked store takes an AMD processor a dozen cycles.
    ///
    /// # Safety
    /// They are valid memory, and the caller has AVX2.
    #[inline(always)]
    unsafe fn store_ps(p: *mut f32, lanes: usize, x: __m256) {
        // SAFETY: each part is inside of the first `lanes` lanes.
        unsafe {
            let (mut p, mut part) = (p, _mm256_castps256_ps128(x));
            if lanes >= 8 {
                return _mm256_storeu_ps(p, x);
            }
            if lanes & 4 != 0 {
                _mm_storeu_ps(p, part);
                (p, part) = (p.add(4), _mm256_extractf128_ps::<1>(x));
            }
            if lanes & 2 != 0 {
                _mm_storel_pd(p.cast(), _mm_castps_pd(part));
                (p, part) = (p.add(2), _mm_movehl_ps(part, part));
            }
            if lanes & 1 != 0 {
                _mm_store_ss(p, part);
            }
        }
    }

    /// Stores the first `lanes` lanes in halves.
    ///
    /// # Safety
    /// As [`store_ps`].
    #[inline(always)]
    unsafe fn store_pd(p: *mut f64, lanes: usize, x: __m256d) {
        // SAFETY: as above.
        unsafe {
            let (mut p, mut part) = (p, _mm256_castpd256_pd128(x));
            if lanes >= 4 {
                return _mm256_storeu_pd(p, x);
            }
            if lanes & 2 != 0 {
                _mm_storeu_pd(p, part);
                (p, part) = (p.add(2), _mm256_extractf128_pd::<1>(x));
            }
            if lanes & 1 != 0 {
                _mm_store_sd(p, part);
            }
        }
    }

    /// Sum of the lanes by halves.
    ///
    /// # Safety
    /// The caller has AVX2.
    #[inline(always)]
    unsafe fn sum_8(x: __m256) -> f32 {
        // SAFETY: the contract.
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }

    /// Sum of the lanes by halves.
    ///
    /// # Safety
    /// The caller has AVX2.
    #[inline(always)]
    unsafe fn sum_4d(x: __m256d) -> f64 {
        // SAFETY: the contract.
        unsafe {
            let x = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
            _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)))
        }
    }

    /// Sum of the lanes by halves.
    ///
    /// # Safety
    /// The caller has AVX-512 F and DQ.
    #[inline(always)]
    unsafe fn sum_16(x: __m512) -> f32 {
        // SAFETY: the contract.
        unsafe { sum_8(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x))) }
    }

    /// Sum of the lanes by halves.
    ///
    /// # Safety
    /// The caller has AVX-512 F and DQ.
    #[inline(always)]
    unsafe fn sum_8d(x: __m512d) -> f64 {
        // SAFETY: the contract.
        unsafe { sum_4d(_mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd::<1>(x))) }
    }

    x86!(
        F32x16,
        f32,
        __m512,
        16,
        u16,
        |n| if n >= 16 { u16::MAX } else { (1u16 << n) - 1 },
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        |m, p| _mm512_maskz_loadu_ps(m, p),
        |p, m, v| _mm512_mask_storeu_ps(p, m, v),
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_max_ps,
        sum_16
    );
    x86!(
        F64x8,
        f64,
        __m512d,
        8,
        u8,
        |n| if n >= 8 { u8::MAX } else { (1u8 << n) - 1 },
        _mm512_setzero_pd,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        |m, p| _mm512_maskz_loadu_pd(m, p),
        |p, m, v| _mm512_mask_storeu_pd(p, m, v),
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_max_pd,
        sum_8d
    );
    x86!(
        F32x8,
        f32,
        __m256,
        8,
        usize,
        |n| n,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        |m, p| load_ps(p, m),
        |p, m, v| store_ps(p, m, v),
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_max_ps,
        sum_8
    );
    x86!(
        F64x4,
        f64,
        __m256d,
        4,
        usize,
        |n| n,
        _mm256_setzero_pd,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        |m, p| load_pd(p, m),
        |p, m, v| store_pd(p, m, v),
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_max_pd,
        sum_4d
    );
}
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{F32x8, F32x16, F64x4, F64x8};

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{Simd, tree_sum};
    use std::arch::aarch64::*;

    macro_rules! neon {
        ($name:ident, $elem:ty, $reg:ty, $lanes:expr, $dup:ident, $ld:ident, $st:ident, $fma:ident, $add:ident, $max:ident) => {
            #[derive(Clone, Copy)]
            pub(crate) struct $name($reg);

            // SAFETY: NEON is part of aarch64; loads and stores are the trait's.
            unsafe impl Simd for $name {
                type Elem = $elem;
                type Mask = usize;
                const LANES: usize = $lanes;
                const CHEAP_MASKS: bool = false;
                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: NEON is part of aarch64.
                    Self(unsafe { $dup(0.0) })
                }
                #[inline(always)]
                unsafe fn splat(x: *const $elem) -> Self {
                    // SAFETY: the element is valid.
                    Self(unsafe { $dup(*x) })
                }
                #[inline(always)]
                unsafe fn mask(lanes: usize) -> usize {
                    lanes.min($lanes)
                }
                #[inline(always)]
                unsafe fn load(p: *const $elem) -> Self {
                    // SAFETY: the memory is valid.
                    Self(unsafe { $ld(p) })
                }
                #[inline(always)]
                unsafe fn load_masked(p: *const $elem, mask: usize) -> Self {
                    if mask == $lanes {
                        // SAFETY: all lanes are valid.
                        return unsafe { Self::load(p) };
                    }
                    let mut lanes = [0.0; $lanes];
                    // SAFETY: the lanes in the mask are valid, the array is local.
                    unsafe {
                        std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), mask);
                        Self::load(lanes.as_ptr())
                    }
                }
                #[inline(always)]
                unsafe fn store(self, p: *mut $elem) {
                    // SAFETY: the memory is valid.
                    unsafe { $st(p, self.0) }
                }
                #[inline(always)]
                unsafe fn store_masked(self, p: *mut $elem, mask: usize) {
                    let mut lanes = [0.0; $lanes];
                    // SAFETY: the lanes in the mask are valid, the array is local.
                    unsafe {
                        self.store(lanes.as_mut_ptr());
                        std::ptr::copy_nonoverlapping(lanes.as_ptr(), p, mask);
                    }
                }
                #[inline(always)]
                unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                    // SAFETY: NEON is part of aarch64.
                    Self(unsafe { $fma(c.0, self.0, b.0) })
                }
                #[inline(always)]
                unsafe fn add(self, b: Self) -> Self {
                    // SAFETY: NEON is part of aarch64.
                    Self(unsafe { $add(self.0, b.0) })
                }
                #[inline(always)]
                unsafe fn relu(self) -> Self {
                    // SAFETY: NEON is part of aarch64. FMAX returns NaN when an operand is NaN.
                    Self(unsafe { $max(self.0, $dup(0.0)) })
                }
                #[inline(always)]
                unsafe fn sum(self) -> $elem {
                    let mut lanes = [0.0; $lanes];
                    // SAFETY: the array has the vector's size.
                    unsafe { self.store(lanes.as_mut_ptr()) };
                    tree_sum(lanes)
                }
            }
        };
    }
    neon!(F32x4, f32, float32x4_t, 4, vdupq_n_f32, vld1q_f32, vst1q_f32, vfmaq_f32, vaddq_f32, vmaxq_f32);
    neon!(F64x2, f64, float64x2_t, 2, vdupq_n_f64, vld1q_f64, vst1q_f64, vfmaq_f64, vaddq_f64, vmaxq_f64);
}
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{F32x4, F64x2};

/// Plain arrays, for the baseline: the compiler makes vectors of them.
#[derive(Clone, Copy)]
pub(crate) struct Array<T, const N: usize>([T; N]);

macro_rules! portable {
    ($elem:ty, $lanes:expr) => {
        // SAFETY: needs no instruction set; loads and stores are the trait's.
        unsafe impl Simd for Array<$elem, $lanes> {
            type Elem = $elem;
            type Mask = usize;
            const LANES: usize = $lanes;
            const CHEAP_MASKS: bool = $lanes * size_of::<$elem>() == 64;
            #[inline(always)]
            unsafe fn zero() -> Self {
                Self([0.0; $lanes])
            }
            #[inline(always)]
            unsafe fn splat(x: *const $elem) -> Self {
                // SAFETY: the element is valid.
                Self([unsafe { *x }; $lanes])
            }
            #[inline(always)]
            unsafe fn mask(lanes: usize) -> usize {
                lanes.min($lanes)
            }
            #[inline(always)]
            unsafe fn load(p: *const $elem) -> Self {
                // SAFETY: the memory is valid; the read is unaligned.
                Self(unsafe { p.cast::<[$elem; $lanes]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn load_masked(p: *const $elem, mask: usize) -> Self {
                if mask == $lanes {
                    // SAFETY: all lanes are valid.
                    return unsafe { Self::load(p) };
                }
                let mut lanes = [0.0; $lanes];
                for (i, lane) in lanes.iter_mut().enumerate().take(mask) {
                    // SAFETY: the lanes in the mask are valid.
                    *lane = unsafe { *p.add(i) };
                }
                Self(lanes)
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $elem) {
                // SAFETY: the memory is valid; the write is unaligned.
                unsafe { p.cast::<[$elem; $lanes]>().write_unaligned(self.0) }
            }
            #[inline(always)]
            unsafe fn store_masked(self, p: *mut $elem, mask: usize) {
                for (i, &lane) in self.0.iter().enumerate().take(mask) {
                    // SAFETY: the lanes in the mask are valid.
                    unsafe { *p.add(i) = lane };
                }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
            }
            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] + b.0[i]))
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                Self(self.0.map(|x| if x < 0.0 { 0.0 } else { x }))
            }
            #[inline(always)]
            unsafe fn sum(self) -> $elem {
                tree_sum(self.0)
            }
        }
    };
}
portable!(f32, 4);
portable!(f64, 2);
