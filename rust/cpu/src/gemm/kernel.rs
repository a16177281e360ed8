//! The micro-kernel: one tile of C, kept in registers over the whole depth.
//!
//! A tile has up to `MR` rows and `NV` vectors of columns. For each step of the depth it loads `NV`
//! vectors of B's row and multiplies them with `MR` elements of A, each broadcast. Broadcasting
//! needs no particular layout of A, so A is read where it lies (either orientation), a convolution
//! reads its patches straight from the image, and packing is an option for large operands alone.
//!
//! The depth comes in segments, (start in A, start in B, length): one for a matrix product, one per
//! kernel row for a convolution, one per output row for a convolution's kernel gradient.
//!
//! Each element of C is one chain of multiply-adds in the order of the segments, whatever the tile's
//! size: how the work is cut into tiles never changes a result.

use std::ops::{Add, AddAssign, Mul};

use bytemuck::Pod;

use super::simd::Simd;
use crate::isa::{Isa, Level};

/// Consecutive steps of the depth.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// Elements from A's origin to the first step.
    pub a: usize,
    /// Elements from B's origin to the first step.
    pub b: usize,
    /// Number of steps.
    pub len: usize,
}

/// Where the rows of a tile start.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// Elements between consecutive rows.
    Stride(usize),
    /// Elements from the origin to each row; at least as many as the tile has rows.
    Offsets(&'a [usize]),
}

/// One tile: C = A B, or C += A B.
#[derive(Debug, Clone, Copy)]
pub struct Tile<'a, T> {
    /// A's element (0, 0).
    pub a: *const T,
    /// A's rows.
    pub a_rows: Rows<'a>,
    /// Elements between A's steps.
    pub a_step: usize,
    /// B's element (0, 0).
    pub b: *const T,
    /// Elements between B's steps; columns are adjacent, and padded with anything to a whole number
    /// of vectors unless the kernels have cheap masks.
    pub b_step: usize,
    /// The depth.
    pub segments: &'a [Segment],
    /// C's element (0, 0).
    pub c: *mut T,
    /// C's rows; columns are adjacent.
    pub c_rows: Rows<'a>,
    /// Columns, at most `NV` vectors and more than `NV - 1`.
    pub cols: usize,
    /// Whether to add to C instead of overwriting it.
    pub accumulate: bool,
    /// Added to each row at the end; null for none.
    pub bias: *const T,
    /// Whether negative results become zero at the end.
    pub relu: bool,
}

impl<T> Tile<'_, T> {
    /// A tile of nothing, to be filled in.
    pub const fn empty() -> Self {
        Self {
            a: std::ptr::null(),
            a_rows: Rows::Stride(0),
            a_step: 1,
            b: std::ptr::null(),
            b_step: 0,
            segments: &[],
            c: std::ptr::null_mut(),
            c_rows: Rows::Stride(0),
            cols: 0,
            accumulate: false,
            bias: std::ptr::null(),
            relu: false,
        }
    }
}

/// Computes one tile.
///
/// # Safety
/// The kernel's instruction set must be present, all addresses that the tile describes valid, C not
/// aliased by A or B.
pub type Kernel<T> = unsafe fn(&Tile<'_, T>);

/// Dot products: C = A B or C += A B, with A's rows and B's columns contiguous.
#[derive(Debug, Clone, Copy)]
pub struct Dots<T> {
    /// A's first row.
    pub a: *const T,
    /// Elements between A's rows.
    pub a_row: usize,
    /// B's first column.
    pub b: *const T,
    /// Elements between B's columns.
    pub b_col: usize,
    /// Length of the rows and columns.
    pub len: usize,
    /// C's element (0, 0).
    pub c: *mut T,
    /// Elements between C's rows; columns are adjacent.
    pub c_row: usize,
    /// Whether to add to C instead of overwriting it.
    pub accumulate: bool,
    /// Added to each row at the end; null for none.
    pub bias: *const T,
    /// Whether negative results become zero at the end.
    pub relu: bool,
}

/// Computes some dot products.
///
/// # Safety
/// As [`Kernel`].
pub type DotKernel<T> = unsafe fn(&Dots<T>);

/// The kernels of one element type on one instruction set.
#[derive(Debug, Clone, Copy)]
pub struct Kernels<T: 'static> {
    /// Elements per vector.
    pub lanes: usize,
    /// Whether B may be unpadded.
    pub cheap_masks: bool,
    /// Most rows of a tile.
    pub mr: usize,
    /// Vectors in a wide tile's row.
    pub nv: usize,
    /// `[rows - 1][vectors - 1]`, rows at a stride in A and C.
    strided: &'static [&'static [Kernel<T>]],
    /// The same with rows at given offsets in A and C.
    gathered: &'static [&'static [Kernel<T>]],
    /// Few rows and `flat_nv` vectors: for mat-vec, where wide rows hide latency.
    flat: &'static [Kernel<T>],
    /// Vectors of a flat tile.
    pub flat_nv: usize,
    /// Longest block of the depth: how far L2 reaches.
    pub depth: usize,
    /// `[rows - 1][columns - 1]`: dot products of so many rows of A and columns of B.
    dots: &'static [&'static [DotKernel<T>]],
}

