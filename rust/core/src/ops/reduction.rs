//! Reductions and running totals.

use std::sync::Arc;

use crate::builder::zeros;
use crate::expr::{Expr, Scope, emit};
use crate::infer::{self, one, operands};
use crate::op::{Ew, Rule, Scan, ScatterAlong, Types, VjpContext};
use crate::shape::Dims;
use crate::{DType, Error, Graph, Result, Scalar, Shape, TensorType, Value};

/// What a reduction computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ReduceKind {
    Sum,
    Prod,
    Max,
    Min,
    Any,
    All,
}

/// Operand: x. The axes are removed. The result has x's dtype (the builder casts narrow integers
/// before); any and all take bool. Max and min of an empty axis are the dtype's lowest and highest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reduce {
    /// What to compute.
    pub kind: ReduceKind,
    /// Axes, ascending.
    pub axes: Dims,
}

/// Which extremum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ArgKind {
    Max,
    Min,
}

/// Operand: x. Position of the first extremum along `axis` (removed), int32; NaN counts as extreme.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArgReduce {
    /// Which extremum.
    pub kind: ArgKind,
    /// The axis.
    pub axis: usize,
}

/// What a running total computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CumulativeKind {
    Sum,
    Prod,
    Max,
    Min,
    LogSumExp,
}

/// Operand: x. Running total along `axis`, from the end if `reverse`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cumulative {
    /// What to compute.
    pub kind: CumulativeKind,
    /// The axis.
    pub axis: usize,
    /// From the end to the start.
    pub reverse: bool,
}

impl Rule for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        infer::axes(self.name(), &self.axes, x.shape.rank())?;
        match self.kind {
            ReduceKind::Any | ReduceKind::All => infer::expect_dtype(self.name(), x, DType::Bool)?,
            _ => infer::numeric(self.name(), x)?,
        }
        one(x.dtype, x.shape.without(&self.axes))
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let y = cx.outputs[0];
        cx.unary(|graph, x, dy| {
            emit(graph, |s| {
                let (x, y, dy) = (s.of(x), s.of(y), s.of(dy));
                let shape = x.shape();
                let spread = |v: Expr<'_>| v.reshape(shape.keeping(&self.axes)).broadcast_to(&shape).value;
                let dx = s.of(spread(dy));
                match self.kind {
                    ReduceKind::Sum => dx.value,
                    ReduceKind::Prod => (dx * product_of_others(x, &self.axes)).value,
                    _ => {
                        // Equal extrema share the cotangent equally.
                        let hit = x.eq(s.of(spread(y)));
                        let count = hit.cast(x.dtype()).sum_kept(&self.axes).broadcast_to(&shape);
                        hit.select(dx / count, 0.0).value
                    }
                }
            })
        })
    }
}

/// For each element the product of the others that are reduced with it: the running products from both
/// sides without the element itself, so that zeros need no care.
fn product_of_others<'s>(x: Expr<'s>, axes: &[usize]) -> Expr<'s> {
    let shape = x.shape();
    let kept: Dims = (0..shape.rank()).filter(|a| !axes.contains(a)).collect();
    let perm: Dims = kept.iter().chain(axes).copied().collect();
    let moved = x.transpose(&perm);
    let count = axes.iter().map(|&a| shape[a]).product::<usize>();
    let flat: Shape = kept.iter().map(|&a| shape[a]).chain([count]).collect();
    let axis = kept.len();
    let running = |reverse: bool| {
        let total =
            moved.reshape(flat.clone()).op(Cumulative { kind: CumulativeKind::Prod, axis, reverse }, &[]);
        let (low, high) = if reverse { (-1, 1) } else { (1, -1) };
        total.pad_axis(axis, low, high, 1.0)
    };
    let others = if count == 0 { moved.reshape(flat.clone()) } else { running(false) * running(true) };
    let mut inverse = zeros(perm.len());
    for (i, &p) in perm.iter().enumerate() {
        inverse[p] = i;
    }
    others.reshape(moved.shape()).transpose(&inverse)
}

impl Rule for ArgReduce {
    fn name(&self) -> &'static str {
        "arg_reduce"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        infer::numeric(self.name(), x)?;
        infer::axis(self.name(), self.axis, x.shape.rank())?;
        super::sorting::positions_fit(self.name(), x.shape[self.axis])?;
        if x.shape[self.axis] == 0 {
            return Err(Error::shape(self.name(), "an axis that is not empty", x.shape.to_string()));
        }
        one(DType::I32, x.shape.without(&[self.axis]))
    }

    fn vjp(&self, _: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }
}

