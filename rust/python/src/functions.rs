//! The functions of the module: one per structural op, one for the whole element-wise table.

use oxhorn::op::{ArgKind, CumulativeKind, Ew, LinalgKind, ReduceKind, ScatterMode, Window};
use oxhorn::promotion::{self, Operand};
use oxhorn::{Arg, Tensor, ops};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::array::Sharing;
use crate::convert;
use crate::error::guard;
use crate::tensor::PyTensor;

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

fn wrap(result: PyResult<Tensor>) -> PyResult<PyTensor> {
    result.map(PyTensor)
}

fn unknown(kind: &str, name: &str) -> PyErr {
    PyValueError::new_err(format!("unknown {kind} '{name}'"))
}

#[pyfunction]
#[pyo3(signature = (value, dtype=None))]
fn tensor(value: Any<'_, '_>, dtype: Option<&str>) -> PyResult<PyTensor> {
    let arg = match value.cast::<PyTensor>() {
        Ok(tensor) => Arg::Tensor(tensor.get().0.clone()),
        Err(_) if value.is_instance_of::<numpy::PyUntypedArray>() => {
            Arg::Tensor(convert::tensor_like(value, Sharing::Copy)?)
        }
        Err(_) => convert::arg(value)?,
    };
    let dtype = dtype.map(convert::dtype).transpose()?;
    wrap(guard(|| match (arg, dtype) {
        (Arg::Int(value), Some(dtype)) => Tensor::scalar(oxhorn::Scalar::from_i64(value, dtype)),
        (Arg::Float(value), Some(dtype)) => Tensor::scalar(oxhorn::Scalar::from_f64(value, dtype)),
        (arg, Some(dtype)) => ops::cast(&arg.to_tensor()?, dtype),
        (arg, None) => arg.to_tensor(),
    }))
}

/// A tensor that lends an array's memory instead of copying it: the array must not be written to while
/// the tensor is in use. For data sets.
#[pyfunction]
fn lend(array: Any<'_, '_>) -> PyResult<PyTensor> {
    wrap(convert::tensor_like(array, Sharing::Lend))
}

#[pyfunction]
fn full(shape: Any<'_, '_>, value: Any<'_, '_>, dtype: &str) -> PyResult<PyTensor> {
    let (shape, dtype) = (convert::shape(shape)?, convert::dtype(dtype)?);
    let value = convert::scalar(value, dtype)?;
    wrap(guard(|| ops::full(shape, value)))
}

#[pyfunction]
fn iota(shape: Any<'_, '_>, axis: usize, dtype: &str) -> PyResult<PyTensor> {
    let (shape, dtype) = (convert::shape(shape)?, convert::dtype(dtype)?);
    wrap(guard(|| ops::iota(shape, axis, dtype)))
}

#[pyfunction]
fn random_bits(seed: Any<'_, '_>, shape: Any<'_, '_>) -> PyResult<PyTensor> {
    let (seed, shape) = (convert::tensor(seed)?, convert::shape(shape)?);
    wrap(guard(|| ops::random_bits(&seed, shape)))
}

#[pyfunction]
#[pyo3(signature = (name, *args))]
fn elementwise(name: &str, args: &Bound<'_, PyTuple>) -> PyResult<PyTensor> {
    let op = Ew::parse(name).ok_or_else(|| unknown("element-wise op", name))?;
    let args = args.iter().map(|a| convert::arg(&a)).collect::<PyResult<Vec<_>>>()?;
    wrap(guard(|| ops::elementwise(op, &args)))
}

#[pyfunction]
fn elementwise_names(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let names = PyDict::new(py);
    for op in Ew::ALL {
        names.set_item(op.name(), op.arity())?;
    }
    Ok(names)
}

#[pyfunction]
fn cast(x: Any<'_, '_>, dtype: &str) -> PyResult<PyTensor> {
    let dtype = convert::dtype(dtype)?;
    let x = convert::arg(x)?;
    wrap(guard(|| ops::cast(&x.to_tensor()?, dtype)))
}

#[pyfunction]
fn bitcast(x: Any<'_, '_>, dtype: &str) -> PyResult<PyTensor> {
    let (x, dtype) = (convert::tensor(x)?, convert::dtype(dtype)?);
    wrap(guard(|| ops::bitcast(&x, dtype)))
}

