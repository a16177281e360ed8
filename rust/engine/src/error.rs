//! Errors of the engine.

use oxhorn_core::{DType, TensorType};

/// Result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A graph, plan or device error.
    #[error(transparent)]
    Core(#[from] oxhorn_core::Error),
    /// A concrete value was asked of a traced tensor.
    #[error(
        "a traced tensor of type {0:?} has no value yet: it stands for a value of the graph that is being \
         recorded. Use tensor operations instead of Python numbers here, or run eagerly"
    )]
    TracedValue(Box<TensorType>),
    /// A traced tensor was used after its trace had ended, or inside another one.
    #[error("a traced tensor was used outside the trace that made it")]
    ForeignTrace,
    /// State was assigned where the trace cannot follow it.
    #[error(
        "a variable was assigned inside the body of a loop or branch; return the new value from the body instead"
    )]
    NestedAssign,
    /// A state slot received a value of another type.
    #[error("slot: expected a value of type {expected:?}, got {got:?}")]
    SlotType {
        /// Type of the slot.
        expected: Box<TensorType>,
        /// Type of the value.
        got: Box<TensorType>,
    },
    /// A compiled function was called with other arguments than it was traced for.
    #[error("function argument {index}: expected {expected:?}, got {got:?}")]
    Argument {
        /// Which argument.
        index: usize,
        /// The traced type.
        expected: Box<TensorType>,
        /// The type given.
        got: Box<TensorType>,
    },
    /// A compiled function was called with another number of arguments.
    #[error("function: expected {expected} arguments, got {got}")]
    ArgumentCount {
        /// Number traced.
        expected: usize,
        /// Number given.
        got: usize,
    },
    /// Bytes do not make a tensor of the type asked for.
    #[error("tensor of {dtype}: expected {expected} bytes, got {got}")]
    Bytes {
        /// The dtype.
        dtype: DType,
        /// Bytes the shape takes.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// Misuse of the API: the message says what was expected and what came.
    #[error("{0}")]
    Invalid(String),
    /// An error raised by a callback of the embedding program, carried through unchanged by number.
    #[error("callback failed")]
    Callback,
}

impl Error {
    /// A misuse error.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}
