//! NumPy arrays in and out, without copies where the layout allows.

use std::any::Any;
use std::ffi::c_void;
use std::ptr;

use numpy::npyffi::{NPY_ARRAY_C_CONTIGUOUS, NpyTypes, PY_ARRAY_API, get_type_object, npy_intp};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use oxhorn::{BufferRef, DType, Tensor, TensorType};
use oxhorn_cpu::ForeignBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::error::guard;
use crate::tensor::PyTensor;

/// `numpy`, imported once.
pub fn numpy_module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    Ok(MODULE.get_or_try_init(py, || py.import("numpy").map(Bound::unbind))?.bind(py))
}

/// NumPy's dtype object for a dtype; bfloat16 comes from `ml_dtypes`.
pub fn numpy_dtype(py: Python<'_>, dtype: DType) -> PyResult<Bound<'_, PyAny>> {
    static TABLE: [PyOnceLock<Py<PyAny>>; DType::ALL.len()] = [const { PyOnceLock::new() }; DType::ALL.len()];
    let cached = TABLE[dtype as usize].get_or_try_init(py, || {
        let spec = if dtype == DType::BF16 {
            py.import("ml_dtypes")?.getattr("bfloat16")?
        } else {
            PyString::new(py, dtype.name()).into_any()
        };
        numpy_module(py)?.getattr("dtype")?.call1((spec,)).map(Bound::unbind)
    })?;
    Ok(cached.bind(py).clone())
}

/// The dtype of a NumPy array, which must be a plain numeric or bool one.
pub fn array_dtype(array: &Bound<'_, PyUntypedArray>) -> PyResult<DType> {
    let descr = array.dtype();
    // NumPy computes a dtype's name anew each time, in Python; kind and size say the same of its own dtypes.
    let dtype = match (descr.kind(), descr.itemsize()) {
        (b'b', 1) => DType::Bool,
        (b'u', 1) => DType::U8,
        (b'u', 2) => DType::U16,
        (b'u', 4) => DType::U32,
        (b'u', 8) => DType::U64,
        (b'i', 1) => DType::I8,
        (b'i', 2) => DType::I16,
        (b'i', 4) => DType::I32,
        (b'i', 8) => DType::I64,
        (b'f', 2) => DType::F16,
        (b'f', 4) => DType::F32,
        (b'f', 8) => DType::F64,
        _ => return named_dtype(&descr),
    };
    Ok(dtype)
}

/// The dtype of a descriptor that is not one of NumPy's numbers: bfloat16, or an error.
fn named_dtype(descr: &Bound<'_, PyArrayDescr>) -> PyResult<DType> {
    let name: String = descr.getattr("name")?.extract()?;
    DType::parse(&name).map_err(|_| {
        PyTypeError::new_err(format!(
            "cannot convert a NumPy array of dtype {name} to a tensor: expected bool, integer or float elements"
        ))
    })
}

/// How long an array's memory is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The tensor may outlive the call and must not change with the array.
    Copy,
    /// The tensor lends the array's memory; the caller answers for later writes to the array.
    Lend,
}

/// A tensor with an array's elements.
pub fn from_array(array: &Bound<'_, PyUntypedArray>, sharing: Sharing) -> PyResult<Tensor> {
    let py = array.py();
    let dtype = array_dtype(array)?;
    let dense = if array.is_c_contiguous() && array.dtype().is_native_byteorder() != Some(false) {
        array.clone()
    } else {
        // Byte order and layout are put right by NumPy.
        let dense =
            numpy_module(py)?.getattr("ascontiguousarray")?.call1((array, numpy_dtype(py, dtype)?))?;
        dense.cast_into::<PyUntypedArray>()?
    };
    let ty = TensorType::new(dtype, array.shape());
    let len = ty.bytes();
    // SAFETY: `dense` is a live array object, so its header can be read.
    let data = unsafe { (*dense.as_array_ptr()).data }.cast::<u8>().cast_const();
    if sharing == Sharing::Copy || data.is_null() || !data.addr().is_multiple_of(dtype.size()) {
        let bytes = if len == 0 {
            &[][..]
        } else {
            // SAFETY: a C-contiguous array of this shape and dtype has `len` bytes at `data`, and the
            // GIL is held, so that Python code does not write to them during the copy.
            unsafe { std::slice::from_raw_parts(data, len) }
        };
        return guard(|| Tensor::from_bytes(ty, bytes));
    }
    let owner: Box<dyn Any + Send + Sync> = Box::new(dense.unbind());
    // SAFETY: the owner keeps the array, and with it `len` readable bytes at `data`, alive.
    let buffer: BufferRef = std::sync::Arc::new(unsafe { ForeignBuffer::new(data, len, owner) });
    guard(|| Tensor::from_buffer(ty, buffer))
}

/// A read-only array over the tensor's memory, which keeps the tensor alive.
pub fn to_array<'py>(tensor: &Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyAny>> {
    let py = tensor.py();
    let inner = &tensor.get().0;
    let buffer = guard(|| inner.buffer().cloned())?;
    let Some(bytes) = buffer.host_bytes() else {
        return Err(PyValueError::new_err("the tensor's memory is not on the host"));
    };
    let descr = numpy_dtype(py, inner.dtype())?;
    let mut dims: Vec<npy_intp> = inner.shape().iter().map(|&d| d as npy_intp).collect();
    // SAFETY: PyArray_NewFromDescr steals the reference to the dtype given by into_ptr; `bytes` holds a
    // dense array of that dtype and shape and outlives the new array, because the array's base object is
    // the tensor, which owns the buffer. SetBaseObject steals the reference to the base.
    unsafe {
        let array = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            get_type_object(py, NpyTypes::PyArray_Type),
            descr.into_ptr().cast(),
            dims.len() as i32,
            dims.as_mut_ptr(),
            ptr::null_mut(),
            bytes.as_ptr().cast_mut().cast::<c_void>(),
            NPY_ARRAY_C_CONTIGUOUS, // and not writable
            ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(py, array)?;
        let base = tensor.clone().into_ptr();
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), base) != 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(array)
    }
}
