//! Ops that move elements.

use smallvec::SmallVec;

use crate::builder::zeros;
use crate::expr::emit;
use crate::infer::{self, one, operands};
use crate::op::{ReduceKind, Rule, Types, VjpContext};
use crate::shape::Dims;
use crate::{Error, Result, Scalar, Shape, TensorType, Value};

/// The same elements in row-major order under another shape. Operand: x.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reshape {
    /// New shape, of the same number of elements.
    pub shape: Shape,
}

/// Result axis i is operand axis `perm[i]`. Operand: x.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transpose {
    /// The permutation.
    pub perm: Dims,
}

/// Axes of size 1 repeated to `shape`; the rank does not change. Operand: x.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Broadcast {
    /// Shape of the result.
    pub shape: Shape,
}

/// `x[start : limit : stride]` on every axis; strides are at least 1. Operand: x.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slice {
    /// First index per axis.
    pub start: Dims,
    /// One past the last index per axis.
    pub limit: Dims,
    /// Step per axis.
    pub stride: Dims,
}

/// Operands: x, and a scalar tensor of its dtype to fill with. `interior` elements go between
/// neighbours first, then `low` and `high` around; negative low or high crop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pad {
    /// Elements before, per axis.
    pub low: SmallVec<[isize; 6]>,
    /// Elements after, per axis.
    pub high: SmallVec<[isize; 6]>,
    /// Elements between, per axis.
    pub interior: Dims,
}

/// Operands: one or more tensors that differ only in the size of `axis`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Concat {
    /// The axis joined.
    pub axis: usize,
}

/// Elements in reverse order along `axes`. Operand: x.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reverse {
    /// Axes, ascending.
    pub axes: Dims,
}

impl Rule for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        let types = one(x.dtype, self.shape.clone())?;
        if self.shape.numel() != x.shape.numel() {
            let expected = format!("a shape of {} elements", x.shape.numel());
            return Err(Error::shape(self.name(), expected, self.shape.to_string()));
        }
        Ok(types)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        cx.unary(|graph, x, dy| {
            let shape = graph.shape(x).clone();
            graph.reshape(dy, shape)
        })
    }
}

impl Rule for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        let rank = x.shape.rank();
        let mut seen = zeros(rank);
        for &p in &self.perm {
            infer::axis(self.name(), p, rank)?;
            seen[p] += 1;
        }
        if self.perm.len() != rank || seen.iter().any(|&n| n != 1) {
            let message = format!("expected a permutation of {rank} axes, got {:?}", self.perm);
            return Err(Error::attribute(self.name(), message));
        }
        one(x.dtype, self.perm.iter().map(|&p| x.shape[p]).collect())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let mut inverse = zeros(self.perm.len());
        for (i, &p) in self.perm.iter().enumerate() {
            inverse[p] = i;
        }
        cx.unary(|graph, _, dy| graph.transpose(dy, &inverse))
    }
}

impl Rule for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        let fits = x.shape.rank() == self.shape.rank()
            && x.shape.iter().zip(self.shape.iter()).all(|(&from, &to)| from == to || from == 1);
        if !fits {
            let expected = format!("axes of size 1 or of {}", self.shape);
            return Err(Error::shape(self.name(), expected, x.shape.to_string()));
        }
        one(x.dtype, self.shape.clone())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        cx.unary(|graph, x, dy| {
            let shape = graph.shape(x).clone();
            graph.sum_to(dy, &shape)
        })
    }
}

impl Rule for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        let rank = x.shape.rank();
        infer::per_axis(self.name(), "start", self.start.len(), rank)?;
        infer::per_axis(self.name(), "limit", self.limit.len(), rank)?;
        infer::per_axis(self.name(), "stride", self.stride.len(), rank)?;
        infer::positive(self.name(), "strides", &self.stride)?;
        let mut shape = zeros(rank);
        for i in 0..rank {
            let (start, limit) = (self.start[i], self.limit[i]);
            if start > limit || limit > x.shape[i] {
                let expected = format!("start <= limit <= {} on axis {i}", x.shape[i]);
                return Err(Error::attribute(
                    self.name(),
                    format!("expected {expected}, got {start}..{limit}"),
                ));
            }
            shape[i] = (limit - start).div_ceil(self.stride[i]);
        }
        one(x.dtype, Shape(shape))
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        cx.unary(|graph, x, dy| {
            let (from, to) = (graph.shape(x).clone(), graph.shape(dy).clone());
            let low: SmallVec<[isize; 6]> = self.start.iter().map(|&s| s as isize).collect();
            let interior: Dims = self.stride.iter().map(|s| s - 1).collect();
            let reach =
                |i: usize| self.start[i] + to[i].saturating_sub(1) * self.stride[i] + usize::from(to[i] > 0);
            let high: SmallVec<[isize; 6]> =
                (0..from.rank()).map(|i| from[i] as isize - reach(i) as isize).collect();
            let zero = graph.fill_for(dy, 0.0)?;
            graph.pad(dy, zero, &low, &high, &interior)
        })
    }
}

