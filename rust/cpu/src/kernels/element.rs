//! Element types of kernels, and the way from a dtype to one.

use half::{bf16, f16};

use crate::step::{Arg, At, Frame};

/// An element of a numeric kernel.
pub(crate) trait Element: Copy + PartialOrd + Send + Sync + 'static {
    /// What running totals are kept in: wider for floats, itself for integers.
    type Wide: Copy + Send + Sync;
    fn widen(self) -> Self::Wide;
    fn narrow(x: Self::Wide) -> Self;
    /// Rounded by the type; integers wrap.
    fn add(self, y: Self) -> Self;
    fn mul(self, y: Self) -> Self;
    fn add_wide(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn mul_wide(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn is_nan(self) -> bool;
    /// A number that is ordered as the elements are: NaN after everything, both zeros equal.
    fn key(self) -> u64;
    /// Larger one, NaN if either is.
    #[inline(always)]
    fn larger(self, y: Self) -> Self {
        if self.is_nan() || self >= y { self } else { y }
    }
    /// Smaller one, NaN if either is.
    #[inline(always)]
    fn smaller(self, y: Self) -> Self {
        if self.is_nan() || self <= y { self } else { y }
    }
}

macro_rules! ints {
    ($($t:ident $unsigned:ident $flip:expr;)*) => { $(impl Element for $t {
        type Wide = $t;
        #[inline(always)]
        fn widen(self) -> $t { self }
        #[inline(always)]
        fn narrow(x: $t) -> Self { x }
        #[inline(always)]
        fn add(self, y: Self) -> Self { self.wrapping_add(y) }
        #[inline(always)]
        fn mul(self, y: Self) -> Self { self.wrapping_mul(y) }
        #[inline(always)]
        fn add_wide(a: $t, b: $t) -> $t { a.wrapping_add(b) }
        #[inline(always)]
        fn mul_wide(a: $t, b: $t) -> $t { a.wrapping_mul(b) }
        #[inline(always)]
        fn is_nan(self) -> bool { false }
        #[inline(always)]
        fn key(self) -> u64 { u64::from(self as $unsigned ^ $flip) }
    })* };
}

ints! {
    u8 u8 0;
    u16 u16 0;
    u32 u32 0;
    u64 u64 0;
    i8 u8 1 << 7;
    i16 u16 1 << 15;
    i32 u32 1 << 31;
    i64 u64 1 << 63;
}

macro_rules! floats {
    ($($t:ident $bits:ident $sign:expr, $zero:expr, |$w:ident| $narrow:expr;)*) => { $(impl Element for $t {
        type Wide = f64;
        #[inline(always)]
        fn widen(self) -> f64 { f64::from(self) }
        #[inline(always)]
        fn narrow($w: f64) -> Self { $narrow }
        #[inline(always)]
        fn add(self, y: Self) -> Self { self + y }
        #[inline(always)]
        fn mul(self, y: Self) -> Self { self * y }
        #[inline(always)]
        fn add_wide(a: f64, b: f64) -> f64 { a + b }
        #[inline(always)]
        fn mul_wide(a: f64, b: f64) -> f64 { a * b }
        #[inline(always)]
        fn is_nan(self) -> bool { self != self }
        #[inline(always)]
        fn key(self) -> u64 {
            let bits: $bits = self.to_bits();
            let magnitude = bits & !$sign;
            if self != self {
                u64::from($bits::MAX)
            } else if bits & $sign != 0 && magnitude != 0 {
                u64::from(!bits)
            } else {
                u64::from(magnitude | $sign)
            }
        }
    })* };
}

floats! {
    f16 u16 (1u16 << 15), f16::ZERO, |w| f16::from_f64(w);
    bf16 u16 (1u16 << 15), bf16::ZERO, |w| bf16::from_f64(w);
    f32 u32 (1u32 << 31), 0.0, |w| w as f32;
    f64 u64 (1u64 << 63), 0.0, |w| w;
}

/// Evaluates `$body` with `$t` standing for the element type of a numeric dtype; bool counts as u8.
macro_rules! with_element {
    ($dtype:expr, $t:ident => $body:expr) => {{
        use oxhorn_core::DType;
        match $dtype {
            DType::Bool | DType::U8 => {
                type $t = u8;
                $body
            }
            DType::U16 => {
                type $t = u16;
                $body
            }
            DType::U32 => {
                type $t = u32;
                $body
            }
            DType::U64 => {
                type $t = u64;
                $body
            }
            DType::I8 => {
                type $t = i8;
                $body
            }
            DType::I16 => {
                type $t = i16;
                $body
            }
            DType::I32 => {
                type $t = i32;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            DType::F16 => {
                type $t = half::f16;
                $body
            }
            DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
        }
    }};
}

/// Evaluates `$body` with `$t` standing for an unsigned integer of the dtype's size, for kernels that only
/// move elements.
macro_rules! with_bits {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $t = u8;
                $body
            }
            2 => {
                type $t = u16;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            _ => {
                type $t = u64;
                $body
            }
        }
    };
}

