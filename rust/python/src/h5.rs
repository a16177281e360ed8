//! HDF5 files as nested dictionaries of NumPy arrays.

use std::collections::BTreeMap;

use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use oxhorn::h5::{Array, Attribute, Data, Group};
use oxhorn::{DType, Tensor, TensorType};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::array::{Sharing, from_array, numpy_module, to_array};
use crate::error::guard;
use crate::tensor::PyTensor;

#[pyfunction]
#[pyo3(signature = (data, max_bytes=1 << 40))]
pub fn h5_read<'py>(py: Python<'py>, data: &[u8], max_bytes: u64) -> PyResult<Bound<'py, PyDict>> {
    let bytes = data.to_vec();
    let root = py.detach(|| guard(|| oxhorn::h5::read(bytes, max_bytes)))?;
    group_to_dict(py, root)
}

#[pyfunction]
pub fn h5_write<'py>(py: Python<'py>, root: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyBytes>> {
    let root = dict_to_group(root)?;
    let bytes = py.detach(|| guard(|| oxhorn::h5::write(&root)))?;
    Ok(PyBytes::new(py, &bytes))
}

fn group_to_dict(py: Python<'_>, group: Group) -> PyResult<Bound<'_, PyDict>> {
    let groups = PyDict::new(py);
    for (name, child) in group.groups {
        groups.set_item(name, group_to_dict(py, child)?)?;
    }
    let datasets = PyDict::new(py);
    for (name, array) in group.arrays {
        let entry = PyDict::new(py);
        entry.set_item("attrs", attributes_to_dict(py, &array.attributes)?)?;
        entry.set_item("data", data_to_array(py, array)?)?;
        datasets.set_item(name, entry)?;
    }
    let dict = PyDict::new(py);
    dict.set_item("attrs", attributes_to_dict(py, &group.attributes)?)?;
    dict.set_item("groups", groups)?;
    dict.set_item("datasets", datasets)?;
    Ok(dict)
}

fn data_to_array(py: Python<'_>, array: Array) -> PyResult<Bound<'_, PyAny>> {
    let (dtype, bytes) = match array.data {
        Data::Numbers(dtype, bytes) => (dtype, bytes),
        Data::Opaque(1, bytes) => (DType::U8, bytes),
        Data::Opaque(2, bytes) => (DType::U16, bytes),
        Data::Opaque(size, _) => {
            return Err(PyValueError::new_err(format!(
                "HDF5: opaque elements of {size} bytes are not known"
            )));
        }
        Data::Strings(strings) => {
            let list = PyList::new(py, strings)?;
            return numpy_module(py)?
                .getattr("array")?
                .call1((list,))?
                .call_method1("reshape", (array.shape,));
        }
    };
    let ty = TensorType::new(dtype, array.shape.as_slice());
    let tensor = guard(|| Tensor::from_bytes(ty, &bytes))?;
    to_array(&PyTensor(tensor).into_pyobject(py)?)
}

fn attributes_to_dict<'py>(
    py: Python<'py>,
    attributes: &BTreeMap<String, Attribute>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in attributes {
        match value {
            Attribute::String(v) => dict.set_item(name, v)?,
            Attribute::Strings(v) => dict.set_item(name, v)?,
            Attribute::Int(v) => dict.set_item(name, v)?,
            Attribute::Ints(v) => dict.set_item(name, v)?,
            Attribute::Float(v) => dict.set_item(name, v)?,
            Attribute::Floats(v) => dict.set_item(name, v)?,
        }
    }
    Ok(dict)
}

fn part<'py>(dict: &Bound<'py, PyDict>, name: &str) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    match dict.get_item(name)? {
        Some(value) => value.cast::<PyDict>()?.iter().map(|(k, v)| Ok((k.extract()?, v))).collect(),
        None => Ok(Vec::new()),
    }
}

fn dict_to_group(dict: &Bound<'_, PyDict>) -> PyResult<Group> {
    let mut group = Group { attributes: dict_to_attributes(dict)?, ..Group::default() };
    for (name, child) in part(dict, "groups")? {
        group.groups.insert(name, dict_to_group(child.cast::<PyDict>()?)?);
    }
    for (name, entry) in part(dict, "datasets")? {
        let entry = entry.cast::<PyDict>()?;
        let Some(data) = entry.get_item("data")? else {
            return Err(PyValueError::new_err(format!("HDF5: dataset '{name}' has no data")));
        };
        let array = data.cast::<PyUntypedArray>()?;
        let attributes = dict_to_attributes(entry)?;
        let tensor = from_array(array, Sharing::Lend)?;
        let bytes = guard(|| tensor.to_bytes())?;
        let data = Data::Numbers(tensor.dtype(), bytes);
        group.arrays.insert(name, Array { shape: array.shape().to_vec(), data, attributes });
    }
    Ok(group)
}

fn dict_to_attributes(dict: &Bound<'_, PyDict>) -> PyResult<BTreeMap<String, Attribute>> {
    part(dict, "attrs")?.into_iter().map(|(name, value)| Ok((name, attribute(&value)?))).collect()
}

fn attribute(value: &Bound<'_, PyAny>) -> PyResult<Attribute> {
    if value.is_instance_of::<PyString>() {
        return Ok(Attribute::String(value.extract()?));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Attribute::Int(value.extract()?));
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Attribute::Float(value.extract()?));
    }
    if let Ok(texts) = value.extract::<Vec<String>>() {
        return Ok(Attribute::Strings(texts));
    }
    if let Ok(numbers) = value.extract::<Vec<i64>>() {
        return Ok(Attribute::Ints(numbers));
    }
    value
        .extract::<Vec<f64>>()
        .map(Attribute::Floats)
        .map_err(|_| PyTypeError::new_err("HDF5: attributes are strings, numbers or lists of them"))
}
