//! Matrix products.

use crate::expr::{Expr, emit};
use crate::infer::{self, one, operands};
use crate::op::{Rule, Types, VjpContext};
use crate::{Error, Result, Shape, TensorType, Value};

/// Operands: a (batch..., m, k) and b (batch..., k, n) of one dtype, equal batch axes; or b of rank 2,
/// shared by every batch of a. Result: (batch..., m, n). With a transpose flag the operand's last two
/// axes are stored the other way round. float16/bfloat16 accumulate in float32.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MatMul {
    /// a is stored (batch..., k, m).
    pub transpose_a: bool,
    /// b is stored (batch..., n, k).
    pub transpose_b: bool,
}

impl MatMul {
    /// (rows, columns) of an operand of the given shape after its transpose flag.
    fn matrix(shape: &Shape, transposed: bool) -> (usize, usize) {
        let (m, n) = (shape[shape.rank() - 2], shape[shape.rank() - 1]);
        if transposed { (n, m) } else { (m, n) }
    }
}

/// All batches as one tall matrix: what a shared operand sees.
fn flat(x: Expr<'_>) -> Expr<'_> {
    let shape = x.shape();
    let (columns, rows) = shape.split_last().map_or((1, 1), |(&n, rest)| (n, rest.iter().product()));
    x.reshape([rows, columns])
}

impl Rule for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [a, b] = operands(self.name(), inputs)?;
        infer::numeric(self.name(), a)?;
        infer::same_dtype(self.name(), a, b)?;
        infer::min_rank(self.name(), a, 2)?;
        infer::min_rank(self.name(), b, 2)?;
        let batch = &a.shape[..a.shape.rank() - 2];
        let (m, k) = Self::matrix(&a.shape, self.transpose_a);
        let (k_b, n) = Self::matrix(&b.shape, self.transpose_b);
        if k != k_b || (b.shape.rank() != 2 && b.shape[..b.shape.rank() - 2] != *batch) {
            let expected = format!("a second operand of {k} rows that fits the first, {}", a.shape);
            return Err(Error::shape(self.name(), expected, b.shape.to_string()));
        }
        one(a.dtype, batch.iter().copied().chain([m, n]).collect())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let (&[a, b], &[Some(dy)]) = (cx.inputs, cx.cotangents) else {
            return Ok(vec![None; cx.inputs.len()]);
        };
        let Self { transpose_a, transpose_b } = *self;
        let (wants_a, wants_b) = (cx.needed[0], cx.needed[1]);
        let shared = cx.graph.shape(b).rank() == 2 && cx.graph.shape(a).rank() > 2;
        let (da, db) = emit(cx.graph, |s| {
            let (a, b, dy) = (s.of(a), s.of(b), s.of(dy));
            let da = wants_a.then(|| match (transpose_a, shared) {
                (false, _) => dy.matmul_with(b, false, !transpose_b),
                (true, false) => b.matmul_with(dy, transpose_b, true),
                (true, true) => dy.matmul_with(b, false, !transpose_b).t(),
            });
            let db = wants_b.then(|| {
                let (a, dy, transpose_a) = match (shared, transpose_a) {
                    (true, true) => (flat(a.t()), flat(dy), false),
                    (true, false) => (flat(a), flat(dy), false),
                    (false, transpose_a) => (a, dy, transpose_a),
                };
                if transpose_b {
                    dy.matmul_with(a, true, transpose_a)
                } else {
                    a.matmul_with(dy, !transpose_a, false)
                }
            });
            (da.map(|e| e.value), db.map(|e| e.value))
        })?;
        Ok(vec![da, db])
    }
}
