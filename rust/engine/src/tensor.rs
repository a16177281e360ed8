//! Tensors: concrete ones, which own a buffer, and traced ones, which stand for a value of a graph.

use std::sync::Arc;

use bytemuck::Pod;
use oxhorn_core::device::BufferRef;
use oxhorn_core::{DType, Scalar, Shape, TensorType, Value};

use crate::runtime::Runtime;
use crate::{Error, Result};

/// An n-dimensional array. Cloning is cheap and shares the buffer.
#[derive(Debug, Clone)]
pub struct Tensor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ty: TensorType,
    repr: Repr,
}

/// What a tensor is made of.
#[derive(Debug, Clone)]
pub(crate) enum Repr {
    /// Data, and where a tape recorded it.
    Concrete { buffer: BufferRef, record: Option<Position> },
    /// A value of the graph of a trace.
    Traced(Position),
}

/// A value of one particular recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Position {
    /// Number of the trace or tape recording, unique in the process.
    pub recording: u64,
    pub value: Value,
}

impl Tensor {
    pub(crate) fn from_repr(ty: TensorType, repr: Repr) -> Self {
        Self(Arc::new(Inner { ty, repr }))
    }

    /// A tensor over an existing buffer, which must hold exactly the bytes of `ty`.
    pub fn from_buffer(ty: TensorType, buffer: BufferRef) -> Result<Self> {
        if buffer.len() != ty.bytes() {
            return Err(Error::Bytes { dtype: ty.dtype, expected: ty.bytes(), got: buffer.len() });
        }
        Ok(Self::concrete(ty, buffer))
    }

    pub(crate) fn concrete(ty: TensorType, buffer: BufferRef) -> Self {
        Self::from_repr(ty, Repr::Concrete { buffer, record: None })
    }

    /// Copies little-endian row-major bytes to the current device.
    pub fn from_bytes(ty: TensorType, bytes: &[u8]) -> Result<Self> {
        let shape = ty.shape.check()?;
        let ty = TensorType { dtype: ty.dtype, shape };
        if bytes.len() != ty.bytes() {
            return Err(Error::Bytes { dtype: ty.dtype, expected: ty.bytes(), got: bytes.len() });
        }
        let buffer = Runtime::current().device().upload(bytes)?;
        Ok(Self::concrete(ty, buffer))
    }

    /// Copies a slice of numbers to the current device.
    pub fn from_slice<T: Element>(values: &[T], shape: impl Into<Shape>) -> Result<Self> {
        Self::from_bytes(TensorType::new(T::DTYPE, shape), bytemuck::cast_slice(values))
    }

    /// A scalar tensor.
    pub fn scalar(value: Scalar) -> Result<Self> {
        let bytes = value.to_le_bytes();
        Self::from_bytes(TensorType::new(value.dtype(), []), &bytes[..value.dtype().size()])
    }

    /// Dtype and shape.
    pub fn ty(&self) -> &TensorType {
        &self.0.ty
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.0.ty.dtype
    }

    /// Shape.
    pub fn shape(&self) -> &Shape {
        &self.0.ty.shape
    }

    pub(crate) fn repr(&self) -> &Repr {
        &self.0.repr
    }

    /// Whether the tensor stands for a value of a graph that is being recorded.
    pub fn is_traced(&self) -> bool {
        matches!(self.0.repr, Repr::Traced(_))
    }

    /// The buffer of a concrete tensor.
    pub fn buffer(&self) -> Result<&BufferRef> {
        match &self.0.repr {
            Repr::Concrete { buffer, .. } => Ok(buffer),
            Repr::Traced(_) => Err(Error::TracedValue(Box::new(self.0.ty.clone()))),
        }
    }

    /// The same data without its place on a tape.
    pub fn detach(&self) -> Result<Self> {
        Ok(Self::concrete(self.0.ty.clone(), self.buffer()?.clone()))
    }

    /// A copy of the bytes, little-endian and row-major.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.buffer()?.to_host()?)
    }

    /// A copy of the elements; `T` must be the tensor's dtype.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype() {
            return Err(Error::invalid(format!("to_vec: expected {}, got {}", self.dtype(), T::DTYPE)));
        }
        let bytes = self.to_bytes()?;
        Ok(bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect())
    }
}

/// Rust types that are elements of tensors.
pub trait Element: Pod {
    /// The corresponding dtype.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($t:ty => $d:ident),* $(,)?) => { $(impl Element for $t { const DTYPE: DType = DType::$d; })* };
}

elements! {
    u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    half::f16 => F16, half::bf16 => BF16, f32 => F32, f64 => F64,
}
