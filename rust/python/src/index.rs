//! `x[...]` with NumPy's rules: integers, slices, new axes, ellipsis, integer arrays and bool masks.

use numpy::PyUntypedArray;
use oxhorn::{DType, Shape, Tensor, op::Ew, ops};
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};

use crate::array::{Sharing, from_array, numpy_module};
use crate::convert;
use crate::error::guard;
use crate::tensor::{PyTensor, out_of_bounds};

/// One entry of an index, resolved against its axis.
enum Item {
    NewAxis,
    /// start, count, signed step.
    Range(usize, usize, isize),
    /// Removes the axis.
    At(usize),
    Array(Tensor),
}

/// Row `row` of the first axis.
pub fn row(x: &Tensor, row: usize) -> PyResult<Tensor> {
    let rest: Vec<Item> = x.shape()[1..].iter().map(|&size| Item::Range(0, size, 1)).collect();
    select(x, std::iter::once(Item::At(row)).chain(rest).collect())
}

/// `x[key]`.
pub fn get(x: &Tensor, key: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let keys: Vec<Bound<'_, PyAny>> = match key.cast::<PyTuple>() {
        Ok(tuple) => tuple.iter().collect(),
        Err(_) => vec![key.clone()],
    };
    let mut entries = Vec::with_capacity(keys.len());
    for key in &keys {
        expand_mask(key, &mut entries)?;
    }
    let consumed = entries.iter().filter(|e| !matches!(e, Entry::NewAxis | Entry::Ellipsis)).count();
    let rank = x.shape().rank();
    if consumed > rank {
        let message = format!("too many indices: tensor is {rank}-dimensional, but {consumed} were indexed");
        return Err(PyIndexError::new_err(message));
    }
    let mut items = Vec::new();
    let mut axis = 0;
    let mut filled = false;
    let fill = |items: &mut Vec<Item>, axis: &mut usize| {
        for _ in 0..rank - consumed {
            items.push(Item::Range(0, x.shape()[*axis], 1));
            *axis += 1;
        }
    };
    for entry in entries {
        match entry {
            Entry::NewAxis => items.push(Item::NewAxis),
            Entry::Ellipsis if filled => {
                return Err(PyIndexError::new_err("an index can only have a single ellipsis ('...')"));
            }
            Entry::Ellipsis => {
                filled = true;
                fill(&mut items, &mut axis);
            }
            Entry::Slice(slice) => {
                let size = x.shape()[axis];
                let bounds = slice.indices(size as isize)?;
                items.push(Item::Range(bounds.start.max(0) as usize, bounds.slicelength, bounds.step));
                axis += 1;
            }
            Entry::Int(index) => {
                let size = x.shape()[axis];
                let wrapped = if index < 0 { index + size as i64 } else { index };
                if wrapped < 0 || wrapped >= size as i64 {
                    return Err(out_of_bounds(index, axis, size));
                }
                items.push(Item::At(wrapped as usize));
                axis += 1;
            }
            Entry::Array(array) => {
                items.push(Item::Array(array));
                axis += 1;
            }
        }
    }
    if !filled {
        fill(&mut items, &mut axis);
    }
    select(x, items)
}

/// One entry of an index as the user wrote it.
enum Entry<'py> {
    NewAxis,
    Ellipsis,
    Slice(Bound<'py, PySlice>),
    Int(i64),
    Array(Tensor),
}

/// Classifies one key; a bool mask becomes one integer array for each of its axes.
fn expand_mask<'py>(key: &Bound<'py, PyAny>, entries: &mut Vec<Entry<'py>>) -> PyResult<()> {
    if key.is_none() {
        entries.push(Entry::NewAxis);
    } else if key.is_instance_of::<PyEllipsis>() {
        entries.push(Entry::Ellipsis);
    } else if let Ok(slice) = key.cast::<PySlice>() {
        entries.push(Entry::Slice(slice.clone()));
    } else if key.is_instance_of::<PyInt>() && !key.is_instance_of::<PyBool>() {
        entries.push(Entry::Int(key.extract()?));
    } else {
        let tensor = if key.is_instance_of::<PyList>() || key.is_instance_of::<PyBool>() {
            convert::tensor(key)?
        } else {
            convert::tensor_like(key, Sharing::Lend)?
        };
        match tensor.dtype() {
            DType::Bool => {
                let mask = PyTensor(tensor).into_pyobject(key.py())?;
                let mask = crate::array::to_array(&mask)?;
                for positions in numpy_module(key.py())?.getattr("nonzero")?.call1((mask,))?.try_iter()? {
                    let positions = positions?.cast_into::<PyUntypedArray>()?;
                    entries.push(Entry::Array(from_array(&positions, Sharing::Copy)?));
                }
            }
            dtype if dtype.is_int() => {
                if tensor.shape().rank() == 0 && !tensor.is_traced() {
                    let value = guard(|| ops::cast(&tensor, DType::I64)?.to_vec::<i64>())?;
                    entries.push(Entry::Int(value.first().copied().unwrap_or_default()));
                } else {
                    entries.push(Entry::Array(tensor));
                }
            }
            dtype => {
                let message = format!("tensors used as indices must be of integer or bool type, got {dtype}");
                return Err(PyTypeError::new_err(message));
            }
        }
    }
    Ok(())
}

