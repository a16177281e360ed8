//! The `Tensor` class.

use numpy::PyUntypedArray;
use oxhorn::{Arg, DType, Tensor, op::Ew, ops, promotion, promotion::Operand};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyTuple};

use crate::array::{numpy_dtype, to_array};
use crate::convert;
use crate::error::{TracedValueError, guard};
use crate::index;

/// An n-dimensional array: concrete (with a buffer) or traced (a value of a graph).
#[pyclass(name = "Tensor", module = "oxhorn._core", frozen, weakref)]
pub struct PyTensor(pub Tensor);

/// The result of a binary operator, or NotImplemented for operands that are not known here (symbolic
/// Keras tensors and the like).
fn binary(op: Ew, left: &Bound<'_, PyAny>, right: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = left.py();
    let Some([a, b]) = operands(left, right)? else {
        return Ok(py.NotImplemented());
    };
    let result = guard(|| ops::elementwise(op, &[a, b]))?;
    Ok(PyTensor(result).into_pyobject(py)?.into_any().unbind())
}

/// Both operands of an operator, or None if one of them is not known here.
///
/// NumPy's float64 numbers and arrays take the dtype that a Python float would: in `x / np.sqrt(d)`, float64 is
/// nobody's choice.
fn operands(left: &Bound<'_, PyAny>, right: &Bound<'_, PyAny>) -> PyResult<Option<[Arg; 2]>> {
    let (Some(a), Some(b)) = (operand(left)?, operand(right)?) else {
        return Ok(None);
    };
    let weak = |object: &Bound<'_, PyAny>, arg: Arg, other: &Arg| match (&arg, other) {
        (Arg::Tensor(tensor), Arg::Tensor(other))
            if tensor.dtype() == DType::F64
                && (object.is_instance_of::<PyFloat>() || object.cast::<PyUntypedArray>().is_ok()) =>
        {
            let kinds = [Operand::WeakFloat, Operand::Typed(other.dtype())];
            let dtype = promotion::result_type(&kinds, DType::F32);
            guard(|| ops::cast(tensor, dtype)).map(Arg::Tensor)
        }
        _ => Ok(arg),
    };
    let a = weak(left, a, &b)?;
    let b = weak(right, b, &a)?;
    Ok(Some([a, b]))
}

fn operand(object: &Bound<'_, PyAny>) -> PyResult<Option<Arg>> {
    if object.hasattr(pyo3::intern!(object.py(), "_keras_history"))? || object.is_none() {
        return Ok(None);
    }
    match convert::arg(object) {
        Ok(arg) => Ok(Some(arg)),
        Err(error) if error.is_instance_of::<PyTypeError>(object.py()) => {
            if error.is_instance_of::<TracedValueError>(object.py()) { Err(error) } else { Ok(None) }
        }
        Err(error) => Err(error),
    }
}

fn unary(op: Ew, x: &Tensor) -> PyResult<PyTensor> {
    guard(|| ops::elementwise(op, &[x.into()])).map(PyTensor)
}