#[pyfunction]
#[pyo3(signature = (*dtypes, floatx="float32"))]
fn result_type(dtypes: Vec<String>, floatx: &str) -> PyResult<&'static str> {
    let operands = dtypes
        .iter()
        .map(|name| match name.as_str() {
            "int" => Ok(Operand::WeakInt),
            "float" => Ok(Operand::WeakFloat),
            name => convert::dtype(name).map(Operand::Typed),
        })
        .collect::<PyResult<Vec<_>>>()?;
    Ok(promotion::result_type(&operands, convert::dtype(floatx)?).name())
}

/// Resolves at most one -1.
#[pyfunction]
fn reshape(x: Any<'_, '_>, shape: Vec<i64>) -> PyResult<PyTensor> {
    let x = convert::tensor(x)?;
    let size = x.shape().numel();
    let known: i64 = shape.iter().filter(|&&d| d != -1).product();
    let inferred = if known > 0 { size as i64 / known } else { 0 };
    let resolved: oxhorn::Shape =
        shape.iter().map(|&d| if d == -1 { inferred } else { d }.max(0) as usize).collect();
    let bad = shape.iter().filter(|&&d| d < 0).count() > 1 || shape.iter().any(|&d| d < -1);
    if bad || resolved.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(size) {
        let message = format!("reshape: cannot reshape a tensor of shape {} into shape {shape:?}", x.shape());
        return Err(PyValueError::new_err(message));
    }
    wrap(guard(|| ops::reshape(&x, &resolved)))
}

#[pyfunction]
fn transpose(x: Any<'_, '_>, perm: Vec<usize>) -> PyResult<PyTensor> {
    let x = convert::tensor(x)?;
    wrap(guard(|| ops::transpose(&x, &perm)))
}

#[pyfunction]
fn broadcast_to(x: Any<'_, '_>, shape: Any<'_, '_>) -> PyResult<PyTensor> {
    let (x, shape) = (convert::tensor(x)?, convert::shape(shape)?);
    wrap(guard(|| ops::broadcast_to(&x, &shape)))
}

#[pyfunction]
fn slice(x: Any<'_, '_>, start: Vec<usize>, limit: Vec<usize>, stride: Vec<usize>) -> PyResult<PyTensor> {
    let x = convert::tensor(x)?;
    wrap(guard(|| ops::slice(&x, &start, &limit, &stride)))
}

#[pyfunction]
fn dynamic_slice(x: Any<'_, '_>, start: Any<'_, '_>, sizes: Vec<usize>) -> PyResult<PyTensor> {
    let (x, start) = (convert::tensor(x)?, convert::tensor(start)?);
    wrap(guard(|| ops::dynamic_slice(&x, &start, &sizes)))
}

#[pyfunction]
fn dynamic_update_slice(x: Any<'_, '_>, update: Any<'_, '_>, start: Any<'_, '_>) -> PyResult<PyTensor> {
    let (x, update, start) = (convert::tensor(x)?, convert::tensor(update)?, convert::tensor(start)?);
    wrap(guard(|| ops::dynamic_update_slice(&x, &update, &start)))
}

#[pyfunction]
fn pad(
    x: Any<'_, '_>,
    low: Vec<isize>,
    high: Vec<isize>,
    interior: Vec<usize>,
    value: Any<'_, '_>,
) -> PyResult<PyTensor> {
    let x = convert::tensor(x)?;
    let value = convert::scalar(value, x.dtype())?;
    wrap(guard(|| ops::pad(&x, &low, &high, &interior, value)))
}

#[pyfunction]
fn concat(xs: Any<'_, '_>, axis: usize) -> PyResult<PyTensor> {
    let xs = convert::tensors(xs)?;
    wrap(guard(|| ops::concat(&xs, axis)))
}

#[pyfunction]
fn flip(x: Any<'_, '_>, axes: Vec<usize>) -> PyResult<PyTensor> {
    let x = convert::tensor(x)?;
    wrap(guard(|| ops::flip(&x, &axes)))
}

#[pyfunction]
fn gather(x: Any<'_, '_>, indices: Any<'_, '_>, axis: usize) -> PyResult<PyTensor> {
    let (x, indices) = (convert::tensor(x)?, convert::tensor(indices)?);
    wrap(guard(|| ops::gather(&x, &indices, axis)))
}

#[pyfunction]
fn take_along_axis(x: Any<'_, '_>, indices: Any<'_, '_>, axis: usize) -> PyResult<PyTensor> {
    let (x, indices) = (convert::tensor(x)?, convert::tensor(indices)?);
    wrap(guard(|| ops::take_along_axis(&x, &indices, axis)))
}

