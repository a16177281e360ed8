//! Convenience on top of [`Graph::add`]: what rules, passes and the engine build graphs with.
//!
//! These methods broadcast, accept axes in any order and leave out what would do nothing: a reshape to
//! the same shape, a cast to the same dtype, an identity transpose return the value itself.

mod conv;
mod einsum;
mod matmul;

use smallvec::SmallVec;

use crate::op::{
    Broadcast, Concat, Cumulative, CumulativeKind, Ew, Full, Iota, Pad, Reduce, ReduceKind, Reshape, Reverse,
    Slice, Transpose,
};
use crate::shape::Dims;
use crate::{DType, Error, Graph, Op, Result, Scalar, Shape, Value};

impl Graph {
    /// A value's shape.
    pub fn shape(&self, value: Value) -> &Shape {
        &self.ty(value).shape
    }

    /// A value's dtype.
    pub fn dtype(&self, value: Value) -> DType {
        self.ty(value).dtype
    }

    /// A row of the element-wise table over operands of one dtype, broadcast as NumPy does.
    ///
    /// Logical ops take operands of any dtype (non-zero is true), arithmetic on bools becomes the logical
    /// op that NumPy gives it.
    pub fn elementwise(&mut self, op: Ew, args: &[Value]) -> Result<Value> {
        let mut args: SmallVec<[Value; 3]> = args.into();
        if op.is_logical() {
            for arg in &mut args {
                *arg = self.cast(*arg, DType::Bool)?;
            }
        }
        let op = match args.last() {
            Some(&last) if self.dtype(last) == DType::Bool => op.on_bool(),
            _ => op,
        };
        let Some((&first, rest)) = args.split_first() else {
            return self.add1(Op::Elementwise(op), &args);
        };
        if rest.iter().any(|&v| self.shape(v) != self.shape(first)) {
            let shape = self.common_shape(op.name(), &args)?;
            for arg in &mut args {
                *arg = self.broadcast_to(*arg, &shape)?;
            }
        }
        self.add1(Op::Elementwise(op), &args)
    }

    /// NumPy's broadcast of the shapes of all values.
    pub fn common_shape(&self, op: &'static str, values: &[Value]) -> Result<Shape> {
        let mut shape = Shape::scalar();
        for &v in values {
            shape = shape.broadcast(self.shape(v)).ok_or_else(|| {
                let shapes: Vec<String> = values.iter().map(|&v| self.shape(v).to_string()).collect();
                Error::shape(op, "shapes that broadcast", shapes.join(" and "))
            })?;
        }
        Ok(shape)
    }

    /// A constant repeated over a shape.
    pub fn full(&mut self, shape: impl Into<Shape>, value: Scalar) -> Result<Value> {
        self.add1(Full { shape: shape.into(), value }, &[])
    }

    /// `number` in the shape and dtype of `like`.
    pub fn scalar_like(&mut self, like: Value, number: f64) -> Result<Value> {
        let ty = self.ty(like);
        let (shape, value) = (ty.shape.clone(), Scalar::from_f64(number, ty.dtype));
        self.full(shape, value)
    }

    /// 0, 1, 2, ... along `axis` of `shape`.
    pub fn iota(&mut self, shape: impl Into<Shape>, axis: usize, dtype: DType) -> Result<Value> {
        self.add1(Iota { shape: shape.into(), dtype, axis }, &[])
    }

    /// Conversion to another dtype.
    pub fn cast(&mut self, x: Value, dtype: DType) -> Result<Value> {
        if self.dtype(x) == dtype { Ok(x) } else { self.add1(Op::Cast(dtype), &[x]) }
    }

    /// The same elements under another shape.
    pub fn reshape(&mut self, x: Value, shape: impl Into<Shape>) -> Result<Value> {
        let shape = shape.into();
        if *self.shape(x) == shape { Ok(x) } else { self.add1(Reshape { shape }, &[x]) }
    }

    /// Axes permuted: result axis i is axis `perm[i]` of x.
    pub fn transpose(&mut self, x: Value, perm: &[usize]) -> Result<Value> {
        let identity = perm.len() == self.shape(x).rank() && perm.iter().enumerate().all(|(i, &p)| i == p);
        if identity { Ok(x) } else { self.add1(Transpose { perm: perm.into() }, &[x]) }
    }

    /// The last two axes swapped.
    pub fn swap_last_axes(&mut self, x: Value) -> Result<Value> {
        let mut perm: Dims = (0..self.shape(x).rank()).collect();
        let rank = perm.len();
        if rank >= 2 {
            perm.swap(rank - 2, rank - 1);
        }
        self.transpose(x, &perm)
    }