// PyO3 needs the operators' names spelled out.
#[pymethods]
impl PyTensor {
    fn __add__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Add, slf.as_any(), other)
    }
    fn __radd__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Add, other, slf.as_any())
    }
    fn __sub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Sub, slf.as_any(), other)
    }
    fn __rsub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Sub, other, slf.as_any())
    }
    fn __mul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Mul, slf.as_any(), other)
    }
    fn __rmul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Mul, other, slf.as_any())
    }
    fn __truediv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Div, slf.as_any(), other)
    }
    fn __rtruediv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Div, other, slf.as_any())
    }
    fn __floordiv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::FloorDiv, slf.as_any(), other)
    }
    fn __rfloordiv__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::FloorDiv, other, slf.as_any())
    }
    fn __mod__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Mod, slf.as_any(), other)
    }
    fn __rmod__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Mod, other, slf.as_any())
    }
    fn __and__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::BitAnd, slf.as_any(), other)
    }
    fn __rand__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::BitAnd, other, slf.as_any())
    }
    fn __or__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::BitOr, slf.as_any(), other)
    }
    fn __ror__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::BitOr, other, slf.as_any())
    }
    fn __xor__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::BitXor, slf.as_any(), other)
    }
    fn __rxor__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::BitXor, other, slf.as_any())
    }
    fn __lshift__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Shl, slf.as_any(), other)
    }
    fn __rlshift__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Shl, other, slf.as_any())
    }
    fn __rshift__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Shr, slf.as_any(), other)
    }
    fn __rrshift__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        binary(Ew::Shr, other, slf.as_any())
    }
    fn __pow__(
        slf: &Bound<'_, Self>,
        other: &Bound<'_, PyAny>,
        _modulo: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        binary(Ew::Pow, slf.as_any(), other)
    }
    fn __rpow__(
        slf: &Bound<'_, Self>,
        other: &Bound<'_, PyAny>,
        _modulo: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        binary(Ew::Pow, other, slf.as_any())
    }
    fn __matmul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        product(slf.as_any(), other)
    }
    fn __rmatmul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        product(other, slf.as_any())
    }

    fn __richcmp__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
        let op = match op {
            CompareOp::Lt => Ew::Lt,
            CompareOp::Le => Ew::Le,
            CompareOp::Eq => Ew::Eq,
            CompareOp::Ne => Ew::Ne,
            CompareOp::Gt => Ew::Gt,
            CompareOp::Ge => Ew::Ge,
        };
        binary(op, slf.as_any(), other)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        // Identity: tensors compare element by element, so equality cannot be their hash's.
        (slf.as_ptr().addr() >> 4) as isize
    }

    fn __neg__(&self) -> PyResult<Self> {
        unary(Ew::Neg, &self.0)
    }
    fn __abs__(&self) -> PyResult<Self> {
        unary(Ew::Abs, &self.0)
    }
    fn __pos__(slf: Py<Self>) -> Py<Self> {
        slf
    }
    fn __invert__(&self) -> PyResult<Self> {
        unary(if self.0.dtype() == DType::Bool { Ew::LogicalNot } else { Ew::BitwiseNot }, &self.0)
    }
    #[pyo3(signature = (ndigits=None))]
    fn __round__(&self, ndigits: Option<i32>) -> PyResult<Self> {
        match ndigits {
            None | Some(0) => unary(Ew::Round, &self.0),
            Some(digits) => guard(|| {
                let scale = Arg::Float(10f64.powi(digits));
                let scaled = ops::elementwise(Ew::Mul, &[(&self.0).into(), scale.clone()])?;
                let rounded = ops::elementwise(Ew::Round, &[scaled.into()])?;
                ops::elementwise(Ew::Div, &[rounded.into(), scale])
            })
            .map(PyTensor),
        }
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape().iter())
    }
    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.dtype().name()
    }
    #[getter]
    fn ndim(&self) -> usize {
        self.0.shape().rank()
    }
    #[getter]
    fn size(&self) -> usize {
        self.0.shape().numel()
    }
    #[getter]
    fn is_traced(&self) -> bool {
        self.0.is_traced()
    }
    /// The transpose: axes in reverse order.
    #[getter(T)]
    fn transposed(&self) -> PyResult<Self> {
        let perm: Vec<usize> = (0..self.0.shape().rank()).rev().collect();
        guard(|| ops::transpose(&self.0, &perm)).map(PyTensor)
    }

    fn numpy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        to_array(slf)
    }
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = to_array(slf)?;
        let kwargs = PyDict::new(slf.py());
        kwargs.set_item("copy", copy == Some(true))?;
        match dtype {
            Some(dtype) => array.call_method("astype", (dtype,), Some(&kwargs)),
            None if copy == Some(true) => array.call_method0("copy"),
            None => Ok(array),
        }
    }
    fn item<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().0.shape().numel() != 1 {
            let message = format!("item: expected one element, got shape {}", slf.get().0.shape());
            return Err(PyValueError::new_err(message));
        }
        to_array(slf)?.call_method0("item")
    }
    fn tolist<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        to_array(slf)?.call_method0("tolist")
    }
    fn __bool__(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if slf.get().0.shape().numel() != 1 {
            return Err(PyValueError::new_err(
                "the truth value of a tensor with more than one element is ambiguous",
            ));
        }
        Self::item(slf)?.is_truthy()
    }
    fn __float__(slf: &Bound<'_, Self>) -> PyResult<f64> {
        only_scalar(&slf.get().0, "float")?;
        Self::item(slf)?.call_method0("__float__")?.extract()
    }
    fn __int__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        only_scalar(&slf.get().0, "int")?;
        Self::item(slf)?.call_method0("__int__")
    }
    fn __index__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let tensor = &slf.get().0;
        if tensor.dtype().is_float() || tensor.shape().rank() > 0 {
            return Err(PyTypeError::new_err("only integer scalar tensors can be used as an index"));
        }
        Self::item(slf)?.call_method0("__int__")
    }
    fn __len__(&self) -> PyResult<usize> {
        self.0.shape().first().copied().ok_or_else(|| PyTypeError::new_err("len() of a scalar tensor"))
    }
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let rows = (0..slf.get().__len__()?)
            .map(|row| index::row(&slf.get().0, row).map(PyTensor))
            .collect::<PyResult<Vec<_>>>()?;
        rows.into_pyobject(slf.py())?.call_method0("__iter__")
    }
    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<Self> {
        index::get(&self.0, key).map(PyTensor)
    }
    fn __contains__(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        to_array(slf)?.contains(value)
    }
    fn __format__(slf: &Bound<'_, Self>, spec: &str) -> PyResult<String> {
        if spec.is_empty() {
            return Self::__str__(slf);
        }
        let value = if slf.get().0.shape().rank() == 0 { Self::item(slf)? } else { to_array(slf)? };
        value.call_method1("__format__", (spec,))?.extract()
    }
    fn __str__(slf: &Bound<'_, Self>) -> PyResult<String> {
        if slf.get().0.is_traced() {
            return Self::__repr__(slf);
        }
        to_array(slf)?.str()?.extract()
    }
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let tensor = &slf.get().0;
        let (shape, dtype) = (tensor.shape(), tensor.dtype());
        if tensor.is_traced() {
            return Ok(format!("<Tensor traced shape={shape} dtype={dtype}>"));
        }
        let values: String = to_array(slf)?.str()?.extract()?;
        Ok(format!("<Tensor shape={shape} dtype={dtype}\n{values}>"))
    }
    /// Pickles and copies by way of NumPy.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let bytes = guard(|| slf.get().0.to_bytes())?;
        let restore = py.import("oxhorn._core")?.getattr("_restore")?;
        let tensor = &slf.get().0;
        let state = (
            PyTuple::new(py, tensor.shape().iter())?,
            tensor.dtype().name(),
            pyo3::types::PyBytes::new(py, &bytes),
        );
        PyTuple::new(py, [restore, state.into_pyobject(py)?.into_any()])
    }
    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }
    fn astype(&self, dtype: &str) -> PyResult<Self> {
        let dtype = convert::dtype(dtype)?;
        guard(|| ops::cast(&self.0, dtype)).map(PyTensor)
    }
    #[pyo3(signature = (**_kwargs))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        _kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        crate::dlpack::export(slf)
    }
    fn __dlpack_device__(&self) -> (i32, i32) {
        (1, 0) // kDLCPU
    }
    /// NumPy's operators defer to this class's: `array * tensor` calls `tensor.__rmul__`. Its functions see an
    /// array: `numpy.exp(tensor)` is one.
    #[classattr]
    fn __array_priority__() -> f64 {
        100.0
    }
}

