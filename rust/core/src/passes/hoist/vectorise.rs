//! One op for all steps of a loop at once: time becomes a leading axis.

use smallvec::SmallVec;

use crate::op::{
    ArgReduce, Broadcast, Concat, ConvGradInput, Convolution, Cumulative, Gather, GatherAlong, LogSoftmax,
    MatMul, MaxPick, MaxScatter, Pad, Reduce, Reshape, Reverse, Slice, Softmax, Sort, Transpose, Window,
    WindowReduce, WindowScatterSum,
};
use crate::shape::Dims;
use crate::{Graph, Op, Result, Shape, Value};

/// A value of a loop's body, outside the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lifted {
    /// The same at every step.
    Same(Value),
    /// One slice per step, along a new leading axis.
    Steps(Value),
}

/// Appends to `graph` what gives the results of `op` at all `length` steps; `None` if there is no such op.
/// `types` are the shapes of the results at one step.
pub(super) fn vectorise(
    graph: &mut Graph,
    op: &Op,
    x: &[Lifted],
    shapes: &[&Shape],
    length: usize,
) -> Result<Option<SmallVec<[Lifted; 1]>>> {
    let values: SmallVec<[Value; 3]> = x.iter().map(|l| l.value()).collect();
    if x.iter().all(|l| matches!(l, Lifted::Same(_))) {
        let results = graph.add(op.clone(), &values)?;
        return Ok(Some(results.into_iter().map(Lifted::Same).collect()));
    }
    let Some(results) = all_steps(graph, op, x, shapes, length)? else { return Ok(None) };
    Ok(Some(results.into_iter().map(Lifted::Steps).collect()))
}

impl Lifted {
    pub fn value(self) -> Value {
        match self {
            Self::Same(v) | Self::Steps(v) => v,
        }
    }

    /// The value with the leading axis, repeated if it is the same at every step.
    pub fn steps(self, graph: &mut Graph, length: usize) -> Result<Value> {
        match self {
            Self::Steps(v) => Ok(v),
            Self::Same(v) => {
                let one = lead(1, graph.shape(v));
                let all = lead(length, graph.shape(v));
                let v = graph.add1(Reshape { shape: one }, &[v])?;
                graph.add1(Broadcast { shape: all }, &[v])
            }
        }
    }
}

/// `shape` with an axis of `n` before it.
pub(super) fn lead(n: usize, shape: &Shape) -> Shape {
    std::iter::once(n).chain(shape.iter().copied()).collect()
}

/// `values` with one before them.
fn before<T: Copy, const N: usize>(first: T, values: &[T]) -> SmallVec<[T; N]>
where
    [T; N]: smallvec::Array<Item = T>,
{
    std::iter::once(first).chain(values.iter().copied()).collect()
}

/// Axes moved one further.
fn next(axes: &[usize]) -> Dims {
    axes.iter().map(|&k| k + 1).collect()
}

fn window(w: &Window) -> Window {
    Window {
        size: before(1, &w.size),
        strides: before(1, &w.strides),
        padding: before((0, 0), &w.padding),
        dilation: before(1, &w.dilation),
    }
}

fn all_steps(
    graph: &mut Graph,
    op: &Op,
    x: &[Lifted],
    shapes: &[&Shape],
    length: usize,
) -> Result<Option<SmallVec<[Value; 1]>>> {
    use Lifted::{Same, Steps};
    let Some(shape) = shapes.first() else { return Ok(None) };
    let shape = lead(length, shape);
    // Ops that take every operand with the new axis, and what they are with it.
    let same_op: Op = match (op, x) {
        (Op::Elementwise(_) | Op::Cast(_) | Op::Bitcast(_), _) => op.clone(),
        (Op::Reshape(_), _) => Reshape { shape }.into(),
        (Op::Broadcast(_), _) => Broadcast { shape }.into(),
        (Op::Transpose(t), _) => Transpose { perm: before(0, &next(&t.perm)) }.into(),
        (Op::Slice(s), _) => Slice {
            start: before(0, &s.start),
            limit: before(length, &s.limit),
            stride: before(1, &s.stride),
        }
        .into(),
        (Op::Reverse(r), _) => Reverse { axes: next(&r.axes) }.into(),
        (Op::Pad(p), &[Steps(x), Same(fill)]) => {
            let (low, high, interior) = (before(0, &p.low), before(0, &p.high), before(0, &p.interior));
            return Ok(Some(graph.add(Pad { low, high, interior }, &[x, fill])?));
        }
        (Op::Concat(c), _) => Concat { axis: c.axis + 1 }.into(),
        (Op::Reduce(r), _) => Reduce { kind: r.kind, axes: next(&r.axes) }.into(),
        (Op::ArgReduce(r), _) => ArgReduce { kind: r.kind, axis: r.axis + 1 }.into(),
        (Op::Cumulative(c), _) => Cumulative { kind: c.kind, axis: c.axis + 1, reverse: c.reverse }.into(),
        (Op::Softmax(s), _) => Softmax { axis: s.axis + 1 }.into(),
        (Op::LogSoftmax(s), _) => LogSoftmax { axis: s.axis + 1 }.into(),
        (Op::Sort(s), _) => Sort { axis: s.axis + 1, descending: s.descending }.into(),
        (Op::TopK(t), _) => t.clone().into(),
        (Op::GatherAlong(g), _) => GatherAlong { axis: g.axis + 1 }.into(),
        (Op::WindowReduce(w), _) => WindowReduce { kind: w.kind, window: window(&w.window) }.into(),
        (Op::WindowScatterSum(w), _) => {
            WindowScatterSum { window: window(&w.window), input: lead(length, &w.input) }.into()
        }
        (Op::MaxScatter(m), _) => MaxScatter { kind: m.kind, window: window(&m.window) }.into(),
        (Op::MaxPick(m), _) => MaxPick { kind: m.kind, window: window(&m.window) }.into(),
        // Rows of one table, or one set of rows of many.
        (Op::Gather(g), &[Same(table), Steps(rows)]) if g.axis == 0 => {
            return Ok(Some(graph.add(g.clone(), &[table, rows])?));
        }
        (Op::Gather(g), &[Steps(tables), Same(rows)]) => {
            return Ok(Some(graph.add(Gather { axis: g.axis + 1 }, &[tables, rows])?));
        }
        (Op::MatMul(m), &[a, b]) => return matmul(graph, m, a, b),
        // Steps are further images of the batch.
        (Op::Convolution(c), &[Steps(images), Same(kernel)]) => {
            let op = Convolution { spec: c.spec.clone() };
            return batch(graph, op, images, kernel, shape).map(Some);
        }
        (Op::ConvGradInput(c), &[Steps(dy), Same(kernel)]) => {
            let mut input = c.input.clone();
            input.0[0] *= length;
            let op = ConvGradInput { spec: c.spec.clone(), input };
            return batch(graph, op, dy, kernel, shape).map(Some);
        }
        _ => return Ok(None),
    };
    let operands = x.iter().map(|l| l.steps(graph, length)).collect::<Result<SmallVec<[Value; 3]>>>()?;
    Ok(Some(graph.add(same_op, &operands)?))
}

