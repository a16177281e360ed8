//! From Python objects to operands.

use numpy::PyUntypedArray;
use oxhorn::{Arg, DType, Scalar, Shape, Tensor, TensorType, ops};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyTuple};

use crate::array::{Sharing, from_array, numpy_module};
use crate::error::{guard, to_python};
use crate::tensor::PyTensor;

/// A dtype from its name.
pub fn dtype(name: &str) -> PyResult<DType> {
    DType::parse(name).map_err(|e| PyValueError::new_err(e.to_string()))
}

/// A shape from a sequence of non-negative integers whose product fits memory.
pub fn shape(dims: &Bound<'_, PyAny>) -> PyResult<Shape> {
    let mut shape = Shape::default();
    for item in dims.try_iter()? {
        let item = item?;
        let size: i64 = item.extract().or_else(|_| item.call_method0("__index__")?.extract())?;
        let size = usize::try_from(size)
            .map_err(|_| PyValueError::new_err(format!("expected non-negative dimensions, got {size}")))?;
        shape.0.push(size);
    }
    shape.check().map_err(|e| to_python(e.into()))
}

/// An operand: tensors and arrays as they are, Python scalars weakly typed.
pub fn arg(object: &Bound<'_, PyAny>) -> PyResult<Arg> {
    if let Ok(tensor) = object.cast::<PyTensor>() {
        return Ok(Arg::Tensor(tensor.get().0.clone()));
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(Arg::Bool(object.extract()?));
    }
    if object.is_exact_instance_of::<PyFloat>() {
        return Ok(Arg::Float(object.extract()?));
    }
    if object.is_instance_of::<PyInt>() {
        return int(object);
    }
    tensor_like(object, Sharing::Lend).map(Arg::Tensor)
}

/// Integers beyond int64 are kept as uint64, and refused beyond that.
fn int(object: &Bound<'_, PyAny>) -> PyResult<Arg> {
    if let Ok(value) = object.extract::<i64>() {
        return Ok(Arg::Int(value));
    }
    let value: u64 = object.extract().map_err(|_| {
        pyo3::exceptions::PyOverflowError::new_err("integer too large to convert to a tensor")
    })?;
    guard(|| Tensor::scalar(Scalar::from_u64(value, DType::U64))).map(Arg::Tensor)
}

/// A tensor operand; Python scalars take float32, int32 or bool.
pub fn tensor(object: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let arg = arg(object)?;
    guard(|| arg.to_tensor())
}

/// Tensor operands.
pub fn tensors(objects: &Bound<'_, PyAny>) -> PyResult<Vec<Tensor>> {
    objects.try_iter()?.map(|object| tensor(&object?)).collect()
}

/// A tensor from anything that is not a Python scalar.
pub fn tensor_like(object: &Bound<'_, PyAny>, sharing: Sharing) -> PyResult<Tensor> {
    let py = object.py();
    if let Ok(tensor) = object.cast::<PyTensor>() {
        return Ok(tensor.get().0.clone());
    }
    if let Ok(array) = object.cast::<PyUntypedArray>() {
        return from_array(array, if oxhorn::is_tracing() { Sharing::Copy } else { sharing });
    }
    let sequence = object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>();
    if !sequence && let Ok(method) = object.getattr(pyo3::intern!(py, "__oxhorn_tensor__")) {
        return Ok(method.call0()?.cast::<PyTensor>().map_err(PyErr::from)?.get().0.clone());
    }
    if sequence && holds_tensor(object)? {
        let parts = object.try_iter()?.map(|item| tensor(&item?)).collect::<PyResult<Vec<_>>>()?;
        return stack(&parts);
    }
    let array = numpy_module(py)?.getattr("asarray")?.call1((object,))?;
    let array = array.cast_into::<PyUntypedArray>().map_err(PyErr::from)?;
    if crate::array::array_dtype(&array).is_err() {
        let kind = object.get_type().name()?;
        return Err(PyTypeError::new_err(format!("cannot convert an object of type {kind} to a tensor")));
    }
    let tensor = from_array(&array, Sharing::Copy)?;
    // Lists of Python numbers have no dtype of their own: NumPy's 64-bit default is narrowed.
    let narrow = match tensor.dtype() {
        DType::F64 if sequence => DType::F32,
        DType::I64 if sequence => DType::I32,
        other => other,
    };
    guard(|| ops::cast(&tensor, narrow))
}

/// Whether a nested list has tensors among its items.
fn holds_tensor(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    for item in object.try_iter()? {
        let item = item?;
        let nested = item.is_instance_of::<PyList>() || item.is_instance_of::<PyTuple>();
        let found = if nested {
            holds_tensor(&item)?
        } else {
            item.is_instance_of::<PyTensor>()
                || (!item.is_instance_of::<PyInt>()
                    && !item.is_instance_of::<PyFloat>()
                    && item.hasattr(pyo3::intern!(item.py(), "__oxhorn_tensor__"))?)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tensors of one shape joined along a new first axis, in their common dtype.
pub fn stack(parts: &[Tensor]) -> PyResult<Tensor> {
    let kinds: Vec<_> = parts.iter().map(|p| oxhorn::promotion::Operand::Typed(p.dtype())).collect();
    let dtype = oxhorn::promotion::result_type(&kinds, DType::F32);
    guard(|| {
        let rows = parts
            .iter()
            .map(|part| {
                let row: Shape = std::iter::once(1).chain(part.shape().iter().copied()).collect();
                ops::reshape(&ops::cast(part, dtype)?, &row)
            })
            .collect::<oxhorn::Result<Vec<_>>>()?;
        ops::concat(&rows, 0)
    })
}

/// A tensor type from a Python shape and dtype name.
pub fn tensor_type(dims: &Bound<'_, PyAny>, name: &str) -> PyResult<TensorType> {
    Ok(TensorType { dtype: dtype(name)?, shape: shape(dims)? })
}

/// A scalar of a dtype from a Python number.
pub fn scalar(object: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Scalar> {
    if object.is_instance_of::<PyBool>() {
        return Ok(Scalar::from_i64(i64::from(object.extract::<bool>()?), dtype));
    }
    if let Ok(value) = object.extract::<i64>() {
        return Ok(Scalar::from_i64(value, dtype));
    }
    if let Ok(value) = object.extract::<u64>() {
        return Ok(Scalar::from_u64(value, dtype));
    }
    Ok(Scalar::from_f64(object.extract()?, dtype))
}
