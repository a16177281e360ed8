//! Slots, traces, compiled functions, tapes and the epoch loop.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oxhorn::{EpochLoop, Function, Slot, Tape, Tensor, Trace, Wrt};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::array::Sharing;
use crate::convert;
use crate::error::guard;
use crate::functions::type_error;
use crate::tensor::PyTensor;

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

fn python(tensors: Vec<Tensor>) -> Vec<PyTensor> {
    tensors.into_iter().map(PyTensor).collect()
}

/// A mutable cell that holds a concrete tensor: what a Keras variable stores its value in.
#[pyclass(name = "Slot", module = "oxhorn._core", frozen, weakref)]
pub struct PySlot(Slot);

#[pymethods]
impl PySlot {
    #[new]
    fn new(value: &PyTensor) -> PyResult<Self> {
        guard(|| Slot::new(&value.0)).map(Self)
    }
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.ty().shape.iter())
    }
    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.ty().dtype.name()
    }
    fn read(&self) -> PyResult<PyTensor> {
        guard(|| self.0.read()).map(PyTensor)
    }
    fn write(&self, value: Any<'_, '_>) -> PyResult<()> {
        let value = if value.is_instance_of::<numpy::PyUntypedArray>() {
            convert::tensor_like(value, Sharing::Copy)?
        } else {
            convert::tensor(value)?
        };
        guard(|| self.0.write(&value))
    }
    fn peek(&self) -> PyTensor {
        PyTensor(self.0.peek())
    }
}

/// Records ops into a graph while it is entered.
#[pyclass(name = "Trace", module = "oxhorn._core", frozen)]
pub struct PyTrace(Trace);

#[pymethods]
impl PyTrace {
    #[new]
    fn new() -> Self {
        Self(Trace::new())
    }
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf.get().0.start();
        slf
    }
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.0.stop();
    }
    fn input(&self, shape: Any<'_, '_>, dtype: &str) -> PyResult<PyTensor> {
        Ok(PyTensor(self.0.input(convert::tensor_type(shape, dtype)?)))
    }
    fn compile(&self, py: Python<'_>, outputs: Any<'_, '_>) -> PyResult<PyFunction> {
        let outputs = convert::tensors(outputs)?;
        let trace = &self.0;
        py.detach(|| guard(|| trace.compile(&outputs))).map(PyFunction)
    }
}

/// Suspends tracing: ops inside run at once.
#[pyclass(name = "eager_scope", module = "oxhorn._core", frozen)]
pub struct EagerScope;

#[pymethods]
impl EagerScope {
    #[new]
    fn new() -> Self {
        Self
    }
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        oxhorn::enter_eager();
        slf
    }
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        oxhorn::leave_eager();
    }
}

/// A compiled graph.
#[pyclass(name = "Function", module = "oxhorn._core", frozen, weakref)]
pub struct PyFunction(Function);

#[pymethods]
impl PyFunction {
    fn __call__(&self, py: Python<'_>, inputs: Any<'_, '_>) -> PyResult<Vec<PyTensor>> {
        let inputs = convert::tensors(inputs)?;
        py.detach(|| guard(|| self.0.call(&inputs))).map(python)
    }
    #[getter]
    fn input_types(&self) -> Vec<(Vec<usize>, &'static str)> {
        self.0.arguments().iter().map(|ty| (ty.shape.to_vec(), ty.dtype.name())).collect()
    }
    #[getter]
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let statistics = self.0.statistics();
        let dict = PyDict::new(py);
        dict.set_item("nodes", statistics.nodes)?;
        dict.set_item("instructions", statistics.instructions)?;
        dict.set_item("arena_bytes", statistics.arena_bytes)?;
        dict.set_item("runs", statistics.runs)?;
        Ok(dict)
    }
}

/// Runs a function over batches gathered from arrays.
#[pyclass(name = "EpochLoop", module = "oxhorn._core", frozen)]
pub struct PyEpochLoop(Mutex<EpochLoop>);

impl PyEpochLoop {
    fn inner(&self) -> MutexGuard<'_, EpochLoop> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyEpochLoop {
    #[new]
    #[pyo3(signature = (arrays, batch_size, order=None, constants=None))]
    fn new(
        arrays: Any<'_, '_>,
        batch_size: usize,
        order: Option<Any<'_, '_>>,
        constants: Option<Any<'_, '_>>,
    ) -> PyResult<Self> {
        let lend = |item: PyResult<Bound<'_, PyAny>>| convert::tensor_like(&item?, Sharing::Lend);
        let arrays = arrays.try_iter()?.map(lend).collect::<PyResult<Vec<_>>>()?;
        let constants = constants.map(convert::tensors).transpose()?.unwrap_or_default();
        let order = order.map(convert::tensor).transpose()?;
        let order =
            order.map(|t| guard(|| oxhorn::ops::cast(&t, oxhorn::DType::I64)?.to_vec())).transpose()?;
        guard(|| EpochLoop::new(arrays, batch_size, order, &constants)).map(|inner| Self(Mutex::new(inner)))
    }
    #[pyo3(signature = (function, max_steps, max_seconds=0.05))]
    fn run(
        &self,
        py: Python<'_>,
        function: &PyFunction,
        max_steps: usize,
        max_seconds: f64,
    ) -> PyResult<usize> {
        let limit = Duration::try_from_secs_f64(max_seconds).map_err(|_| {
            PyValueError::new_err(format!("expected non-negative seconds, got {max_seconds}"))
        })?;
        py.detach(|| guard(|| self.inner().run(&function.0, max_steps, limit)))
    }
    #[getter]
    fn position(&self) -> usize {
        self.inner().position()
    }
    #[getter]
    fn remaining(&self) -> usize {
        self.inner().remaining()
    }
    fn outputs(&self) -> Vec<PyTensor> {
        python(self.inner().outputs())
    }
    fn gather(&self, count: usize) -> PyResult<Vec<PyTensor>> {
        guard(|| self.inner().gather(count)).map(python)
    }
}

