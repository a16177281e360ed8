//! Operations on tensors, with NumPy's broadcasting and Keras's promotion. Each works on concrete
//! tensors (it runs at once) and inside a trace (it is recorded).

use oxhorn_core::op::{
    ArgKind, ArgReduce, Cumulative, CumulativeKind, DynamicSlice, DynamicUpdateSlice, Ew, Full, Gather,
    GatherAlong, GatherNd, Iota, Linalg, LinalgKind, LogSoftmax, RandomBits, ReduceKind, ScatterMode,
    ScatterNd, Softmax, Sort, TopK, Window, WindowReduce,
};
use oxhorn_core::promotion::{self, Operand};
use oxhorn_core::shape::Dims;
use oxhorn_core::{DType, Graph, Op, Scalar, Shape, Value};
use smallvec::SmallVec;

use crate::context::{apply, apply1};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// An operand: a tensor, or a plain number that takes the dtype of the tensors it meets.
#[derive(Debug, Clone)]
pub enum Arg {
    /// A tensor.
    Tensor(Tensor),
    /// A plain bool.
    Bool(bool),
    /// A plain integer.
    Int(i64),
    /// A plain number.
    Float(f64),
}

impl Arg {
    fn operand(&self) -> Operand {
        match self {
            Self::Tensor(tensor) => Operand::Typed(tensor.dtype()),
            Self::Bool(_) => Operand::WeakBool,
            Self::Int(_) => Operand::WeakInt,
            Self::Float(_) => Operand::WeakFloat,
        }
    }

    fn scalar(&self, dtype: DType) -> Option<Scalar> {
        match *self {
            Self::Tensor(_) => None,
            Self::Bool(value) => Some(Scalar::from_i64(i64::from(value), dtype)),
            Self::Int(value) => Some(Scalar::from_i64(value, dtype)),
            Self::Float(value) => Some(Scalar::from_f64(value, dtype)),
        }
    }

    /// The operand as a tensor: itself, or a scalar of the weak type's default dtype.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor.clone()),
            number => {
                let dtype = promotion::result_type(&[number.operand()], DType::F32);
                Tensor::scalar(number.scalar(dtype).unwrap_or(Scalar::zero(dtype)))
            }
        }
    }
}

impl From<Tensor> for Arg {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl From<&Tensor> for Arg {
    fn from(tensor: &Tensor) -> Self {
        Self::Tensor(tensor.clone())
    }
}

impl From<f64> for Arg {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// One row of the element-wise table.
pub fn elementwise(op: Ew, args: &[Arg]) -> Result<Tensor> {
    if args.len() != op.arity() {
        let message = format!("{}: expected {} operands, got {}", op.name(), op.arity(), args.len());
        return Err(Error::invalid(message));
    }
    // The condition of `where` takes no part in the promotion.
    let (conditions, operands) = args.split_at(usize::from(op == Ew::Select));
    let kinds: SmallVec<[Operand; 3]> = operands.iter().map(Arg::operand).collect();
    let dtype = op.operand_dtype(promotion::result_type(&kinds, DType::F32), DType::F32);
    let wanted = |i: usize| if i < conditions.len() { DType::Bool } else { dtype };
    let tensors: SmallVec<[Tensor; 3]> = args
        .iter()
        .filter_map(|arg| match arg {
            Arg::Tensor(tensor) => Some(tensor.clone()),
            _ => None,
        })
        .collect();
    if tensors.is_empty() {
        let tensors = args
            .iter()
            .enumerate()
            .map(|(i, arg)| {
                Ok(Arg::Tensor(Tensor::scalar(arg.scalar(wanted(i)).unwrap_or(Scalar::zero(dtype)))?))
            })
            .collect::<Result<Vec<_>>>()?;
        return elementwise(op, &tensors);
    }
    apply1(&tensors, |graph, values| {
        let mut values = values.iter();
        let mut operands: SmallVec<[Value; 3]> = SmallVec::new();
        for (i, arg) in args.iter().enumerate() {
            operands.push(match arg.scalar(wanted(i)) {
                Some(value) => graph.add1(Full { shape: Shape::scalar(), value }, &[])?,
                None => {
                    let value = *values.next().ok_or_else(too_few)?;
                    graph.cast(value, wanted(i))?
                }
            });
        }
        graph.elementwise(op, &operands)
    })
}

fn too_few() -> oxhorn_core::Error {
    oxhorn_core::Error::Internal("fewer values than operands".into())
}

/// Appends or runs one op that has one result.
fn emit1(op: impl Into<Op>, inputs: &[Tensor]) -> Result<Tensor> {
    let op = op.into();
    apply1(inputs, |graph, values| graph.add1(op.clone(), values))
}

/// [`emit1`] for any number of results.
fn emit(op: impl Into<Op>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let op = op.into();
    apply(inputs, &mut |graph, values| Ok(graph.add(op.clone(), values)?.into_iter().collect()))
}

/// [`emit`] for two results.
fn emit2(op: impl Into<Op>, inputs: &[Tensor]) -> Result<(Tensor, Tensor)> {
    match <[Tensor; 2]>::try_from(emit(op, inputs)?) {
        Ok([first, second]) => Ok((first, second)),
        Err(_) => Err(oxhorn_core::Error::Internal("op returned not two results".into()).into()),
    }
}

/// A function of one tensor written with the graph's builder methods.
fn build1(x: &Tensor, f: impl Fn(&mut Graph, Value) -> oxhorn_core::Result<Value>) -> Result<Tensor> {
    apply1(std::slice::from_ref(x), |graph, values| f(graph, values[0]))
}

/// `value` repeated over `shape`.
pub fn full(shape: Shape, value: Scalar) -> Result<Tensor> {
    emit1(Full { shape: shape.check()?, value }, &[])
}

/// 0, 1, 2, ... along `axis`.
pub fn iota(shape: Shape, axis: usize, dtype: DType) -> Result<Tensor> {
    emit1(Iota { shape: shape.check()?, dtype, axis }, &[])
}

/// uint32 bits of Philox4x32-10 under the key `seed`, uint32 (2,).
pub fn random_bits(seed: &Tensor, shape: Shape) -> Result<Tensor> {
    emit1(RandomBits { shape: shape.check()? }, std::slice::from_ref(seed))
}

/// Conversion to another dtype.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    build1(x, |g, v| g.cast(v, dtype))
}

/// The same bytes as another dtype of the same size.
pub fn bitcast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    emit1(Op::Bitcast(dtype), std::slice::from_ref(x))
}

