//! Pooling: reductions over sliding windows, and what their gradients need. Closed under
//! differentiation.

use smallvec::SmallVec;

use crate::infer::{self, one, operands};
use crate::op::{ReduceKind, Rule, Types, VjpContext};
use crate::shape::Dims;
use crate::{Error, Result, Shape, TensorType, Value};

/// Geometry, one entry per axis of the operand (window 1 where nothing slides).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// Size of the window.
    pub size: Dims,
    /// Step of the window.
    pub strides: Dims,
    /// Elements assumed before and after each axis: the reduction's identity.
    pub padding: SmallVec<[(usize, usize); 6]>,
    /// Distance between the window's elements.
    pub dilation: Dims,
}

/// Operand: x. Max, min or sum of each window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowReduce {
    /// Max, min or sum.
    pub kind: ReduceKind,
    /// Geometry.
    pub window: Window,
}

/// Operand: dy. The transpose of a window sum: each value added to every element of its window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowScatterSum {
    /// Geometry.
    pub window: Window,
    /// Shape of the result.
    pub input: Shape,
}

/// Operands: x, dy (one per window). Each dy added at the first maximum (minimum) of its window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MaxScatter {
    /// Max or min.
    pub kind: ReduceKind,
    /// Geometry.
    pub window: Window,
}

/// Operands: x, g (of x's shape). For each window, g at the position of the window's first maximum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MaxPick {
    /// Max or min.
    pub kind: ReduceKind,
    /// Geometry.
    pub window: Window,
}

impl Window {
    /// Shape of the result: one element per window.
    fn output(&self, op: &'static str, x: &Shape) -> Result<Shape> {
        let rank = x.rank();
        infer::per_axis(op, "window", self.size.len(), rank)?;
        infer::per_axis(op, "strides", self.strides.len(), rank)?;
        infer::per_axis(op, "padding", self.padding.len(), rank)?;
        infer::per_axis(op, "dilation", self.dilation.len(), rank)?;
        infer::positive(op, "window sizes", &self.size)?;
        infer::positive(op, "strides", &self.strides)?;
        infer::positive(op, "dilation", &self.dilation)?;
        let mut y = x.clone();
        for i in 0..rank {
            let (low, high) = self.padding[i];
            let (Ok(low), Ok(high)) = (isize::try_from(low), isize::try_from(high)) else {
                return Err(Error::attribute(op, format!("padding {:?} is too large", self.padding)));
            };
            y.0[i] = infer::window_positions(
                op,
                x[i],
                self.size[i],
                self.strides[i],
                self.dilation[i],
                (low, high),
            )?;
        }
        y.check()
    }
}

/// Max and min, for ops that pick an element.
fn extremum(op: &'static str, kind: ReduceKind) -> Result<()> {
    if matches!(kind, ReduceKind::Max | ReduceKind::Min) {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected kind max or min, got {kind:?}")))
}

impl Rule for WindowReduce {
    fn name(&self) -> &'static str {
        "window_reduce"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        infer::numeric(self.name(), x)?;
        if self.kind != ReduceKind::Sum {
            extremum(self.name(), self.kind)?;
        }
        one(x.dtype, self.window.output(self.name(), &x.shape)?)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let (kind, window) = (self.kind, self.window.clone());
        cx.unary(|graph, x, dy| match kind {
            ReduceKind::Sum => {
                let input = graph.shape(x).clone();
                graph.add1(WindowScatterSum { window, input }, &[dy])
            }
            kind => graph.add1(MaxScatter { kind, window }, &[x, dy]),
        })
    }
}

impl Rule for WindowScatterSum {
    fn name(&self) -> &'static str {
        "window_scatter_sum"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [dy] = operands(self.name(), inputs)?;
        infer::numeric(self.name(), dy)?;
        let input = self.input.clone().check()?;
        infer::same_shape(self.name(), &self.window.output(self.name(), &input)?, dy)?;
        one(dy.dtype, input)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let window = self.window.clone();
        cx.unary(|graph, _, ddx| graph.add1(WindowReduce { kind: ReduceKind::Sum, window }, &[ddx]))
    }
}

impl Rule for MaxScatter {
    fn name(&self) -> &'static str {
        "max_scatter"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, dy] = operands(self.name(), inputs)?;
        extremum(self.name(), self.kind)?;
        infer::numeric(self.name(), x)?;
        infer::same_dtype(self.name(), x, dy)?;
        infer::same_shape(self.name(), &self.window.output(self.name(), &x.shape)?, dy)?;
        one(x.dtype, x.shape.clone())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let mut out = vec![None, None];
        if let (&[x, _], &[Some(g)], &[_, true]) = (cx.inputs, cx.cotangents, cx.needed) {
            out[1] = Some(cx.graph.add1(MaxPick { kind: self.kind, window: self.window.clone() }, &[x, g])?);
        }
        Ok(out)
    }
}

impl Rule for MaxPick {
    fn name(&self) -> &'static str {
        "max_pick"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, g] = operands(self.name(), inputs)?;
        extremum(self.name(), self.kind)?;
        infer::numeric(self.name(), x)?;
        infer::same_type(self.name(), "a second operand", x, g)?;
        one(x.dtype, self.window.output(self.name(), &x.shape)?)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let mut out = vec![None, None];
        if let (&[x, _], &[Some(dy)], &[_, true]) = (cx.inputs, cx.cotangents, cx.needed) {
            out[1] =
                Some(cx.graph.add1(MaxScatter { kind: self.kind, window: self.window.clone() }, &[x, dy])?);
        }
        Ok(out)
    }
}