impl<T> Kernels<T> {
    /// Columns of a wide tile.
    pub const fn nr(&self) -> usize {
        self.lanes * self.nv
    }

    /// Columns of a flat tile.
    pub const fn flat_nr(&self) -> usize {
        self.lanes * self.flat_nv
    }

    /// The kernel for `rows` (1 to `mr`), at a stride or at offsets, and `cols` (1 to `nr`).
    #[inline]
    pub fn get(&self, gathered: bool, rows: usize, cols: usize) -> Kernel<T> {
        let table = if gathered { self.gathered } else { self.strided };
        table[rows - 1][(cols - 1) / self.lanes]
    }

    /// Most rows of [`Dots`].
    pub const DOT_ROWS: usize = 4;
    /// Most columns of [`Dots`].
    pub const DOT_COLS: usize = 3;

    /// The kernel for so many dot products.
    #[inline]
    pub fn dots(&self, rows: usize, cols: usize) -> DotKernel<T> {
        self.dots[rows - 1][cols - 1]
    }

    /// The flat kernel for that many rows, if there is one. It takes exactly `flat_nv` vectors.
    #[inline]
    pub fn flat(&self, rows: usize) -> Option<Kernel<T>> {
        self.flat.get(rows - 1).copied()
    }
}

/// Row `i`'s start.
///
/// # Safety
/// The tile has more than `i` rows, and offsets only if `GATHER`.
#[inline(always)]
unsafe fn row<const GATHER: bool>(rows: Rows<'_>, i: usize) -> usize {
    match rows {
        Rows::Stride(stride) => i * stride,
        Rows::Offsets(offsets) => {
            debug_assert!(GATHER && i < offsets.len());
            // SAFETY: there is an offset for each row.
            if GATHER { unsafe { *offsets.as_ptr().add(i) } } else { 0 }
        }
    }
}

/// The generic micro-kernel.
///
/// # Safety
/// As [`Kernel`]; must be inlined into a function that enables `S`'s instruction set.
#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NV: usize, const GATHER: bool>(t: &Tile<'_, S::Elem>) {
    // SAFETY: every address formed below is one that the tile describes.
    unsafe {
        let mask = S::mask(t.cols - (NV - 1) * S::LANES);
        let mut acc = [[S::zero(); NV]; MR];
        let rows: [usize; MR] = std::array::from_fn(|i| row::<GATHER>(t.a_rows, i));
        // C's lines arrive while the sums are computed.
        for i in 0..MR {
            let c = t.c.add(row::<GATHER>(t.c_rows, i));
            S::prefetch(c);
            S::prefetch(c.wrapping_add(t.cols - 1));
        }
        for segment in t.segments {
            let mut a = t.a.add(segment.a);
            let mut b = t.b.add(segment.b);
            for _ in 0..segment.len {
                let mut bv = [S::zero(); NV];
                for j in 0..NV - 1 {
                    bv[j] = S::load(b.add(j * S::LANES));
                }
                let last = b.add((NV - 1) * S::LANES);
                bv[NV - 1] = if S::CHEAP_MASKS { S::load_masked(last, mask) } else { S::load(last) };
                for i in 0..MR {
                    let av = S::splat(a.add(rows[i]));
                    for j in 0..NV {
                        acc[i][j] = av.mul_add(bv[j], acc[i][j]);
                    }
                }
                a = a.add(t.a_step);
                b = b.add(t.b_step);
            }
        }
        let full = t.cols == NV * S::LANES;
        if !t.bias.is_null() {
            let mut bias = [S::zero(); NV];
            for j in 0..NV - 1 {
                bias[j] = S::load(t.bias.add(j * S::LANES));
            }
            bias[NV - 1] = S::load_masked(t.bias.add((NV - 1) * S::LANES), mask);
            for i in 0..MR {
                for j in 0..NV {
                    acc[i][j] = acc[i][j].add(bias[j]);
                }
            }
        }
        if t.accumulate {
            for i in 0..MR {
                let c = t.c.add(row::<GATHER>(t.c_rows, i));
                for j in 0..NV - 1 {
                    acc[i][j] = acc[i][j].add(S::load(c.add(j * S::LANES)));
                }
                acc[i][NV - 1] = acc[i][NV - 1].add(S::load_masked(c.add((NV - 1) * S::LANES), mask));
            }
        }
        if t.relu {
            for i in 0..MR {
                for j in 0..NV {
                    acc[i][j] = acc[i][j].relu();
                }
            }
        }
        for i in 0..MR {
            let c = t.c.add(row::<GATHER>(t.c_rows, i));
            for j in 0..NV - 1 {
                acc[i][j].store(c.add(j * S::LANES));
            }
            let last = c.add((NV - 1) * S::LANES);
            if full { acc[i][NV - 1].store(last) } else { acc[i][NV - 1].store_masked(last, mask) }
        }
    }
}