/// Records eager ops so that they can be differentiated.
#[pyclass(name = "Tape", module = "oxhorn._core", frozen, weakref)]
pub struct PyTape(Tape);

#[pymethods]
impl PyTape {
    #[new]
    fn new() -> Self {
        Self(Tape::new())
    }
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf.get().0.start();
        slf
    }
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.0.stop();
    }
    fn watch(&self, x: &PyTensor) -> PyResult<PyTensor> {
        guard(|| self.0.watch(&x.0)).map(PyTensor)
    }
}

#[pyfunction]
#[pyo3(signature = (targets, sources, cotangents=None))]
fn gradient(
    targets: Any<'_, '_>,
    sources: Any<'_, '_>,
    cotangents: Option<Any<'_, '_>>,
) -> PyResult<Vec<Option<PyTensor>>> {
    enum Source {
        Tensor(Tensor),
        Slot(Slot),
    }
    let targets = convert::tensors(targets)?;
    let cotangents: Vec<Option<Tensor>> = match cotangents {
        None => vec![None; targets.len()],
        Some(given) => given
            .try_iter()?
            .map(|item| {
                let item = item?;
                if item.is_none() { Ok(None) } else { convert::tensor(&item).map(Some) }
            })
            .collect::<PyResult<_>>()?,
    };
    if cotangents.len() != targets.len() {
        let message = format!("gradient: expected {} cotangents, got {}", targets.len(), cotangents.len());
        return Err(PyValueError::new_err(message));
    }
    let sources = sources
        .try_iter()?
        .map(|item| {
            let item = item?;
            if let Ok(slot) = item.cast::<PySlot>() {
                Ok(Source::Slot(slot.get().0.clone()))
            } else if let Ok(tensor) = item.cast::<PyTensor>() {
                Ok(Source::Tensor(tensor.get().0.clone()))
            } else {
                Err(type_error("a tensor or a slot", &item))
            }
        })
        .collect::<PyResult<Vec<_>>>()?;
    let wrt: Vec<Wrt<'_>> = sources
        .iter()
        .map(|source| match source {
            Source::Tensor(tensor) => Wrt::Tensor(tensor),
            Source::Slot(slot) => Wrt::Slot(slot),
        })
        .collect();
    let targets: Vec<_> = targets.iter().zip(cotangents.iter().map(Option::as_ref)).collect();
    let gradients = guard(|| oxhorn::gradient(&targets, &wrt))?;
    Ok(gradients.into_iter().map(|g| g.map(PyTensor)).collect())
}

#[pyfunction]
fn is_tracing() -> bool {
    oxhorn::is_tracing()
}

#[pyfunction]
fn plan_cache_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = oxhorn::Runtime::current().cache_info();
    let dict = PyDict::new(py);
    dict.set_item("hits", info.hits)?;
    dict.set_item("misses", info.misses)?;
    dict.set_item("evictions", info.evictions)?;
    dict.set_item("entries", info.entries)?;
    dict.set_item("capacity", info.capacity)?;
    Ok(dict)
}

/// (instruction, calls, seconds), the longest first.
#[pyfunction]
fn profile() -> Vec<(String, u64, f64)> {
    let entries = oxhorn_cpu::profile::profile();
    entries.into_iter().map(|e| (e.instruction, e.calls, e.time.as_secs_f64())).collect()
}

#[pyfunction]
fn memory_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let stats = oxhorn::Runtime::current().device().memory_stats();
    let dict = PyDict::new(py);
    dict.set_item("live_bytes", stats.live_bytes)?;
    dict.set_item("peak_bytes", stats.peak_bytes)?;
    dict.set_item("pooled_bytes", stats.pooled_bytes)?;
    dict.set_item("live_buffers", stats.live_buffers)?;
    Ok(dict)
}

#[pyfunction]
fn set_num_threads(n: usize) -> PyResult<()> {
    if n == 0 {
        return Err(PyValueError::new_err("expected at least one thread, got 0"));
    }
    guard(|| {
        let device = std::sync::Arc::new(oxhorn_cpu::CpuDevice::new(n));
        oxhorn::Runtime::set_current(std::sync::Arc::new(oxhorn::Runtime::new(device)));
        Ok(())
    })
}

#[pyfunction]
fn num_threads() -> usize {
    oxhorn::Runtime::current().device().threads()
}

/// Adds the classes and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PySlot>()?;
    module.add_class::<PyTrace>()?;
    module.add_class::<EagerScope>()?;
    module.add_class::<PyFunction>()?;
    module.add_class::<PyEpochLoop>()?;
    module.add_class::<PyTape>()?;
    module.add_function(wrap_pyfunction!(gradient, module)?)?;
    module.add_function(wrap_pyfunction!(is_tracing, module)?)?;
    module.add_function(wrap_pyfunction!(plan_cache_info, module)?)?;
    module.add_function(wrap_pyfunction!(profile, module)?)?;
    module.add_function(wrap_pyfunction!(memory_stats, module)?)?;
    module.add_function(wrap_pyfunction!(set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(num_threads, module)?)
}