/// Applies the entries: ranges first, then arrays, then removed and new axes.
fn select(x: &Tensor, items: Vec<Item>) -> PyResult<Tensor> {
    let mut start = Vec::new();
    let mut limit = Vec::new();
    let mut stride = Vec::new();
    let mut flips = Vec::new();
    let mut axis = 0;
    for item in &items {
        let (from, to, step) = match *item {
            Item::NewAxis => continue,
            Item::Array(_) => (0, x.shape()[axis], 1),
            Item::At(index) => (index, index + 1, 1),
            Item::Range(_, 0, _) => (0, 0, 1),
            Item::Range(first, count, step) if step > 0 => {
                (first, first + (count - 1) * step as usize + 1, step as usize)
            }
            Item::Range(first, count, step) => {
                flips.push(axis);
                let step = step.unsigned_abs();
                (first - (count - 1) * step, first + 1, step)
            }
        };
        start.push(from);
        limit.push(to);
        stride.push(step);
        axis += 1;
    }
    guard(|| {
        let mut y = x.clone();
        let whole = start.iter().all(|&s| s == 0)
            && stride.iter().all(|&s| s == 1)
            && limit.iter().zip(x.shape().iter()).all(|(l, d)| l == d);
        if !whole {
            y = ops::slice(&y, &start, &limit, &stride)?;
        }
        if !flips.is_empty() {
            y = ops::flip(&y, &flips)?;
        }
        // Axes of y without the integer-indexed ones, new axes included, arrays still whole.
        let mut shape = Shape::default();
        let mut arrays = Vec::new();
        let mut axis = 0;
        for item in items {
            match item {
                Item::NewAxis => shape.0.push(1),
                Item::At(_) => axis += 1,
                Item::Range(..) => {
                    shape.0.push(y.shape()[axis]);
                    axis += 1;
                }
                Item::Array(array) => {
                    arrays.push((shape.rank(), array));
                    shape.0.push(y.shape()[axis]);
                    axis += 1;
                }
            }
        }
        if *y.shape() != shape {
            y = ops::reshape(&y, &shape)?;
        }
        match arrays.as_slice() {
            [] => Ok(y),
            [(axis, array)] => ops::gather(&y, array, *axis),
            _ => gather_arrays(&y, &arrays),
        }
    })
}

/// Several index arrays: broadcast together; their axes come where the first stood if they are
/// neighbours, else first.
fn gather_arrays(x: &Tensor, arrays: &[(usize, Tensor)]) -> oxhorn::Result<Tensor> {
    let rank = x.shape().rank();
    let mut common = Shape::scalar();
    for (_, array) in arrays {
        common = common.broadcast(array.shape()).ok_or_else(|| {
            oxhorn::Error::invalid(format!(
                "index arrays could not be broadcast together: shapes {common} and {}",
                array.shape()
            ))
        })?;
    }
    let column: Shape = common.iter().copied().chain(std::iter::once(1)).collect();
    let columns = arrays
        .iter()
        .map(|(axis, array)| {
            let size = x.shape()[*axis] as i64;
            let array = ops::cast(array, DType::I64)?;
            // Negative entries are wrapped here, axis by axis.
            let negative = ops::elementwise(Ew::Lt, &[(&array).into(), 0.into()])?;
            let wrapped = ops::elementwise(Ew::Add, &[(&array).into(), size.into()])?;
            let array = ops::elementwise(Ew::Select, &[negative.into(), wrapped.into(), array.into()])?;
            ops::reshape(&ops::broadcast_to(&array, &common)?, &column)
        })
        .collect::<oxhorn::Result<Vec<_>>>()?;
    let indices = ops::concat(&columns, column.rank() - 1)?;
    let indexed: Vec<usize> = arrays.iter().map(|(axis, _)| *axis).collect();
    let others: Vec<usize> = (0..rank).filter(|axis| !indexed.contains(axis)).collect();
    let perm: Vec<usize> = indexed.iter().chain(&others).copied().collect();
    let result = ops::gather_nd(&ops::transpose(x, &perm)?, &indices)?;
    let adjacent = indexed.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let first = indexed[0];
    if !adjacent || first == 0 {
        return Ok(result);
    }
    // (common..., before..., after...) -> (before..., common..., after...)
    let n = common.rank();
    let perm: Vec<usize> = (n..n + first).chain(0..n).chain(n + first..result.shape().rank()).collect();
    ops::transpose(&result, &perm)
}