/// The first two axes of `x` as one.
pub(super) fn merge(graph: &mut Graph, x: Value) -> Result<Value> {
    let from = graph.shape(x);
    let shape = std::iter::once(from[0] * from[1]).chain(from[2..].iter().copied()).collect();
    graph.add1(Reshape { shape }, &[x])
}

fn batch(
    graph: &mut Graph,
    op: impl Into<Op>,
    x: Value,
    kernel: Value,
    shape: Shape,
) -> Result<SmallVec<[Value; 1]>> {
    let x = merge(graph, x)?;
    let y = graph.add1(op, &[x, kernel])?;
    graph.add(Reshape { shape }, &[y])
}

fn matmul(graph: &mut Graph, m: &MatMul, a: Lifted, b: Lifted) -> Result<Option<SmallVec<[Value; 1]>>> {
    use Lifted::{Same, Steps};
    let rank = |v: Value| graph.shape(v).rank();
    match (a, b) {
        (Steps(a), Same(b)) if rank(b) == 2 => Ok(Some(graph.add(m.clone(), &[a, b])?)),
        (Steps(a), Steps(b)) if rank(a) == rank(b) => Ok(Some(graph.add(m.clone(), &[a, b])?)),
        // A B_t = (B_t^T A^T)^T: the matrix that is always the same must come second.
        (Same(a), Steps(b)) if rank(a) == 2 && rank(b) == 3 => {
            let turned = MatMul { transpose_a: !m.transpose_b, transpose_b: !m.transpose_a };
            let product = graph.add1(turned, &[b, a])?;
            let perm = [0, 2, 1].as_slice().into();
            Ok(Some(graph.add(Transpose { perm }, &[product])?))
        }
        _ => Ok(None),
    }
}

/// Sums over all steps: `graph` gets what adds up the results of `op`, a linear function of its operands.
/// `None` if that is not possible without a result for each step.
pub(super) fn contract(graph: &mut Graph, op: &Op, x: &[Lifted], length: usize) -> Result<Option<Value>> {
    use crate::op::{ConvGradKernel, ReduceKind, ScatterMode};
    use Lifted::{Same, Steps};
    let made = match (op, x) {
        // Time is one more axis to add up, in the reduction and in the products.
        (Op::Reduce(r), &[Steps(x)]) if r.kind == ReduceKind::Sum => {
            graph.add1(Reduce { kind: r.kind, axes: before(0, &next(&r.axes)) }, &[x])?
        }
        (Op::MatMul(m), &[Steps(a), Steps(b)])
            if graph.shape(a).rank() == 3 && graph.shape(b).rank() == 3 =>
        {
            // Both as (time, k, ...), then (time * k, ...).
            let mut rows = |v: Value, first: bool| -> Result<Value> {
                let perm = [0, 2, 1].as_slice().into();
                let v = if first { v } else { graph.add1(Transpose { perm }, &[v])? };
                merge(graph, v)
            };
            let a = rows(a, m.transpose_a)?;
            let b = rows(b, !m.transpose_b)?;
            graph.add1(MatMul { transpose_a: true, transpose_b: false }, &[a, b])?
        }
        (Op::ConvGradKernel(c), &[Steps(x), Steps(dy)]) => {
            let (x, dy) = (merge(graph, x)?, merge(graph, dy)?);
            graph.add1(ConvGradKernel { spec: c.spec.clone(), kernel: c.kernel.clone() }, &[x, dy])?
        }
        (Op::ScatterNd(s), &[Same(x), indices, updates])
            if s.mode == ScatterMode::Add && is_zero(graph, x) =>
        {
            let (indices, updates) = (indices.steps(graph, length)?, updates.steps(graph, length)?);
            graph.add1(s.clone(), &[x, indices, updates])?
        }
        _ => return Ok(None),
    };
    Ok(Some(made))
}

/// Whether a value is known to be zero everywhere.
pub(super) fn is_zero(graph: &Graph, v: Value) -> bool {
    matches!(&graph.node(v.node).op, Op::Full(full) if full.value.as_f64() == 0.0)
}