/// The generic kernel of dot products; each is `WAYS` sums of vectors, added in a fixed order.
///
/// # Safety
/// As [`Kernel`]; must be inlined as [`tile`].
#[inline(always)]
unsafe fn dots<S: Simd, const R: usize, const N: usize, const WAYS: usize>(t: &Dots<S::Elem>)
where
    S::Elem: Real,
{
    // SAFETY: offsets into rows and columns stay below their length; the last, masked load covers what
    // is left of it.
    unsafe {
        let mut acc = [[[S::zero(); N]; R]; WAYS];
        let mut i = 0;
        while i + WAYS * S::LANES <= t.len {
            for way in &mut acc {
                let b: [S; N] = std::array::from_fn(|j| S::load(t.b.add(j * t.b_col + i)));
                for r in 0..R {
                    let a = S::load(t.a.add(r * t.a_row + i));
                    for j in 0..N {
                        way[r][j] = a.mul_add(b[j], way[r][j]);
                    }
                }
                i += S::LANES;
            }
        }
        while i < t.len {
            let mask = S::mask((t.len - i).min(S::LANES));
            for r in 0..R {
                let a = S::load_masked(t.a.add(r * t.a_row + i), mask);
                for j in 0..N {
                    let b = S::load_masked(t.b.add(j * t.b_col + i), mask);
                    acc[0][r][j] = a.mul_add(b, acc[0][r][j]);
                }
            }
            i += S::LANES;
        }
        let mut ways = WAYS;
        while ways > 1 {
            ways /= 2;
            for w in 0..ways {
                for r in 0..R {
                    for j in 0..N {
                        acc[w][r][j] = acc[w][r][j].add(acc[w + ways][r][j]);
                    }
                }
            }
        }
        for r in 0..R {
            for j in 0..N {
                let c = t.c.add(r * t.c_row + j);
                let mut sum = acc[0][r][j].sum();
                if !t.bias.is_null() {
                    sum += *t.bias.add(j);
                }
                if t.accumulate {
                    sum += *c;
                }
                *c = if t.relu && sum < S::Elem::ZERO { S::Elem::ZERO } else { sum };
            }
        }
    }
}