#[pyfunction]
fn gather_nd(x: Any<'_, '_>, indices: Any<'_, '_>) -> PyResult<PyTensor> {
    let (x, indices) = (convert::tensor(x)?, convert::tensor(indices)?);
    wrap(guard(|| ops::gather_nd(&x, &indices)))
}

#[pyfunction]
fn scatter_nd(mode: &str, x: Any<'_, '_>, indices: Any<'_, '_>, updates: Any<'_, '_>) -> PyResult<PyTensor> {
    let mode = match mode {
        "set" => ScatterMode::Set,
        "add" => ScatterMode::Add,
        "mul" => ScatterMode::Mul,
        "max" => ScatterMode::Max,
        "min" => ScatterMode::Min,
        other => return Err(unknown("scatter mode", other)),
    };
    let (x, indices, updates) = (convert::tensor(x)?, convert::tensor(indices)?, convert::tensor(updates)?);
    wrap(guard(|| ops::scatter_nd(mode, &x, &indices, &updates)))
}

#[pyfunction]
#[pyo3(signature = (x, axis, descending=false))]
fn sort(x: Any<'_, '_>, axis: usize, descending: bool) -> PyResult<(PyTensor, PyTensor)> {
    let x = convert::tensor(x)?;
    let (values, indices) = guard(|| ops::sort(&x, axis, descending))?;
    Ok((PyTensor(values), PyTensor(indices)))
}

#[pyfunction]
fn top_k(x: Any<'_, '_>, k: usize) -> PyResult<(PyTensor, PyTensor)> {
    let x = convert::tensor(x)?;
    let (values, indices) = guard(|| ops::top_k(&x, k))?;
    Ok((PyTensor(values), PyTensor(indices)))
}

fn reduce_kind(name: &str) -> PyResult<ReduceKind> {
    Ok(match name {
        "sum" => ReduceKind::Sum,
        "prod" => ReduceKind::Prod,
        "max" => ReduceKind::Max,
        "min" => ReduceKind::Min,
        "any" => ReduceKind::Any,
        "all" => ReduceKind::All,
        other => return Err(unknown("reduction", other)),
    })
}

#[pyfunction]
#[pyo3(signature = (kind, x, axes, keepdims=false))]
fn reduce(kind: &str, x: Any<'_, '_>, axes: Vec<usize>, keepdims: bool) -> PyResult<PyTensor> {
    let (kind, x) = (reduce_kind(kind)?, convert::tensor(x)?);
    wrap(guard(|| ops::reduce(kind, &x, &axes, keepdims)))
}

#[pyfunction]
#[pyo3(signature = (kind, x, axis, keepdims=false))]
fn arg_reduce(kind: &str, x: Any<'_, '_>, axis: usize, keepdims: bool) -> PyResult<PyTensor> {
    let kind = match kind {
        "argmax" => ArgKind::Max,
        "argmin" => ArgKind::Min,
        other => return Err(unknown("reduction", other)),
    };
    let x = convert::tensor(x)?;
    wrap(guard(|| ops::arg_reduce(kind, &x, axis, keepdims)))
}

#[pyfunction]
#[pyo3(signature = (kind, x, axis, reverse=false))]
fn cumulative(kind: &str, x: Any<'_, '_>, axis: usize, reverse: bool) -> PyResult<PyTensor> {
    let kind = match kind {
        "sum" => CumulativeKind::Sum,
        "prod" => CumulativeKind::Prod,
        "max" => CumulativeKind::Max,
        "min" => CumulativeKind::Min,
        "logsumexp" => CumulativeKind::LogSumExp,
        other => return Err(unknown("running total", other)),
    };
    let x = convert::tensor(x)?;
    wrap(guard(|| ops::cumulative(kind, &x, axis, reverse)))
}

#[pyfunction]
fn softmax(x: Any<'_, '_>, axis: usize) -> PyResult<PyTensor> {
    let x = convert::tensor(x)?;
    wrap(guard(|| ops::softmax(&x, axis)))
}

#[pyfunction]
fn log_softmax(x: Any<'_, '_>, axis: usize) -> PyResult<PyTensor> {
    let x = convert::tensor(x)?;
    wrap(guard(|| ops::log_softmax(&x, axis)))
}