/// The same elements under another shape.
pub fn reshape(x: &Tensor, shape: &Shape) -> Result<Tensor> {
    build1(x, |g, v| g.reshape(v, shape.clone()))
}

/// Axes permuted.
pub fn transpose(x: &Tensor, perm: &[usize]) -> Result<Tensor> {
    build1(x, |g, v| g.transpose(v, perm))
}

/// NumPy's broadcast_to.
pub fn broadcast_to(x: &Tensor, shape: &Shape) -> Result<Tensor> {
    let shape = shape.clone().check()?;
    build1(x, |g, v| g.broadcast_to(v, &shape))
}

/// `x[start : limit : stride]` on every axis.
pub fn slice(x: &Tensor, start: &[usize], limit: &[usize], stride: &[usize]) -> Result<Tensor> {
    build1(x, |g, v| g.slice(v, start, limit, stride))
}

/// The window of size `sizes` at `start`, clamped so that it fits.
pub fn dynamic_slice(x: &Tensor, start: &Tensor, sizes: &[usize]) -> Result<Tensor> {
    emit1(DynamicSlice { sizes: sizes.into() }, &[x.clone(), start.clone()])
}

/// x with `update` written at `start`, clamped.
pub fn dynamic_update_slice(x: &Tensor, update: &Tensor, start: &Tensor) -> Result<Tensor> {
    emit1(DynamicUpdateSlice, &[x.clone(), update.clone(), start.clone()])
}

/// Constant padding around (negative: cropping) and between elements.
pub fn pad(x: &Tensor, low: &[isize], high: &[isize], interior: &[usize], value: Scalar) -> Result<Tensor> {
    let value = value.cast(x.dtype());
    build1(x, |g, v| {
        let fill = g.add1(Full { shape: Shape::scalar(), value }, &[])?;
        g.pad(v, fill, low, high, interior)
    })
}

/// Joined along an axis.
pub fn concat(xs: &[Tensor], axis: usize) -> Result<Tensor> {
    apply1(xs, |g, values| g.concat(values, axis))
}

/// Reversed along axes.
pub fn flip(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    build1(x, |g, v| g.reverse(v, axes))
}

/// NumPy's take: negative indices count from the end, others out of range are clamped.
pub fn gather(x: &Tensor, indices: &Tensor, axis: usize) -> Result<Tensor> {
    indexed(x, indices, axis, Gather { axis })
}

/// NumPy's take_along_axis.
pub fn take_along_axis(x: &Tensor, indices: &Tensor, axis: usize) -> Result<Tensor> {
    indexed(x, indices, axis, GatherAlong { axis })
}

fn indexed(x: &Tensor, indices: &Tensor, axis: usize, op: impl Into<Op>) -> Result<Tensor> {
    let op = op.into();
    let Some(&size) = x.shape().get(axis) else {
        let message = format!("{}: axis {axis} is out of range for shape {}", op.name(), x.shape());
        return Err(Error::invalid(message));
    };
    apply1(&[x.clone(), indices.clone()], |g, values| {
        let indices = g.wrap_indices(values[1], &[size])?;
        g.add1(op.clone(), &[values[0], indices])
    })
}

/// `indices[..., k]` addresses the first k axes of x.
pub fn gather_nd(x: &Tensor, indices: &Tensor) -> Result<Tensor> {
    let sizes = indexed_sizes("gather_nd", x, indices)?;
    apply1(&[x.clone(), indices.clone()], |g, values| {
        let indices = g.wrap_indices(values[1], &sizes)?;
        g.add1(GatherNd, &[values[0], indices])
    })
}

