//! The extension module `oxhorn._core`: conversions, the GIL, errors. No engine logic.

mod array;
mod control;
mod convert;
mod dlpack;
mod error;
mod fingerprint;
mod functions;
mod h5;
mod index;
mod state;
mod tensor;

use pyo3::prelude::*;

/// The engine.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("InternalError", py.get_type::<error::InternalError>())?;
    module.add("TracedValueError", py.get_type::<error::TracedValueError>())?;
    module.add_class::<tensor::PyTensor>()?;
    module.add_function(wrap_pyfunction!(tensor::restore, module)?)?;
    module.add_function(wrap_pyfunction!(tensor::numpy_dtype_of, module)?)?;
    module.add_function(wrap_pyfunction!(dlpack::from_dlpack, module)?)?;
    module.add_function(wrap_pyfunction!(h5::h5_read, module)?)?;
    module.add_function(wrap_pyfunction!(h5::h5_write, module)?)?;
    module.add_function(wrap_pyfunction!(fingerprint::fingerprint64, module)?)?;
    functions::register(module)?;
    control::register(module)?;
    state::register(module)
}
