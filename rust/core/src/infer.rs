//! Types of a node's outputs from those of its inputs, and the checks that shape rules share.
//!
//! A rule never panics, whatever its operands and attributes: what it accepts can be planned and run.

use smallvec::{SmallVec, smallvec};

use crate::kernel::Kernel;
use crate::op::Types;
use crate::shape::Dims;
use crate::{DType, Error, Op, Result, Shape, TensorType};

/// Checks the operands of `op` and gives its output types.
///
/// The loops of a [`Kernel`] may be merged axes, so the type of a fused node is known only to the pass
/// that makes it; here its outputs have the shape of the kernel's loops.
pub fn infer(op: &Op, inputs: &[TensorType]) -> Result<Types> {
    match op {
        Op::Input(_) => Err(Error::Internal("an input's type is given when it is made".into())),
        Op::Elementwise(ew) => elementwise(*ew, inputs),
        Op::Cast(dtype) => {
            let [x] = operands("cast", inputs)?;
            one(*dtype, x.shape.clone())
        }
        Op::Bitcast(dtype) => {
            let [x] = operands("bitcast", inputs)?;
            if *dtype == DType::Bool || dtype.size() != x.dtype.size() {
                let expected = format!("an operand of {} bytes that is not bool", dtype.size());
                return Err(Error::dtype("bitcast", expected, x.dtype));
            }
            one(*dtype, x.shape.clone())
        }
        Op::Fused(kernel) => fused(kernel, inputs),
        other => match other.rule() {
            Some(rule) => rule.infer(inputs),
            None => Err(Error::Internal(format!("{} has no rule", other.name()))),
        },
    }
}

fn elementwise(ew: crate::op::Ew, inputs: &[TensorType]) -> Result<Types> {
    let op = ew.name();
    if inputs.len() != ew.arity() {
        return Err(arity(op, &ew.arity().to_string(), inputs.len()));
    }
    let typed = match (ew.takes_condition(), inputs) {
        (true, [condition, rest @ ..]) => {
            expect_dtype(op, condition, DType::Bool)?;
            rest
        }
        _ => inputs,
    };
    let Some(first) = typed.first() else {
        return Err(arity(op, "at least 1", 0));
    };
    for x in typed {
        same_dtype(op, first, x)?;
    }
    for x in inputs {
        same_shape(op, &first.shape, x)?;
    }
    if !ew.accepts(first.dtype) {
        return Err(Error::dtype(op, ew.expected(), first.dtype));
    }
    Ok(smallvec![TensorType::new(ew.result_dtype(first.dtype), first.shape.clone())])
}

fn fused(kernel: &Kernel, inputs: &[TensorType]) -> Result<Types> {
    const OP: &str = "fused";
    for load in &kernel.loads {
        let Some(operand) = inputs.get(load.operand as usize) else {
            return Err(arity(OP, &format!("more than {}", load.operand), inputs.len()));
        };
        expect_dtype(OP, operand, load.dtype)?;
        if load.strides.len() != kernel.space.len() {
            return Err(Error::Internal("fused: a load has not one stride per loop".into()));
        }
    }
    let Some(outer) = kernel.space.len().checked_sub(kernel.reduced) else {
        return Err(Error::Internal("fused: more reduced axes than loops".into()));
    };
    let registers = kernel.loads.len() + kernel.body.len();
    let shape = Shape(kernel.space[..outer].into()).check()?;
    let known = |register: u32| (register as usize) < registers;
    match &kernel.reduction {
        Some(r) if known(r.register) => Ok(smallvec![TensorType::new(r.dtype, shape)]),
        None if kernel.reduced == 0 && kernel.stores.iter().all(|&r| known(r)) => {
            Ok(kernel.stores.iter().map(|&r| TensorType::new(kernel.dtype(r), shape.clone())).collect())
        }
        _ => Err(Error::Internal("fused: stores and reduction do not fit the loops".into())),
    }
}

/// Exactly N operands.
pub(crate) fn operands<'a, const N: usize>(
    op: &'static str,
    inputs: &'a [TensorType],
) -> Result<&'a [TensorType; N]> {
    inputs.try_into().map_err(|_| arity(op, &N.to_string(), inputs.len()))
}

/// The error for a wrong number of operands.
pub(crate) fn arity(op: &'static str, expected: &str, got: usize) -> Error {
    Error::shape(op, format!("{expected} operands"), got.to_string())
}

/// The type of a node with one output, its size checked.
pub(crate) fn one(dtype: DType, shape: Shape) -> Result<Types> {
    Ok(smallvec![TensorType { dtype, shape: shape.check()? }])
}

