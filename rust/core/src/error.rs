//! The crate's one error type.

use crate::{DType, Shape};

/// Result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a graph could not be built, differentiated, planned or run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Operand shapes do not fit the op.
    #[error("{op}: expected {expected}, got {got}")]
    Shape {
        /// The op's name.
        op: &'static str,
        /// What would have been accepted.
        expected: String,
        /// What came.
        got: String,
    },
    /// An operand has a dtype that the op does not take.
    #[error("{op}: expected {expected}, got {got}")]
    DType {
        /// The op's name.
        op: &'static str,
        /// What would have been accepted.
        expected: String,
        /// What came.
        got: DType,
    },
    /// The product of the dimensions does not fit in memory's address range.
    #[error("shape {0} has too many elements")]
    TooLarge(Shape),
    /// An attribute (axis, stride, ...) is out of range.
    #[error("{op}: {message}")]
    Attribute {
        /// The op's name.
        op: &'static str,
        /// What is wrong, in the style "expected ..., got ...".
        message: String,
    },
    /// The op has no gradient of this kind.
    #[error("{op}: not differentiable: {reason}")]
    NotDifferentiable {
        /// The op's name.
        op: &'static str,
        /// Why not, and what to do instead.
        reason: &'static str,
    },
    /// A name that is in no table.
    #[error("unknown {kind} '{name}'")]
    Unknown {
        /// Kind of thing looked up, e.g. "dtype".
        kind: &'static str,
        /// The name given.
        name: String,
    },
    /// The device ran out of memory.
    #[error("out of memory: could not allocate {bytes} bytes on {device}")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
        /// The device's name.
        device: &'static str,
    },
    /// The device cannot be used (any more).
    #[error("{device}: {message}")]
    Device {
        /// The device's name.
        device: &'static str,
        /// What happened, and what to do about it.
        message: String,
    },
    /// The run was cancelled between two instructions.
    #[error("cancelled")]
    Cancelled,
    /// A broken invariant of the engine itself: a defect to report.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// A shape error.
    pub fn shape(op: &'static str, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Shape { op, expected: expected.into(), got: got.into() }
    }

    /// A dtype error.
    pub fn dtype(op: &'static str, expected: impl Into<String>, got: DType) -> Self {
        Self::DType { op, expected: expected.into(), got }
    }

    /// An attribute error.
    pub fn attribute(op: &'static str, message: impl Into<String>) -> Self {
        Self::Attribute { op, message: message.into() }
    }
}