    /// Axis `from` moved to position `to`, the others in order.
    pub fn move_axis(&mut self, x: Value, from: usize, to: usize) -> Result<Value> {
        let rank = self.shape(x).rank();
        crate::infer::axis("transpose", from, rank)?;
        crate::infer::axis("transpose", to, rank)?;
        let mut perm: Dims = (0..rank).filter(|&a| a != from).collect();
        perm.insert(to, from);
        self.transpose(x, &perm)
    }

    /// NumPy's broadcast_to.
    pub fn broadcast_to(&mut self, x: Value, shape: &Shape) -> Result<Value> {
        let from = self.shape(x);
        if from == shape {
            return Ok(x);
        }
        if from.broadcast(shape).as_ref() != Some(shape) {
            let expected = format!("a shape that broadcasts to {shape}");
            return Err(Error::shape("broadcast_to", expected, from.to_string()));
        }
        // A constant is made in the shape wanted, so that no pass has to.
        if let (Op::Full(full), true) = (&self.node(x.node).op, self.resolve(x) == x) {
            let value = full.value;
            return self.full(shape.clone(), value);
        }
        let missing = shape.rank() - from.rank();
        let padded: Shape = std::iter::repeat_n(1, missing).chain(from.iter().copied()).collect();
        let x = self.reshape(x, padded)?;
        if self.shape(x) == shape { Ok(x) } else { self.add1(Broadcast { shape: shape.clone() }, &[x]) }
    }

    /// Sums the axes along which `shape` was broadcast to x's shape: the transpose of `broadcast_to`.
    pub fn sum_to(&mut self, x: Value, shape: &Shape) -> Result<Value> {
        let from = self.shape(x);
        if from == shape {
            return Ok(x);
        }
        if shape.broadcast(from).as_ref() != Some(from) {
            return Err(Error::shape(
                "sum_to",
                format!("a shape that {shape} broadcasts to"),
                from.to_string(),
            ));
        }
        let missing = from.rank() - shape.rank();
        let axes: Dims = (0..from.rank()).filter(|&i| i < missing || shape[i - missing] != from[i]).collect();
        let x = self.add1(Reduce { kind: ReduceKind::Sum, axes }, &[x])?;
        self.reshape(x, shape.clone())
    }

    /// `x[start : limit : stride]` on every axis.
    pub fn slice(&mut self, x: Value, start: &[usize], limit: &[usize], stride: &[usize]) -> Result<Value> {
        let whole =
            start.iter().all(|&s| s == 0) && stride.iter().all(|&s| s == 1) && *limit == **self.shape(x);
        if whole && start.len() == limit.len() && stride.len() == limit.len() {
            return Ok(x);
        }
        self.add1(Slice { start: start.into(), limit: limit.into(), stride: stride.into() }, &[x])
    }

    /// Elements `start..limit` of one axis.
    pub fn slice_axis(&mut self, x: Value, axis: usize, start: usize, limit: usize) -> Result<Value> {
        crate::infer::axis("slice", axis, self.shape(x).rank())?;
        let mut limits = self.shape(x).0.clone();
        let (mut starts, strides) = (zeros(limits.len()), ones(limits.len()));
        (starts[axis], limits[axis]) = (start, limit);
        self.slice(x, &starts, &limits, &strides)
    }

    /// Constant padding with the scalar tensor `fill`: `interior` elements between neighbours, then `low` and
    /// `high` around (negative ones crop).
    pub fn pad(
        &mut self,
        x: Value,
        fill: Value,
        low: &[isize],
        high: &[isize],
        interior: &[usize],
    ) -> Result<Value> {
        let rank = self.shape(x).rank();
        let nothing = low.iter().chain(high).all(|&p| p == 0) && interior.iter().all(|&p| p == 0);
        if nothing && low.len() == rank && high.len() == rank && interior.len() == rank {
            return Ok(x);
        }
        self.add1(Pad { low: low.into(), high: high.into(), interior: interior.into() }, &[x, fill])
    }

    /// A scalar tensor to fill padding of x with.
    pub fn fill_for(&mut self, x: Value, number: f64) -> Result<Value> {
        let value = Scalar::from_f64(number, self.dtype(x));
        self.full(Shape::scalar(), value)
    }

    /// Constant padding before and after one axis.
    pub fn pad_axis(&mut self, x: Value, axis: usize, low: isize, high: isize, number: f64) -> Result<Value> {
        let rank = self.shape(x).rank();
        crate::infer::axis("pad", axis, rank)?;
        let mut lows: SmallVec<[isize; 6]> = SmallVec::from_elem(0, rank);
        let mut highs = lows.clone();
        (lows[axis], highs[axis]) = (low, high);
        let fill = self.fill_for(x, number)?;
        self.pad(x, fill, &lows, &highs, &zeros(rank))
    }

    /// Joined along an axis.
    pub fn concat(&mut self, xs: &[Value], axis: usize) -> Result<Value> {
        match xs {
            [only] if axis < self.shape(*only).rank() => Ok(*only),
            _ => self.add1(Concat { axis }, xs),
        }
    }

