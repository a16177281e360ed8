//! The structural ops, one file per family: payload, shape rule, gradient.

mod cond_vjp;
pub mod control;
pub mod convolution;
pub mod creation;
pub mod indexing;
pub mod linalg;
mod linalg_vjp;
pub mod matmul;
pub mod movement;
pub mod reduction;
mod scan_vjp;
mod scatter_vjp;
pub mod softmax;
pub mod sorting;
pub mod window;

use crate::op::VjpContext;
use crate::{Graph, Result, Shape, Value};

impl VjpContext<'_> {
    /// The gradient of an op of one operand and one result, from that operand and the result's cotangent.
    pub(crate) fn unary(
        &mut self,
        emit: impl FnOnce(&mut Graph, Value, Value) -> Result<Value>,
    ) -> Result<Vec<Option<Value>>> {
        match (self.inputs, self.cotangents, self.needed) {
            (&[x], &[Some(dy), ..], &[true]) => Ok(vec![Some(emit(self.graph, x, dy)?)]),
            _ => Ok(vec![None; self.inputs.len()]),
        }
    }

    /// Shapes of the first two operands.
    pub(crate) fn operand_shapes(&self) -> (Shape, Shape) {
        let shape = |i: usize| self.inputs.get(i).map(|&v| self.graph.shape(v).clone()).unwrap_or_default();
        (shape(0), shape(1))
    }
}

#[cfg(test)]
mod tests;
