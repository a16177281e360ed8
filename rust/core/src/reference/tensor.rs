//! Tensors on the host.

use half::{bf16, f16};

use crate::dtype::Class;
use crate::{DType, Error, Result, Scalar, TensorType};

/// A dense row-major tensor whose elements are widened to 64 bits.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Its type.
    pub ty: TensorType,
    /// Its elements; every one is a value of the dtype.
    pub data: Data,
}

/// Elements of one class of dtypes.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Of any float dtype.
    Float(Vec<f64>),
    /// Of a signed integer dtype.
    Signed(Vec<i64>),
    /// Of an unsigned integer dtype.
    Unsigned(Vec<u64>),
    /// Of dtype bool.
    Bool(Vec<bool>),
}

impl HostTensor {
    /// The tensor whose i-th element, in row-major order, is `element(i)` (of the tensor's dtype).
    pub fn build(ty: TensorType, mut element: impl FnMut(usize) -> Scalar) -> Self {
        let n = ty.shape.numel();
        let data = match ty.dtype.class() {
            Class::Float => Data::Float((0..n).map(|i| element(i).as_f64()).collect()),
            Class::Signed => Data::Signed((0..n).map(|i| element(i).as_i64()).collect()),
            Class::Unsigned => Data::Unsigned((0..n).map(|i| element(i).as_u64()).collect()),
            Class::Bool => Data::Bool((0..n).map(|i| element(i).as_u64() != 0).collect()),
        };
        Self { ty, data }
    }

    /// The tensor with `values` rounded to the dtype; as many as the shape has elements.
    pub fn from_f64(ty: TensorType, values: &[f64]) -> Result<Self> {
        if values.len() != ty.shape.numel() {
            let expected = format!("{} values", ty.shape.numel());
            return Err(Error::shape("from_f64", expected, values.len().to_string()));
        }
        let dtype = ty.dtype;
        Ok(Self::build(ty, |i| Scalar::from_f64(values[i], dtype)))
    }

    /// All elements zero.
    pub fn zeros(ty: TensorType) -> Self {
        let zero = Scalar::zero(ty.dtype);
        Self::build(ty, |_| zero)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Float(v) => v.len(),
            Data::Signed(v) => v.len(),
            Data::Unsigned(v) => v.len(),
            Data::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The i-th element in row-major order.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn get(&self, i: usize) -> Scalar {
        match &self.data {
            Data::Float(v) => Scalar::from_f64(v[i], self.ty.dtype),
            Data::Signed(v) => Scalar::from_i64(v[i], self.ty.dtype),
            Data::Unsigned(v) => Scalar::from_u64(v[i], self.ty.dtype),
            Data::Bool(v) => Scalar::from_u64(u64::from(v[i]), DType::Bool),
        }
    }

    /// All elements as f64 (rounded for large integers).
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::Float(v) => v.clone(),
            _ => (0..self.len()).map(|i| self.get(i).as_f64()).collect(),
        }
    }

    /// From the little-endian bytes of the dense tensor; any byte but 0 is true.
    pub fn from_bytes(ty: TensorType, bytes: &[u8]) -> Result<Self> {
        let size = ty.dtype.size();
        if bytes.len() != ty.bytes() {
            let expected = format!("{} bytes for {ty:?}", ty.bytes());
            return Err(Error::shape("from_bytes", expected, bytes.len().to_string()));
        }
        let dtype = ty.dtype;
        Ok(Self::build(ty, |i| {
            let mut word = [0; 8];
            word[..size].copy_from_slice(&bytes[i * size..(i + 1) * size]);
            let word = u64::from_le_bytes(word);
            match dtype {
                DType::F16 => Scalar::from_f64(f16::from_bits(word as u16).to_f64(), dtype),
                DType::BF16 => Scalar::from_f64(bf16::from_bits(word as u16).to_f64(), dtype),
                DType::F32 => Scalar::from_f64(f64::from(f32::from_bits(word as u32)), dtype),
                DType::F64 => Scalar::from_f64(f64::from_bits(word), dtype),
                _ => Scalar::from_u64(word, dtype),
            }
        }))
    }

    /// The little-endian bytes of the dense tensor.
    pub fn to_bytes(&self) -> Vec<u8> {
        let size = self.ty.dtype.size();
        (0..self.len()).flat_map(|i| self.get(i).to_le_bytes().into_iter().take(size)).collect()
    }

    /// The tensor whose i-th element is this one's element number `from(i)`, or `fill` for `None`.
    pub(super) fn pick(
        &self,
        ty: TensorType,
        fill: Scalar,
        mut from: impl FnMut(usize) -> Option<usize>,
    ) -> Self {
        Self::build(ty, |i| from(i).map_or(fill, |j| self.get(j)))
    }

    /// [`HostTensor::pick`] where every element comes from somewhere.
    pub(super) fn rearrange(&self, ty: TensorType, mut from: impl FnMut(usize) -> usize) -> Self {
        Self::build(ty, |i| self.get(from(i)))
    }

    /// The i-th element as an index.
    pub(super) fn index(&self, i: usize) -> i64 {
        self.get(i).as_i64()
    }
}