/// A table of kernels for one vector type: `rows * vectors` instantiations of [`tile`].
macro_rules! kernels {
    ($table:ident, $simd:ty, $elem:ty, [$($feature:literal)?], mr $mr:literal, nv $nv:literal [$($v:literal)*], depth $depth:literal, flat $flat_nv:literal,
     rows [$($r:literal)*], flat_rows [$($f:literal)*]) => {
        pub(super) static $table: Kernels<$elem> = {
            /// # Safety
            /// As [`Kernel`].
            $(#[target_feature(enable = $feature)])?
            unsafe fn one<const MR: usize, const NV: usize, const GATHER: bool>(t: &Tile<'_, $elem>) {
                // SAFETY: the caller's contract.
                unsafe { tile::<$simd, MR, NV, GATHER>(t) }
            }
            /// # Safety
            /// As [`Kernel`].
            $(#[target_feature(enable = $feature)])?
            unsafe fn dot<const R: usize, const N: usize, const WAYS: usize>(t: &Dots<$elem>) {
                // SAFETY: the caller's contract.
                unsafe { dots::<$simd, R, N, WAYS>(t) }
            }
            Kernels {
                lanes: <$simd>::LANES,
                cheap_masks: <$simd>::CHEAP_MASKS,
                mr: $mr,
                nv: $nv,
                strided: kernels!(@rows one false [$($r)*] [$($v)*]),
                gathered: kernels!(@rows one true [$($r)*] [$($v)*]),
                flat: &[$(one::<$f, $flat_nv, false>),*],
                flat_nv: $flat_nv,
                depth: $depth,
                dots: &[
                    &[dot::<1, 1, 8>, dot::<1, 2, 4>, dot::<1, 3, 4>],
                    &[dot::<2, 1, 4>, dot::<2, 2, 2>, dot::<2, 3, 2>],
                    &[dot::<3, 1, 2>, dot::<3, 2, 1>, dot::<3, 3, 1>],
                    &[dot::<4, 1, 2>, dot::<4, 2, 1>, dot::<4, 3, 1>],
                ],
            }
        };
    };
    (@rows $one:ident $gather:literal [$($r:literal)*] $vs:tt) => {
        &[$(kernels!(@row $one $gather $r $vs)),*]
    };
    (@row $one:ident $gather:literal $r:literal [$($v:literal)*]) => {
        &[$($one::<$r, $v, $gather>),*]
    };
}

#[cfg(target_arch = "x86_64")]
mod tables {
    use super::super::simd::{F32x8, F32x16, F64x4, F64x8};
    use super::*;
    kernels!(AVX512_F32, F32x16, f32, ["avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,bmi2"], mr 14, nv 2 [1 2], depth 1024, flat 8,
        rows [1 2 3 4 5 6 7 8 9 10 11 12 13 14], flat_rows [1 2 3]);
    kernels!(AVX512_F64, F64x8, f64, ["avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,bmi2"], mr 14, nv 2 [1 2], depth 1024, flat 8,
        rows [1 2 3 4 5 6 7 8 9 10 11 12 13 14], flat_rows [1 2 3]);
    kernels!(AVX2_F32, F32x8, f32, ["avx2,fma,bmi2"], mr 6, nv 2 [1 2], depth 1024, flat 4, rows [1 2 3 4 5 6], flat_rows [1 2]);
    kernels!(AVX2_F64, F64x4, f64, ["avx2,fma,bmi2"], mr 6, nv 2 [1 2], depth 1024, flat 4, rows [1 2 3 4 5 6], flat_rows [1 2]);
}

#[cfg(target_arch = "aarch64")]
mod tables {
    use super::super::simd::{F32x4, F64x2};
    use super::*;
    kernels!(NEON_F32, F32x4, f32, [], mr 8, nv 3 [1 2 3], depth 1024, flat 8, rows [1 2 3 4 5 6 7 8], flat_rows [1 2]);
    kernels!(NEON_F64, F64x2, f64, [], mr 8, nv 3 [1 2 3], depth 1024, flat 8, rows [1 2 3 4 5 6 7 8], flat_rows [1 2]);
}

mod portable {
    use super::super::simd::Array;
    use super::*;
    kernels!(PORTABLE_F32, Array<f32, 4>, f32, [], mr 4, nv 2 [1 2], depth 1024, flat 4, rows [1 2 3 4], flat_rows [1 2]);
    kernels!(PORTABLE_F64, Array<f64, 2>, f64, [], mr 4, nv 2 [1 2], depth 1024, flat 4, rows [1 2 3 4], flat_rows [1 2]);
}

/// The types that have micro-kernels: f32 and f64.
pub trait Real:
    Pod + Send + Sync + PartialOrd + Add<Output = Self> + AddAssign + Mul<Output = Self> + 'static
{
    /// Zero.
    const ZERO: Self;
    /// The kernels of an instruction set.
    fn kernels(isa: Isa) -> &'static Kernels<Self>;
}

macro_rules! real {
    ($elem:ty, $avx512:ident, $avx2:ident, $neon:ident, $portable:ident) => {
        impl Real for $elem {
            const ZERO: Self = 0.0;
            fn kernels(isa: Isa) -> &'static Kernels<Self> {
                match isa.level() {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => &tables::$avx512,
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => &tables::$avx2,
                    #[cfg(target_arch = "aarch64")]
                    Level::Neon => &tables::$neon,
                    _ => &portable::$portable,
                }
            }
        }
    };
}
real!(f32, AVX512_F32, AVX2_F32, NEON_F32, PORTABLE_F32);
real!(f64, AVX512_F64, AVX2_F64, NEON_F64, PORTABLE_F64);