/// `axis` is one of `rank` axes.
pub(crate) fn axis(op: &'static str, axis: usize, rank: usize) -> Result<()> {
    if axis < rank {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected an axis of a tensor of rank {rank}, got {axis}")))
}

/// `axes` are ascending axes of `rank` axes.
pub(crate) fn axes(op: &'static str, axes: &[usize], rank: usize) -> Result<()> {
    if axes.is_sorted_by(|a, b| a < b) && axes.last().is_none_or(|&a| a < rank) {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected ascending axes of a tensor of rank {rank}, got {axes:?}")))
}

/// A list attribute has one entry per axis.
pub(crate) fn per_axis(op: &'static str, what: &str, len: usize, rank: usize) -> Result<()> {
    if len == rank {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected {rank} entries in {what}, got {len}")))
}

/// Every entry is at least 1.
pub(crate) fn positive(op: &'static str, what: &str, values: &[usize]) -> Result<()> {
    if values.iter().all(|&v| v > 0) {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected {what} of at least 1, got {values:?}")))
}

/// Operand `x` has `dtype`.
pub(crate) fn expect_dtype(op: &'static str, x: &TensorType, dtype: DType) -> Result<()> {
    if x.dtype == dtype { Ok(()) } else { Err(Error::dtype(op, dtype.name(), x.dtype)) }
}

/// Two operands have one dtype.
pub(crate) fn same_dtype(op: &'static str, a: &TensorType, b: &TensorType) -> Result<()> {
    expect_dtype(op, b, a.dtype)
}

/// Operand `x` has `shape`.
pub(crate) fn same_shape(op: &'static str, shape: &Shape, x: &TensorType) -> Result<()> {
    if *shape == x.shape {
        return Ok(());
    }
    Err(Error::shape(op, format!("an operand of shape {shape}"), x.shape.to_string()))
}

/// Operand `x` is exactly of type `ty`.
pub(crate) fn same_type(op: &'static str, what: &str, ty: &TensorType, x: &TensorType) -> Result<()> {
    if ty == x { Ok(()) } else { Err(Error::shape(op, format!("{what} {ty:?}"), format!("{x:?}"))) }
}

/// Operand `x` is of a floating-point dtype.
pub(crate) fn float(op: &'static str, x: &TensorType) -> Result<()> {
    if x.dtype.is_float() { Ok(()) } else { Err(Error::dtype(op, "a float dtype", x.dtype)) }
}

/// Operand `x` is of an integer or floating-point dtype.
pub(crate) fn numeric(op: &'static str, x: &TensorType) -> Result<()> {
    if x.dtype != DType::Bool {
        return Ok(());
    }
    Err(Error::dtype(op, "an integer or float dtype", x.dtype))
}

/// Operand `x` holds indices.
pub(crate) fn index(op: &'static str, x: &TensorType) -> Result<()> {
    if matches!(x.dtype, DType::I32 | DType::I64) {
        return Ok(());
    }
    Err(Error::dtype(op, "int32 or int64 indices", x.dtype))
}

/// Operand `x` has at least `rank` axes.
pub(crate) fn min_rank(op: &'static str, x: &TensorType, rank: usize) -> Result<()> {
    if x.shape.rank() >= rank {
        return Ok(());
    }
    Err(Error::shape(op, format!("an operand of rank {rank} or more"), x.shape.to_string()))
}

/// Number of positions of a window on an axis of `size` elements: 0 when the axis has none.
pub(crate) fn window_positions(
    op: &'static str,
    size: usize,
    window: usize,
    stride: usize,
    dilation: usize,
    padding: (isize, isize),
) -> Result<usize> {
    let padded = size as i128 + padding.0 as i128 + padding.1 as i128;
    let extent = (window as i128 - 1) * dilation as i128 + 1;
    if padded < extent && size > 0 {
        let expected = format!("an axis of at least {extent} elements, padding included");
        return Err(Error::shape(op, expected, padded.to_string()));
    }
    if padded < extent {
        return Ok(0);
    }
    let positions = (padded - extent) / stride.max(1) as i128 + 1;
    usize::try_from(positions).map_err(|_| Error::attribute(op, format!("padding {padding:?} is too large")))
}

/// `a` without its entry at `axis`, with `middle` in its place.
pub(crate) fn splice(dims: &[usize], axis: usize, middle: &[usize]) -> Shape {
    let mut out: Dims = SmallVec::with_capacity(dims.len() + middle.len());
    out.extend_from_slice(&dims[..axis]);
    out.extend_from_slice(middle);
    out.extend_from_slice(&dims[axis + 1..]);
    Shape(out)
}