impl Rule for Cumulative {
    fn name(&self) -> &'static str {
        "cumulative"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        match self.kind {
            CumulativeKind::LogSumExp => infer::float(self.name(), x)?,
            _ => infer::numeric(self.name(), x)?,
        }
        infer::axis(self.name(), self.axis, x.shape.rank())?;
        one(x.dtype, x.shape.clone())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let y = cx.outputs[0];
        let Self { kind, axis, reverse } = *self;
        cx.unary(|graph, x, dy| match kind {
            CumulativeKind::Sum => graph.cumulative(kind, dy, axis, !reverse),
            CumulativeKind::Max | CumulativeKind::Min => {
                emit(graph, |s| self.extremum_vjp(s.of(x), s.of(y), s.of(dy)).value)
            }
            CumulativeKind::Prod => {
                let factor = emit(graph, |s| self.next(s.of(x), 1.0).value)?;
                let total = linear_recurrence(graph, factor, dy, axis, !reverse)?;
                emit(graph, |s| {
                    // The product of the elements before this one.
                    let (low, high) = if reverse { (-1, 1) } else { (1, -1) };
                    (s.of(total) * s.of(y).pad_axis(axis, low, high, 1.0)).value
                })
            }
            CumulativeKind::LogSumExp => {
                // dx_i = exp(x_i - y_i) * r_i with r_i = dy_i + exp(y_i - y_next) * r_next; y never decreases.
                let decay = |s: &Scope, a: Value, b: Value| {
                    let (a, b) = (s.of(a), s.of(b));
                    a.eq(f64::NEG_INFINITY).select(a.constant(0.0), (a - b).exp()).value
                };
                let factor = emit(graph, |s| decay(s, y, self.next(s.of(y), f64::INFINITY).value))?;
                let total = linear_recurrence(graph, factor, dy, axis, !reverse)?;
                emit(graph, |s| (s.of(total) * s.of(decay(s, x, y))).value)
            }
        })
    }
}

impl Cumulative {
    /// Each element's successor in the direction of the running total, `last` after the last one.
    fn next<'s>(&self, x: Expr<'s>, last: f64) -> Expr<'s> {
        let (low, high) = if self.reverse { (1, -1) } else { (-1, 1) };
        if x.shape()[self.axis] == 0 { x } else { x.pad_axis(self.axis, low, high, last) }
    }

    /// Every running extremum is some element's; of equal ones the latest.
    fn extremum_vjp<'s>(&self, x: Expr<'s>, y: Expr<'s>, dy: Expr<'s>) -> Expr<'s> {
        let position = x.iota(self.axis, DType::I32);
        let (start, kind) = match self.reverse {
            false => (0.0, CumulativeKind::Max),
            true => (x.shape()[self.axis] as f64 - 1.0, CumulativeKind::Min),
        };
        let hit = x.eq(y).select(position, start);
        let winner = hit.op(Self { kind, axis: self.axis, reverse: self.reverse }, &[]);
        x.constant(0.0).op(ScatterAlong { axis: self.axis }, &[winner, dy])
    }
}

/// r with r_i = d_i + c_i * r_(i - 1) along `axis` (from the end if `reverse`), starting from zero.
fn linear_recurrence(graph: &mut Graph, c: Value, d: Value, axis: usize, reverse: bool) -> Result<Value> {
    let (c, d) = (graph.move_axis(c, axis, 0)?, graph.move_axis(d, axis, 0)?);
    let (length, dtype) = (graph.shape(d)[0], graph.dtype(d));
    let row = TensorType::new(dtype, &graph.shape(d)[1..]);
    let mut body = Graph::new();
    let (r, c_i, d_i) = (body.input(row.clone()), body.input(row.clone()), body.input(row.clone()));
    let product = body.elementwise(Ew::Mul, &[c_i, r])?;
    let sum = body.elementwise(Ew::Add, &[d_i, product])?;
    body.outputs = vec![sum, sum];
    let start = graph.full(row.shape, Scalar::zero(dtype))?;
    let scan = Scan { body: Arc::new(body), carry: 1, xs: 2, length, reverse, blocks: None };
    let outputs = graph.add(scan, &[start, c, d])?;
    graph.move_axis(outputs[1], 0, axis)
}
