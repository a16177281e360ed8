//! Ops that address elements by run-time indices. Index operands are int32 or int64, and already
//! wrapped (no negative indices) by the builder.

use crate::expr::emit;
use crate::infer::{self, one, operands};
use crate::op::{Rule, Types, VjpContext};
use crate::shape::Dims;
use crate::{Error, Graph, Result, Scalar, Shape, TensorType, Value};

/// Operands: x, start (rank,). The window of size `sizes` at start, clamped so that it fits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DynamicSlice {
    /// Size of the window per axis.
    pub sizes: Dims,
}

/// Operands: x, update (same rank), start (rank,). x with update written at start, clamped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DynamicUpdateSlice;

/// Operands: x, indices. The result's shape is x's with `axis` replaced by the indices' shape.
/// Indices out of range are clamped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gather {
    /// The axis indexed.
    pub axis: usize,
}

/// Operands: x, indices of x's shape but for `axis`. Indices out of range are clamped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GatherAlong {
    /// The axis indexed.
    pub axis: usize,
}

/// Operands: x, indices (..., k). Result: (..., x.shape[k..]). Indices out of range are clamped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GatherNd;

/// Operands: x, indices, updates (of the indices' shape). x with updates added at the positions that
/// GatherAlong would read; indices out of range are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScatterAlong {
    /// The axis indexed.
    pub axis: usize,
}

/// How an update meets the value that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ScatterMode {
    Set,
    Add,
    Mul,
    Max,
    Min,
}

/// Operands: x, indices (..., k), updates (..., x.shape[k..]). Updates are applied in order;
/// indices out of range are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScatterNd {
    /// Set, add, ...
    pub mode: ScatterMode,
}

impl Rule for DynamicSlice {
    fn name(&self) -> &'static str {
        "dynamic_slice"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, start] = operands(self.name(), inputs)?;
        start_of(self.name(), x, start)?;
        fits(self.name(), &x.shape, &self.sizes)?;
        one(x.dtype, Shape(self.sizes.clone()))
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        indexed(cx, |graph, x, start, dy| {
            let zeros = graph.scalar_like(x, 0.0)?;
            graph.add1(DynamicUpdateSlice, &[zeros, dy, start])
        })
    }
}

impl Rule for DynamicUpdateSlice {
    fn name(&self) -> &'static str {
        "dynamic_update_slice"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, update, start] = operands(self.name(), inputs)?;
        start_of(self.name(), x, start)?;
        infer::same_dtype(self.name(), x, update)?;
        fits(self.name(), &x.shape, &update.shape)?;
        one(x.dtype, x.shape.clone())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let mut out = vec![None; 3];
        if let (&[_, update, start], &[Some(dy)]) = (cx.inputs, cx.cotangents) {
            if cx.needed[0] {
                let zeros = cx.graph.scalar_like(update, 0.0)?;
                out[0] = Some(cx.graph.add1(Self, &[dy, zeros, start])?);
            }
            if cx.needed[1] {
                let sizes = cx.graph.shape(update).0.clone();
                out[1] = Some(cx.graph.add1(DynamicSlice { sizes }, &[dy, start])?);
            }
        }
        Ok(out)
    }
}

fn start_of(op: &'static str, x: &TensorType, start: &TensorType) -> Result<()> {
    infer::index(op, start)?;
    infer::same_shape(op, &[x.shape.rank()].into(), start)
}

fn fits(op: &'static str, shape: &Shape, sizes: &[usize]) -> Result<()> {
    if sizes.len() == shape.rank() && sizes.iter().zip(shape.iter()).all(|(size, d)| size <= d) {
        return Ok(());
    }
    Err(Error::shape(op, format!("a window that fits {shape}"), Shape::from(sizes).to_string()))
}

/// Reading an empty axis has nothing to clamp to.
fn readable(op: &'static str, x: &TensorType, axes: &[usize], reads: usize) -> Result<()> {
    if reads == 0 || axes.iter().all(|&d| d > 0) {
        return Ok(());
    }
    Err(Error::shape(op, "an indexed axis that is not empty", x.shape.to_string()))
}

/// The gradient of a read: of operands x and indices only x has one.
fn indexed(
    cx: &mut VjpContext<'_>,
    emit: impl FnOnce(&mut Graph, Value, Value, Value) -> Result<Value>,
) -> Result<Vec<Option<Value>>> {
    let mut out = vec![None, None];
    if let (&[x, indices], &[Some(dy)], &[true, _]) = (cx.inputs, cx.cotangents, cx.needed) {
        out[0] = Some(emit(cx.graph, x, indices, dy)?);
    }
    Ok(out)
}