    /// Reversed along axes, in any order.
    pub fn reverse(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        let mut axes = self.sorted_axes("reverse", x, axes)?;
        axes.retain(|a| self.shape(x)[*a] > 1);
        if axes.is_empty() { Ok(x) } else { self.add1(Reverse { axes }, &[x]) }
    }

    /// A reduction over axes in any order; no axes reduce nothing.
    ///
    /// Sums and products of narrow integers and bools are 32-bit integers, as in Keras; `Any` and `All`
    /// take any dtype; `Max` and `Min` of bools are `Any` and `All`.
    pub fn reduce(&mut self, kind: ReduceKind, x: Value, axes: &[usize], keepdims: bool) -> Result<Value> {
        let axes = self.sorted_axes("reduce", x, axes)?;
        let (kind, dtype) = match (kind, self.dtype(x)) {
            (ReduceKind::Any | ReduceKind::All, _) => (kind, DType::Bool),
            (ReduceKind::Max, DType::Bool) => (ReduceKind::Any, DType::Bool),
            (ReduceKind::Min, DType::Bool) => (ReduceKind::All, DType::Bool),
            (ReduceKind::Sum | ReduceKind::Prod, DType::Bool | DType::I8 | DType::I16) => (kind, DType::I32),
            (ReduceKind::Sum | ReduceKind::Prod, DType::U8 | DType::U16) => (kind, DType::U32),
            (kind, dtype) => (kind, dtype),
        };
        let x = self.cast(x, dtype)?;
        if axes.is_empty() {
            return Ok(x);
        }
        let kept = self.shape(x).keeping(&axes);
        let x = if kept == *self.shape(x) {
            let shape = self.shape(x).without(&axes);
            self.reshape(x, shape)?
        } else {
            self.add1(Reduce { kind, axes }, &[x])?
        };
        if keepdims { self.reshape(x, kept) } else { Ok(x) }
    }

    /// A running total along an axis.
    pub fn cumulative(
        &mut self,
        kind: CumulativeKind,
        x: Value,
        axis: usize,
        reverse: bool,
    ) -> Result<Value> {
        self.add1(Cumulative { kind, axis, reverse }, &[x])
    }

    /// Indices ready for an indexing op: int32 or int64, and negative ones counted from the end. `sizes` are
    /// those of the axes indexed: one for all indices, or one for each component of the last axis.
    pub fn wrap_indices(&mut self, indices: Value, sizes: &[usize]) -> Result<Value> {
        let given = self.dtype(indices);
        let narrow = sizes.iter().all(|&n| i32::try_from(n).is_ok());
        let dtype = match given {
            DType::I64 | DType::U32 | DType::U64 => DType::I64,
            DType::I8 | DType::I16 | DType::I32 | DType::U8 | DType::U16 if narrow => DType::I32,
            DType::I8 | DType::I16 | DType::I32 | DType::U8 | DType::U16 => DType::I64,
            _ => return Err(Error::dtype("indexing", "integer indices", given)),
        };
        let unsigned = matches!(given, DType::U8 | DType::U16 | DType::U32 | DType::U64);
        let indices = self.cast(indices, dtype)?;
        let Some((&first, rest)) = sizes.split_first() else { return Ok(indices) };
        if unsigned || matches!(self.node(indices.node).op, Op::Iota(_)) {
            return Ok(indices);
        }
        let size = if rest.iter().all(|&n| n == first) {
            self.full(Shape::scalar(), Scalar::from_i64(first as i64, dtype))?
        } else {
            let each = sizes.iter().map(|&n| self.full([1], Scalar::from_i64(n as i64, dtype)));
            let each = each.collect::<Result<Vec<_>>>()?;
            self.concat(&each, 0)?
        };
        let zero = self.full(Shape::scalar(), Scalar::zero(dtype))?;
        let negative = self.elementwise(Ew::Lt, &[indices, zero])?;
        let wrapped = self.elementwise(Ew::Add, &[indices, size])?;
        self.elementwise(Ew::Select, &[negative, wrapped, indices])
    }

    fn sorted_axes(&self, op: &'static str, x: Value, axes: &[usize]) -> Result<Dims> {
        let mut axes: Dims = axes.into();
        axes.sort_unstable();
        crate::infer::axes(op, &axes, self.shape(x).rank())?;
        Ok(axes)
    }
}

/// As many zeros as there are axes.
pub(crate) fn zeros(rank: usize) -> Dims {
    SmallVec::from_elem(0, rank)
}

/// As many ones as there are axes.
pub(crate) fn ones(rank: usize) -> Dims {
    SmallVec::from_elem(1, rank)
}

#[cfg(test)]
mod tests;
