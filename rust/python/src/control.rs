//! Loops, branches and user-written gradients over Python functions.

use oxhorn::{Error, Tensor};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::convert;
use crate::error::{callback_error, guard};
use crate::tensor::PyTensor;

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

fn list<'py>(py: Python<'py>, tensors: Vec<Tensor>) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, tensors.into_iter().map(PyTensor))
}

fn python(tensors: Vec<Tensor>) -> Vec<PyTensor> {
    tensors.into_iter().map(PyTensor).collect()
}

#[pyfunction]
#[pyo3(signature = (body, carry, xs, length, reverse=false))]
fn scan(
    py: Python<'_>,
    body: Any<'_, '_>,
    carry: Any<'_, '_>,
    xs: Any<'_, '_>,
    length: usize,
    reverse: bool,
) -> PyResult<(Vec<PyTensor>, Vec<PyTensor>)> {
    let (carry, xs) = (convert::tensors(carry)?, convert::tensors(xs)?);
    let call = |carry, slices| -> PyResult<_> {
        let result = body.call1((list(py, carry)?, list(py, slices)?))?;
        Ok((convert::tensors(&result.get_item(0)?)?, convert::tensors(&result.get_item(1)?)?))
    };
    let run = || oxhorn::scan(|c, x| call(c, x).map_err(callback_error), &carry, &xs, length, reverse);
    let (carry, ys) = guard(run)?;
    Ok((python(carry), python(ys)))
}

#[pyfunction]
#[pyo3(signature = (condition, body, carry, max_iterations=None))]
fn while_loop(
    py: Python<'_>,
    condition: Any<'_, '_>,
    body: Any<'_, '_>,
    carry: Any<'_, '_>,
    max_iterations: Option<u64>,
) -> PyResult<Vec<PyTensor>> {
    let carry = convert::tensors(carry)?;
    let test = |carry| -> PyResult<_> { convert::tensor(&condition.call1((list(py, carry)?,))?) };
    let step = |carry| -> PyResult<_> { convert::tensors(&body.call1((list(py, carry)?,))?) };
    let run = || {
        oxhorn::while_loop(
            |c| test(c).map_err(callback_error),
            |c| step(c).map_err(callback_error),
            &carry,
            max_iterations,
        )
    };
    guard(run).map(python)
}

#[pyfunction]
fn cond(predicate: Any<'_, '_>, true_fn: Any<'_, '_>, false_fn: Any<'_, '_>) -> PyResult<Vec<PyTensor>> {
    let predicate = convert::tensor(predicate)?;
    let branch = |f: Any<'_, '_>| f.call0().and_then(|r| convert::tensors(&r)).map_err(callback_error);
    guard(|| oxhorn::cond(&predicate, || branch(true_fn), || branch(false_fn))).map(python)
}

#[pyfunction]
fn custom_gradient(outputs: Any<'_, '_>, inputs: Any<'_, '_>, vjp: Py<PyAny>) -> PyResult<Vec<PyTensor>> {
    let (outputs, inputs) = (convert::tensors(outputs)?, convert::tensors(inputs)?);
    let rule = move |cotangents: &[Tensor]| -> oxhorn::Result<Vec<Option<Tensor>>> {
        Python::attach(|py| -> PyResult<_> {
            let result = vjp.bind(py).call1((list(py, cotangents.to_vec())?,))?;
            result
                .try_iter()?
                .map(|item| {
                    let item = item?;
                    if item.is_none() { Ok(None) } else { convert::tensor(&item).map(Some) }
                })
                .collect()
        })
        .map_err(callback_error)
    };
    let count = inputs.len();
    let rule = move |cotangents: &[Tensor]| {
        let gradients = rule(cotangents)?;
        if gradients.len() == count {
            return Ok(gradients);
        }
        Err(Error::invalid(format!("custom_gradient: expected {count} gradients, got {}", gradients.len())))
    };
    guard(|| oxhorn::custom_gradient(&outputs, &inputs, Box::new(rule))).map(python)
}

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(scan, module)?)?;
    module.add_function(wrap_pyfunction!(while_loop, module)?)?;
    module.add_function(wrap_pyfunction!(cond, module)?)?;
    module.add_function(wrap_pyfunction!(custom_gradient, module)?)
}