impl Pad {
    /// Size of axis `i` of a result whose operand's axis has `size` elements, padding included.
    fn padded(&self, i: usize, size: usize) -> i128 {
        let gaps = size.saturating_sub(1) as i128 * self.interior[i] as i128;
        size as i128 + gaps + self.low[i] as i128 + self.high[i] as i128
    }
}

impl Rule for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, value] = operands(self.name(), inputs)?;
        let rank = x.shape.rank();
        infer::same_type(self.name(), "a fill value", &TensorType::new(x.dtype, Shape::scalar()), value)?;
        infer::per_axis(self.name(), "low", self.low.len(), rank)?;
        infer::per_axis(self.name(), "high", self.high.len(), rank)?;
        infer::per_axis(self.name(), "interior", self.interior.len(), rank)?;
        let mut shape = zeros(rank);
        for (i, d) in shape.iter_mut().enumerate() {
            let size = self.padded(i, x.shape[i]);
            *d = usize::try_from(size).map_err(|_| {
                let message = format!("expected axis {i} to keep a size of at least 0, got {size}");
                Error::attribute(self.name(), message)
            })?;
        }
        one(x.dtype, Shape(shape))
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let (&[x, _], &[Some(dy)]) = (cx.inputs, cx.cotangents) else {
            return Ok(vec![None; cx.inputs.len()]);
        };
        let graph = &mut *cx.graph;
        let from = graph.shape(x).clone();
        let rank = from.rank();
        let mut out = vec![None, None];
        if cx.needed[0] {
            // Undo the outer padding (cropped elements get zero), then skip what was put between.
            let outer =
                |pads: &[isize]| pads.iter().map(|p| p.saturating_neg()).collect::<SmallVec<[isize; 6]>>();
            let zero = graph.fill_for(dy, 0.0)?;
            let inner = graph.pad(dy, zero, &outer(&self.low), &outer(&self.high), &zeros(rank))?;
            let stride: Dims = self.interior.iter().map(|i| i + 1).collect();
            let limit = graph.shape(inner).clone();
            out[0] = Some(graph.slice(inner, &zeros(rank), &limit, &stride)?);
        }
        if cx.needed[1] {
            // The fill value is everywhere but where x is: sum of dy without x's places.
            let ones = graph.full(from, Scalar::one(graph.dtype(dy)))?;
            let zero = graph.fill_for(dy, 0.0)?;
            let places = graph.pad(ones, zero, &self.low, &self.high, &self.interior)?;
            let fill = emit(graph, |s| (s.of(dy) * (1.0 - s.of(places))).value)?;
            let all: Dims = (0..rank).collect();
            out[1] = Some(graph.reduce(ReduceKind::Sum, fill, &all, false)?);
        }
        Ok(out)
    }
}

impl Rule for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let Some((first, rest)) = inputs.split_first() else {
            return Err(infer::arity(self.name(), "at least 1", 0));
        };
        infer::axis(self.name(), self.axis, first.shape.rank())?;
        let mut shape = first.shape.clone();
        for x in rest {
            infer::same_dtype(self.name(), first, x)?;
            let joins = x.shape.rank() == shape.rank()
                && (0..shape.rank()).all(|i| i == self.axis || x.shape[i] == shape[i]);
            if !joins {
                let expected = format!("shapes equal to {} but for axis {}", first.shape, self.axis);
                return Err(Error::shape(self.name(), expected, x.shape.to_string()));
            }
            let size = &mut shape.0[self.axis];
            *size = size.checked_add(x.shape[self.axis]).ok_or_else(|| Error::TooLarge(x.shape.clone()))?;
        }
        one(first.dtype, shape)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let mut out = vec![None; cx.inputs.len()];
        let &[Some(dy)] = cx.cotangents else { return Ok(out) };
        let mut start = 0;
        for (i, &x) in cx.inputs.iter().enumerate() {
            let limit = start + cx.graph.shape(x)[self.axis];
            if cx.needed[i] {
                out[i] = Some(cx.graph.slice_axis(dy, self.axis, start, limit)?);
            }
            start = limit;
        }
        Ok(out)
    }
}

impl Rule for Reverse {
    fn name(&self) -> &'static str {
        "reverse"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        infer::axes(self.name(), &self.axes, x.shape.rank())?;
        one(x.dtype, x.shape.clone())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        cx.unary(|graph, _, dy| graph.reverse(dy, &self.axes))
    }
}
