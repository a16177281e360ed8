//! Arithmetic that is the same for floats and exact integers.

use super::HostTensor;
use crate::{DType, Scalar, TensorType};

/// f64, or i128 for integers and bools (their sums and products are exact modulo 2^128).
pub(super) trait Number: Copy + PartialOrd {
    fn of(scalar: Scalar) -> Self;
    fn scalar(self, dtype: DType) -> Scalar;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;

    fn is_nan(self) -> bool {
        self.partial_cmp(&self).is_none()
    }

    /// Whether self comes before `other` when the largest comes first; NaN counts as largest.
    fn above(self, other: Self) -> bool {
        self > other || (self.is_nan() && !other.is_nan())
    }

    /// The same when the smallest comes first; NaN counts as smallest.
    fn below(self, other: Self) -> bool {
        self < other || (self.is_nan() && !other.is_nan())
    }

    fn lift(tensor: &HostTensor) -> Vec<Self> {
        (0..tensor.len()).map(|i| Self::of(tensor.get(i))).collect()
    }

    fn lower(ty: TensorType, values: &[Self]) -> HostTensor {
        let dtype = ty.dtype;
        HostTensor::build(ty, |i| values[i].scalar(dtype))
    }
}

impl Number for f64 {
    fn of(scalar: Scalar) -> Self {
        scalar.as_f64()
    }

    fn scalar(self, dtype: DType) -> Scalar {
        Scalar::from_f64(self, dtype)
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn times(self, other: Self) -> Self {
        self * other
    }
}

impl Number for i128 {
    fn of(scalar: Scalar) -> Self {
        scalar.as_i128()
    }

    fn scalar(self, dtype: DType) -> Scalar {
        Scalar::from_i128(self, dtype)
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
}

/// Calls a function that is generic over [`Number`] with the one that fits a dtype.
macro_rules! numeric {
    ($dtype:expr, $function:ident($($argument:expr),* $(,)?)) => {
        if $dtype.is_float() { $function::<f64>($($argument),*) } else { $function::<i128>($($argument),*) }
    };
}
pub(super) use numeric;