/// As `with_element` for the floats; `None` for others.
macro_rules! with_float {
    ($dtype:expr, $t:ident => $body:expr) => {{
        use oxhorn_core::DType;
        match $dtype {
            DType::F16 => {
                type $t = half::f16;
                Some($body)
            }
            DType::BF16 => {
                type $t = half::bf16;
                Some($body)
            }
            DType::F32 => {
                type $t = f32;
                Some($body)
            }
            DType::F64 => {
                type $t = f64;
                Some($body)
            }
            _ => None,
        }
    }};
}

pub(crate) use {with_bits, with_element, with_float};

/// Where a tensor of a known type lies, to be read or written while a plan runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tensor {
    at: At,
    len: usize,
}

impl Tensor {
    pub fn of(arg: &Arg) -> Self {
        Self { at: arg.at, len: arg.numel() }
    }

    /// The elements of an operand.
    ///
    /// # Safety
    /// `T` is the element type of the operand (or one of the same size for which any bits are valid), and
    /// nobody writes it while the slice lives.
    pub unsafe fn read<'a, T>(self, frame: &Frame<'a>) -> &'a [T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's promise; plans are checked so that places hold their tensors, and every
        // operand has been written by an earlier step or by the caller.
        unsafe { std::slice::from_raw_parts(frame.ptr(self.at).cast(), self.len) }
    }

    /// The elements of a result, perhaps not initialised yet: to be written before they are read.
    ///
    /// # Safety
    /// As [`Tensor::read`], and nobody else uses the result meanwhile. The elements are plain numbers.
    pub unsafe fn write<'a, T>(self, frame: &Frame<'a>) -> &'a mut [T] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(frame.ptr(self.at).cast(), self.len) }
    }
}

/// A shape around one axis: how many times the axis occurs, its size, the elements inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AxisView {
    pub outer: usize,
    pub n: usize,
    pub inner: usize,
}

impl AxisView {
    pub fn new(dims: &[usize], axis: usize) -> Self {
        let (outer, rest) = dims.split_at(axis);
        Self { outer: outer.iter().product(), n: rest[0], inner: rest[1..].iter().product() }
    }
}

/// Tasks for `n` equal pieces of work of `cost` each (in elements): how many pieces go into one task.
pub(crate) fn grain(cost: usize) -> usize {
    (1usize << 15).div_ceil(cost.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_the_elements() {
        let floats = [f32::NEG_INFINITY, -2.0, -1e-40, -0.0, 1e-40, 1.0, f32::INFINITY, f32::NAN];
        assert!(floats.windows(2).all(|w| w[0].key() < w[1].key()));
        assert_eq!((0.0f64.key(), (-f32::NAN).key()), ((-0.0f64).key(), f32::NAN.key()));
        assert!([i8::MIN, -1, 0, 1, i8::MAX].windows(2).all(|w| w[0].key() < w[1].key()));
        assert!(f16::from_f32(-1.0).key() < f16::from_f32(0.5).key());
    }
}
