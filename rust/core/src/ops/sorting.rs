//! Sorting.

use smallvec::smallvec;

use crate::infer::{self, operands};
use crate::op::{Rule, ScatterAlong, Types, VjpContext};
use crate::{DType, Error, Result, TensorType, Value};

/// Operand: x. Results: values sorted along `axis` (stable, NaN last), and their int32 positions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sort {
    /// The axis sorted.
    pub axis: usize,
    /// Largest first.
    pub descending: bool,
}

/// Operand: x. Results: the k largest of the last axis, largest first, and their int32 positions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopK {
    /// How many.
    pub k: usize,
}

impl Rule for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        infer::numeric(self.name(), x)?;
        infer::axis(self.name(), self.axis, x.shape.rank())?;
        positions_fit(self.name(), x.shape[self.axis])?;
        Ok(smallvec![x.clone(), TensorType::new(DType::I32, x.shape.clone())])
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        put_back(cx, self.axis)
    }
}

impl Rule for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x] = operands(self.name(), inputs)?;
        infer::numeric(self.name(), x)?;
        infer::min_rank(self.name(), x, 1)?;
        let last = x.shape.rank() - 1;
        positions_fit(self.name(), x.shape[last])?;
        if self.k > x.shape[last] {
            let message = format!("expected k of at most {}, got {}", x.shape[last], self.k);
            return Err(Error::attribute(self.name(), message));
        }
        let mut shape = x.shape.clone();
        shape.0[last] = self.k;
        Ok(smallvec![TensorType::new(x.dtype, shape.clone()), TensorType::new(DType::I32, shape)])
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let axis = cx.graph.shape(cx.inputs[0]).rank() - 1;
        put_back(cx, axis)
    }
}

/// Positions are int32.
pub(super) fn positions_fit(op: &'static str, size: usize) -> Result<()> {
    if i32::try_from(size).is_ok() {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected an axis of less than 2^31 elements, got {size}")))
}

/// Cotangents of the values go to the positions that the second output says.
fn put_back(cx: &mut VjpContext<'_>, axis: usize) -> Result<Vec<Option<Value>>> {
    let positions = cx.outputs[1];
    cx.unary(|graph, x, dy| {
        let zeros = graph.scalar_like(x, 0.0)?;
        graph.add1(ScatterAlong { axis }, &[zeros, positions, dy])
    })
}