impl Rule for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, indices] = operands(self.name(), inputs)?;
        infer::index(self.name(), indices)?;
        infer::axis(self.name(), self.axis, x.shape.rank())?;
        readable(self.name(), x, &x.shape[self.axis..=self.axis], indices.shape.numel())?;
        one(x.dtype, infer::splice(&x.shape, self.axis, &indices.shape))
    }

    /// An index out of range reads a clamped element and sends it no gradient.
    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let axis = self.axis;
        indexed(cx, |graph, x, indices, dy| {
            let (shape, places) = (graph.shape(x).clone(), graph.shape(indices).clone());
            // The indexed axes go first, where ScatterNd wants them.
            let (rank, count) = (shape.rank(), places.rank());
            let perm: Dims =
                (axis..axis + count).chain(0..axis).chain(axis + count..rank - 1 + count).collect();
            let dy = graph.transpose(dy, &perm)?;
            let order: Dims = std::iter::once(axis).chain((0..rank).filter(|&a| a != axis)).collect();
            let zeros = graph
                .full(order.iter().map(|&a| shape[a]).collect::<Shape>(), Scalar::zero(graph.dtype(x)))?;
            let rows = graph.reshape(indices, places.iter().copied().chain([1]).collect::<Shape>())?;
            let dx = graph.add1(ScatterNd { mode: ScatterMode::Add }, &[zeros, rows, dy])?;
            graph.move_axis(dx, 0, axis)
        })
    }
}

impl Rule for GatherAlong {
    fn name(&self) -> &'static str {
        "gather_along"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, indices] = operands(self.name(), inputs)?;
        along(self.name(), self.axis, x, indices)?;
        readable(self.name(), x, &x.shape[self.axis..=self.axis], indices.shape.numel())?;
        one(x.dtype, indices.shape.clone())
    }

    /// An index out of range reads a clamped element and sends it no gradient.
    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        indexed(cx, |graph, x, indices, dy| {
            let zeros = graph.scalar_like(x, 0.0)?;
            graph.add1(ScatterAlong { axis: self.axis }, &[zeros, indices, dy])
        })
    }
}

fn along(op: &'static str, axis: usize, x: &TensorType, indices: &TensorType) -> Result<()> {
    infer::index(op, indices)?;
    infer::axis(op, axis, x.shape.rank())?;
    let same = |i: usize| i == axis || x.shape[i] == indices.shape[i];
    if indices.shape.rank() == x.shape.rank() && (0..x.shape.rank()).all(same) {
        return Ok(());
    }
    let expected = format!("indices of shape {} but for axis {axis}", x.shape);
    Err(Error::shape(op, expected, indices.shape.to_string()))
}

impl Rule for GatherNd {
    fn name(&self) -> &'static str {
        "gather_nd"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, indices] = operands(self.name(), inputs)?;
        let shape = addressed(self.name(), x, indices)?;
        let depth = indices.shape[indices.shape.rank() - 1];
        readable(self.name(), x, &x.shape[..depth], shape.numel())?;
        one(x.dtype, shape)
    }

    /// An index out of range reads a clamped element and sends it no gradient.
    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        indexed(cx, |graph, x, indices, dy| {
            let zeros = graph.scalar_like(x, 0.0)?;
            graph.add1(ScatterNd { mode: ScatterMode::Add }, &[zeros, indices, dy])
        })
    }
}

/// Shape of what index vectors (..., k) address in x: (..., x.shape[k..]).
fn addressed(op: &'static str, x: &TensorType, indices: &TensorType) -> Result<Shape> {
    infer::index(op, indices)?;
    let expected = || format!("index vectors of at most {} components", x.shape.rank());
    let Some((&depth, places)) = indices.shape.split_last() else {
        return Err(Error::shape(op, expected(), indices.shape.to_string()));
    };
    if depth > x.shape.rank() {
        return Err(Error::shape(op, expected(), indices.shape.to_string()));
    }
    places.iter().chain(&x.shape[depth..]).copied().collect::<Shape>().check()
}

impl Rule for ScatterAlong {
    fn name(&self) -> &'static str {
        "scatter_along"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, indices, updates] = operands(self.name(), inputs)?;
        infer::numeric(self.name(), x)?;
        along(self.name(), self.axis, x, indices)?;
        let updated = TensorType { dtype: x.dtype, shape: indices.shape.clone() };
        infer::same_type(self.name(), "updates", &updated, updates)?;
        one(x.dtype, x.shape.clone())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let mut out = vec![None; 3];
        let (&[x, indices, _], &[Some(dy)]) = (cx.inputs, cx.cotangents) else { return Ok(out) };
        let size = cx.graph.shape(x)[self.axis];
        out[0] = cx.needed[0].then_some(dy);
        if cx.needed[2] && size > 0 {
            let read = cx.graph.add1(GatherAlong { axis: self.axis }, &[dy, indices])?;
            let kept = emit(cx.graph, |s| {
                let indices = s.of(indices);
                indices.ge(0.0).and(indices.lt(size as f64)).select(s.of(read), 0.0).value
            })?;
            out[2] = Some(kept);
        }
        Ok(out)
    }
}

impl Rule for ScatterNd {
    fn name(&self) -> &'static str {
        "scatter_nd"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, indices, updates] = operands(self.name(), inputs)?;
        if self.mode != ScatterMode::Set {
            infer::numeric(self.name(), x)?;
        }
        let updated = TensorType { dtype: x.dtype, shape: addressed(self.name(), x, indices)? };
        infer::same_type(self.name(), "updates", &updated, updates)?;
        one(x.dtype, x.shape.clone())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        super::scatter_vjp::scatter_nd(self.mode, cx)
    }
}
