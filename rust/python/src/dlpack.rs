//! DLPack exchange of host tensors, by way of NumPy's own implementation of the protocol.

use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::array::{Sharing, from_array, numpy_module, to_array};
use crate::tensor::PyTensor;

/// A DLPack capsule over the tensor's memory. NumPy exports only writable arrays under the unversioned
/// protocol, so the elements are copied there; consumers may then write to what they got.
pub fn export<'py>(tensor: &Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyAny>> {
    to_array(tensor)?.call_method0("copy")?.call_method0("__dlpack__")
}

/// A tensor over the memory of any host object that speaks DLPack.
#[pyfunction]
pub fn from_dlpack(object: &Bound<'_, PyAny>) -> PyResult<PyTensor> {
    let array = numpy_module(object.py())?.getattr("from_dlpack")?.call1((object,))?;
    let array = array.cast_into::<PyUntypedArray>()?;
    let sharing = if array.is_c_contiguous() { Sharing::Lend } else { Sharing::Copy };
    from_array(&array, sharing).map(PyTensor)
}