#[pyfunction]
#[pyo3(signature = (a, b, transpose_a=false, transpose_b=false))]
fn matmul(a: Any<'_, '_>, b: Any<'_, '_>, transpose_a: bool, transpose_b: bool) -> PyResult<PyTensor> {
    let (a, b) = (convert::tensor(a)?, convert::tensor(b)?);
    wrap(guard(|| ops::matmul(&a, &b, transpose_a, transpose_b)))
}

#[pyfunction]
#[pyo3(signature = (equation, *operands))]
fn einsum(equation: &str, operands: &Bound<'_, PyTuple>) -> PyResult<PyTensor> {
    let operands = convert::tensors(operands.as_any())?;
    wrap(guard(|| ops::einsum(equation, &operands)))
}

#[pyfunction]
fn tensordot(a: Any<'_, '_>, b: Any<'_, '_>, axes_a: Vec<usize>, axes_b: Vec<usize>) -> PyResult<PyTensor> {
    let (a, b) = (convert::tensor(a)?, convert::tensor(b)?);
    wrap(guard(|| ops::tensordot(&a, &b, &axes_a, &axes_b)))
}

#[pyfunction]
#[pyo3(signature = (x, kernel, strides, padding, lhs_dilation, rhs_dilation, groups=1))]
fn conv(
    x: Any<'_, '_>,
    kernel: Any<'_, '_>,
    strides: Vec<usize>,
    padding: Vec<(isize, isize)>,
    lhs_dilation: Vec<usize>,
    rhs_dilation: Vec<usize>,
    groups: usize,
) -> PyResult<PyTensor> {
    let (x, kernel) = (convert::tensor(x)?, convert::tensor(kernel)?);
    wrap(guard(|| ops::conv(&x, &kernel, &strides, &padding, &lhs_dilation, &rhs_dilation, groups)))
}

#[pyfunction]
#[pyo3(signature = (kind, x, window, strides, padding, dilation=None))]
fn reduce_window(
    kind: &str,
    x: Any<'_, '_>,
    window: Vec<usize>,
    strides: Vec<usize>,
    padding: Vec<(usize, usize)>,
    dilation: Option<Vec<usize>>,
) -> PyResult<PyTensor> {
    let (kind, x) = (reduce_kind(kind)?, convert::tensor(x)?);
    let dilation = dilation.unwrap_or_else(|| vec![1; window.len()]);
    let window = Window {
        size: window.into(),
        strides: strides.into(),
        padding: padding.into(),
        dilation: dilation.into(),
    };
    wrap(guard(|| ops::window_reduce(kind, &x, window)))
}

#[pyfunction]
#[pyo3(signature = (name, *args, lower=true, transpose=false, complete=false, full_matrices=true))]
fn linalg(
    name: &str,
    args: &Bound<'_, PyTuple>,
    lower: bool,
    transpose: bool,
    complete: bool,
    full_matrices: bool,
) -> PyResult<Vec<PyTensor>> {
    let kind = match name {
        "cholesky" => LinalgKind::Cholesky,
        "triangular_solve" => LinalgKind::TriangularSolve { lower, transpose },
        "solve" => LinalgKind::Solve,
        "inv" => LinalgKind::Inv,
        "det" => LinalgKind::Det,
        "lu_factor" => LinalgKind::LuFactor,
        "qr" => LinalgKind::Qr { complete },
        "eigh" => LinalgKind::Eigh,
        "svd" => LinalgKind::Svd { full_matrices },
        other => return Err(unknown("factorisation", other)),
    };
    let operands = convert::tensors(args.as_any())?;
    Ok(guard(|| ops::linalg(kind, &operands))?.into_iter().map(PyTensor).collect())
}

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident),* $(,)?) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(
        tensor,
        lend,
        full,
        iota,
        random_bits,
        elementwise,
        elementwise_names,
        cast,
        bitcast,
        result_type,
        reshape,
        transpose,
        broadcast_to,
        slice,
        dynamic_slice,
        dynamic_update_slice,
        pad,
        concat,
        flip,
        gather,
        take_along_axis,
        gather_nd,
        scatter_nd,
        sort,
        top_k,
        reduce,
        arg_reduce,
        cumulative,
        softmax,
        log_softmax,
        matmul,
        einsum,
        tensordot,
        conv,
        reduce_window,
        linalg,
    );
    Ok(())
}

/// A Python type error that names what came.
pub fn type_error(expected: &str, got: Any<'_, '_>) -> PyErr {
    match got.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("expected {expected}, got {name}")),
        Err(error) => error,
    }
}
