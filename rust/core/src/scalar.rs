//! One typed number: the value of a constant.

use std::fmt;

use half::{bf16, f16};

use crate::DType;
use crate::dtype::Class;

/// A value of some dtype, kept as bits so that it can be hashed and compared exactly.
///
/// Integers and bools are stored two's-complement in 64 bits, every float as the bits of the f64
/// of equal value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scalar {
    dtype: DType,
    bits: u64,
}

impl Scalar {
    /// `value` rounded to `dtype` (saturating for integers, NaN becomes 0 there).
    pub fn from_f64(value: f64, dtype: DType) -> Self {
        let bits = match dtype.class() {
            Class::Float => round_float(value, dtype).to_bits(),
            Class::Bool => u64::from(value != 0.0),
            Class::Unsigned => wrap(i128::from(value as u64), dtype),
            Class::Signed => wrap(i128::from(value as i64), dtype),
        };
        Self { dtype, bits }
    }

    /// `value` converted to `dtype` (wrapping for integers).
    pub fn from_i64(value: i64, dtype: DType) -> Self {
        match dtype.class() {
            Class::Float => Self::from_f64(value as f64, dtype),
            Class::Bool => Self { dtype, bits: u64::from(value != 0) },
            _ => Self { dtype, bits: wrap(i128::from(value), dtype) },
        }
    }

    /// `value` converted to `dtype` (wrapping for integers).
    pub fn from_u64(value: u64, dtype: DType) -> Self {
        match dtype.class() {
            Class::Float => Self::from_f64(value as f64, dtype),
            Class::Bool => Self { dtype, bits: u64::from(value != 0) },
            _ => Self { dtype, bits: wrap(i128::from(value), dtype) },
        }
    }

    /// `value` converted to `dtype` (wrapping for integers): exact results of any integer dtype.
    pub fn from_i128(value: i128, dtype: DType) -> Self {
        match dtype.class() {
            Class::Float => Self::from_f64(value as f64, dtype),
            Class::Bool => Self { dtype, bits: u64::from(value != 0) },
            _ => Self { dtype, bits: wrap(value, dtype) },
        }
    }

    /// Zero of `dtype`.
    pub fn zero(dtype: DType) -> Self {
        Self::from_i64(0, dtype)
    }

    /// One of `dtype`.
    pub fn one(dtype: DType) -> Self {
        Self::from_i64(1, dtype)
    }

    /// Smallest value: minus infinity for floats.
    pub fn lowest(dtype: DType) -> Self {
        match dtype.class() {
            Class::Float => Self::from_f64(f64::NEG_INFINITY, dtype),
            Class::Signed => Self::from_i64(i64::MIN >> (64 - 8 * dtype.size()), dtype),
            _ => Self::zero(dtype),
        }
    }

    /// Largest value: infinity for floats.
    pub fn highest(dtype: DType) -> Self {
        match dtype.class() {
            Class::Float => Self::from_f64(f64::INFINITY, dtype),
            Class::Signed => Self::from_i64(i64::MAX >> (64 - 8 * dtype.size()), dtype),
            Class::Unsigned => Self::from_u64(u64::MAX >> (64 - 8 * dtype.size()), dtype),
            Class::Bool => Self::one(dtype),
        }
    }

    /// The value's dtype.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// The value as f64 (rounded for large integers).
    pub fn as_f64(self) -> f64 {
        match self.dtype.class() {
            Class::Float => f64::from_bits(self.bits),
            Class::Signed => self.bits as i64 as f64,
            Class::Bool | Class::Unsigned => self.bits as f64,
        }
    }

    /// The value as i64 (floats truncate and saturate, uint64 wraps).
    pub fn as_i64(self) -> i64 {
        match self.dtype.class() {
            Class::Float => f64::from_bits(self.bits) as i64,
            _ => self.bits as i64,
        }
    }

    /// The value as u64 (floats truncate and saturate, negative integers wrap).
    pub fn as_u64(self) -> u64 {
        match self.dtype.class() {
            Class::Float => f64::from_bits(self.bits) as u64,
            _ => self.bits,
        }
    }

    /// The value as an exact integer (floats truncate and saturate).
    pub fn as_i128(self) -> i128 {
        match self.dtype.class() {
            Class::Float => f64::from_bits(self.bits) as i128,
            Class::Signed => i128::from(self.bits as i64),
            Class::Bool | Class::Unsigned => i128::from(self.bits),
        }
    }

    /// Converted to `dtype` as a cast does.
    pub fn cast(self, dtype: DType) -> Self {
        match self.dtype.class() {
            Class::Float => Self::from_f64(self.as_f64(), dtype),
            Class::Signed => Self::from_i64(self.as_i64(), dtype),
            Class::Unsigned => Self::from_u64(self.as_u64(), dtype),
            Class::Bool => Self::from_f64(self.as_f64(), dtype),
        }
    }

    /// The element that lies in the first bytes of `bytes`, little-endian; missing bytes count as 0.
    pub fn from_le_bytes(bytes: &[u8], dtype: DType) -> Self {
        let mut word = [0u8; 8];
        let size = dtype.size().min(bytes.len());
        word[..size].copy_from_slice(&bytes[..size]);
        let bits = u64::from_le_bytes(word);
        let value = match dtype {
            DType::F16 => f16::from_bits(bits as u16).to_f64(),
            DType::BF16 => bf16::from_bits(bits as u16).to_f64(),
            DType::F32 => f64::from(f32::from_bits(bits as u32)),
            DType::F64 => f64::from_bits(bits),
            _ => return Self::from_u64(bits, dtype),
        };
        Self::from_f64(value, dtype)
    }

    /// The element's bytes, little-endian, padded with zeros to eight.
    pub fn to_le_bytes(self) -> [u8; 8] {
        let word = match self.dtype {
            DType::F16 => u64::from(f16::from_f64(self.as_f64()).to_bits()),
            DType::BF16 => u64::from(bf16::from_f64(self.as_f64()).to_bits()),
            DType::F32 => u64::from((self.as_f64() as f32).to_bits()),
            _ => self.bits,
        };
        let mut bytes = word.to_le_bytes();
        bytes[self.dtype.size()..].fill(0);
        bytes
    }
}

/// `value` rounded to the nearest value of a float dtype.
fn round_float(value: f64, dtype: DType) -> f64 {
    match dtype {
        DType::F16 => f16::from_f64(value).to_f64(),
        DType::BF16 => bf16::from_f64(value).to_f64(),
        DType::F32 => f64::from(value as f32),
        _ => value,
    }
}

/// Two's-complement wrap to the dtype's width, sign-extended for signed types.
fn wrap(value: i128, dtype: DType) -> u64 {
    let shift = 128 - 8 * dtype.size() as u32;
    match dtype.class() {
        Class::Signed => ((value << shift) >> shift) as u64,
        _ => (((value as u128) << shift) >> shift) as u64,
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dtype.class() {
            Class::Float => write!(f, "{:?}:{}", self.as_f64(), self.dtype),
            Class::Bool => write!(f, "{}", self.bits != 0),
            Class::Signed => write!(f, "{}:{}", self.as_i64(), self.dtype),
            Class::Unsigned => write!(f, "{}:{}", self.bits, self.dtype),
        }
    }
}
