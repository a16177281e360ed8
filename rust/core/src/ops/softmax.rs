//! Softmax and its logarithm, kept whole so that devices run them in one pass.

use crate::expr::{Expr, emit};
use crate::infer::{self, one, operands};
use crate::op::{Rule, Types, VjpContext};
use crate::{Result, TensorType, Value};

/// Operand: x (float). exp(x - max) / sum along `axis`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Softmax {
    /// The axis normalised.
    pub axis: usize,
}

/// Operand: x (float). x - max - log(sum(exp(x - max))) along `axis`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogSoftmax {
    /// The axis normalised.
    pub axis: usize,
}

impl Rule for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        normalised(self.name(), self.axis, inputs)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let y = cx.outputs[0];
        cx.unary(|graph, _, dy| {
            emit(graph, |s| {
                let (y, dy) = (s.of(y), s.of(dy));
                (y * (dy - spread((dy * y).sum_kept(&[self.axis]), y))).value
            })
        })
    }
}

impl Rule for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        normalised(self.name(), self.axis, inputs)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let y = cx.outputs[0];
        cx.unary(|graph, _, dy| {
            emit(graph, |s| {
                let (y, dy) = (s.of(y), s.of(dy));
                (dy - y.exp() * spread(dy.sum_kept(&[self.axis]), y)).value
            })
        })
    }
}

fn normalised(op: &'static str, axis: usize, inputs: &[TensorType]) -> Result<Types> {
    let [x] = operands(op, inputs)?;
    infer::float(op, x)?;
    infer::axis(op, axis, x.shape.rank())?;
    one(x.dtype, x.shape.clone())
}

/// Repeats a total to the shape of `like`.
fn spread<'s>(total: Expr<'s>, like: Expr<'s>) -> Expr<'s> {
    total.broadcast_to(&like.shape())
}