/// x with `updates` applied at `indices[..., k]`.
pub fn scatter_nd(mode: ScatterMode, x: &Tensor, indices: &Tensor, updates: &Tensor) -> Result<Tensor> {
    let sizes = indexed_sizes("scatter_nd", x, indices)?;
    apply1(&[x.clone(), indices.clone(), updates.clone()], |g, values| {
        let indices = g.wrap_indices(values[1], &sizes)?;
        g.add1(ScatterNd { mode }, &[values[0], indices, values[2]])
    })
}

fn indexed_sizes(op: &str, x: &Tensor, indices: &Tensor) -> Result<Dims> {
    match indices.shape().last() {
        Some(&k) if k <= x.shape().rank() => Ok(x.shape()[..k].into()),
        _ => Err(Error::invalid(format!(
            "{op}: expected index vectors of at most {} entries, got indices of shape {}",
            x.shape().rank(),
            indices.shape()
        ))),
    }
}

/// Values sorted along an axis, and their positions.
pub fn sort(x: &Tensor, axis: usize, descending: bool) -> Result<(Tensor, Tensor)> {
    emit2(Sort { axis, descending }, std::slice::from_ref(x))
}

/// The k largest of the last axis, and their positions.
pub fn top_k(x: &Tensor, k: usize) -> Result<(Tensor, Tensor)> {
    emit2(TopK { k }, std::slice::from_ref(x))
}

/// Sum, product, max, min, any or all over axes.
pub fn reduce(kind: ReduceKind, x: &Tensor, axes: &[usize], keepdims: bool) -> Result<Tensor> {
    let x = if matches!(kind, ReduceKind::Any | ReduceKind::All) { cast(x, DType::Bool)? } else { x.clone() };
    build1(&x, |g, v| g.reduce(kind, v, axes, keepdims))
}

/// Position of the first maximum or minimum along an axis.
pub fn arg_reduce(kind: ArgKind, x: &Tensor, axis: usize, keepdims: bool) -> Result<Tensor> {
    let kept = x.shape().keeping(&[axis]);
    build1(x, |g, v| {
        let result = g.add1(ArgReduce { kind, axis }, &[v])?;
        if keepdims { g.reshape(result, kept.clone()) } else { Ok(result) }
    })
}

/// Running total along an axis.
pub fn cumulative(kind: CumulativeKind, x: &Tensor, axis: usize, reverse: bool) -> Result<Tensor> {
    emit1(Cumulative { kind, axis, reverse }, std::slice::from_ref(x))
}

/// exp(x - max) / sum along an axis.
pub fn softmax(x: &Tensor, axis: usize) -> Result<Tensor> {
    emit1(Softmax { axis }, std::slice::from_ref(x))
}

/// The logarithm of [`softmax`].
pub fn log_softmax(x: &Tensor, axis: usize) -> Result<Tensor> {
    emit1(LogSoftmax { axis }, std::slice::from_ref(x))
}

/// NumPy's matmul, the last two axes of an operand swapped first where asked.
pub fn matmul(a: &Tensor, b: &Tensor, transpose_a: bool, transpose_b: bool) -> Result<Tensor> {
    apply1(&[a.clone(), b.clone()], |g, v| g.matmul(v[0], v[1], transpose_a, transpose_b))
}

/// NumPy's einsum.
pub fn einsum(equation: &str, operands: &[Tensor]) -> Result<Tensor> {
    apply1(operands, |g, values| g.einsum(equation, values))
}

/// NumPy's tensordot over paired axes.
pub fn tensordot(a: &Tensor, b: &Tensor, axes_a: &[usize], axes_b: &[usize]) -> Result<Tensor> {
    apply1(&[a.clone(), b.clone()], |g, v| g.tensordot(v[0], v[1], axes_a, axes_b))
}

/// n-D cross-correlation, channels last; `lhs_dilation` puts zeros between the elements of x.
pub fn conv(
    x: &Tensor,
    kernel: &Tensor,
    strides: &[usize],
    padding: &[(isize, isize)],
    lhs_dilation: &[usize],
    rhs_dilation: &[usize],
    groups: usize,
) -> Result<Tensor> {
    apply1(&[x.clone(), kernel.clone()], |g, v| {
        g.conv(v[0], v[1], strides, padding, lhs_dilation, rhs_dilation, groups)
    })
}

/// Max, min or sum over sliding windows.
pub fn window_reduce(kind: ReduceKind, x: &Tensor, window: Window) -> Result<Tensor> {
    emit1(WindowReduce { kind, window }, std::slice::from_ref(x))
}

/// Factorisations and solves.
pub fn linalg(kind: LinalgKind, operands: &[Tensor]) -> Result<Vec<Tensor>> {
    emit(Linalg { kind }, operands)
}
