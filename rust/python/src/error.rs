//! One mapping from engine errors to Python exceptions, and the guard that keeps panics out of Python.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use oxhorn::Error;
use oxhorn_core::Error as CoreError;
use pyo3::exceptions::{
    PyKeyboardInterrupt, PyMemoryError, PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;

pyo3::create_exception!(
    oxhorn._core,
    InternalError,
    PyRuntimeError,
    "A defect in the engine, caught at the boundary."
);
pyo3::create_exception!(
    oxhorn._core,
    TracedValueError,
    PyTypeError,
    "A concrete value was asked of a traced tensor (float(), bool(), NumPy, iteration)."
);

thread_local! {
    /// The exception that a Python callback raised, on its way through the engine.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Carries a Python exception through the engine.
pub fn callback_error(error: PyErr) -> Error {
    RAISED.with_borrow_mut(|slot| *slot = Some(error));
    Error::Callback
}

/// The Python exception for an engine error.
pub fn to_python(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Callback => {
            RAISED.with_borrow_mut(Option::take).unwrap_or_else(|| InternalError::new_err(message))
        }
        Error::TracedValue(_) | Error::ForeignTrace => TracedValueError::new_err(message),
        Error::Core(core) => match core {
            CoreError::DType { .. } => PyTypeError::new_err(message),
            CoreError::TooLarge(_) | CoreError::OutOfMemory { .. } => PyMemoryError::new_err(message),
            CoreError::NotDifferentiable { .. } => PyNotImplementedError::new_err(message),
            CoreError::Cancelled => PyKeyboardInterrupt::new_err(message),
            CoreError::Internal(_) => InternalError::new_err(message),
            _ => PyValueError::new_err(message),
        },
        _ => PyValueError::new_err(message),
    }
}

/// Runs engine code; its errors and panics become Python exceptions.
pub fn guard<R>(f: impl FnOnce() -> oxhorn::Result<R>) -> PyResult<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(to_python),
        Err(panic) => {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("panic");
            Err(InternalError::new_err(format!("the engine panicked, which is a defect: {message}")))
        }
    }
}