fn product(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = a.py();
    let Some([x, y]) = operands(a, b)? else {
        return Ok(py.NotImplemented());
    };
    let result = guard(|| {
        let (x, y) = (x.to_tensor()?, y.to_tensor()?);
        let kinds = [&x, &y].map(|t| Operand::Typed(t.dtype()));
        let dtype = promotion::result_type(&kinds, DType::F32);
        ops::matmul(&ops::cast(&x, dtype)?, &ops::cast(&y, dtype)?, false, false)
    })?;
    Ok(PyTensor(result).into_pyobject(py)?.into_any().unbind())
}

fn only_scalar(tensor: &Tensor, name: &str) -> PyResult<()> {
    if tensor.shape().numel() == 1 {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!(
        "{name}() of a tensor of shape {}: expected one element",
        tensor.shape()
    )))
}

/// Rebuilds a pickled tensor.
#[pyfunction]
#[pyo3(name = "_restore")]
pub fn restore(shape: &Bound<'_, PyAny>, dtype: &str, bytes: &[u8]) -> PyResult<PyTensor> {
    let ty = convert::tensor_type(shape, dtype)?;
    guard(|| Tensor::from_bytes(ty, bytes)).map(PyTensor)
}

/// NumPy's dtype object of a dtype name: the one place that knows where bfloat16 comes from.
#[pyfunction]
#[pyo3(name = "numpy_dtype")]
pub fn numpy_dtype_of<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    numpy_dtype(py, convert::dtype(name)?)
}

/// An index error in NumPy's words.
pub fn out_of_bounds(index: i64, axis: usize, size: usize) -> PyErr {
    PyIndexError::new_err(format!("index {index} is out of bounds for axis {axis} with size {size}"))
}
