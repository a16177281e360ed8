//! Rules for reductions and matrix products.

use super::movement::is_swap;
use super::{Canonicaliser, Operands, Outcome};
use crate::op::{Full, MatMul, Reduce, ReduceKind, Reshape};
use crate::{Op, Result, Scalar, Shape, TensorType, Value};

impl Canonicaliser<'_> {
    pub(super) fn reduce(&mut self, r: &Reduce, x: &Operands, ty: &TensorType) -> Result<Outcome> {
        let x = x[0];
        let shape = self.ty(x).shape.clone();
        let count: usize = r.axes.iter().map(|&k| shape[k]).product();
        if count == 1 && shape.numel() > 0 {
            return Outcome::node(Reshape { shape: ty.shape.clone() }, &[x]);
        }
        let folded = match self.constant(x) {
            _ if count == 0 => Some(crate::passes::fuse::identity(r.kind, ty.dtype)),
            Some(c) => repeated(r.kind, c, count),
            None => None,
        };
        match folded {
            Some(value) => Outcome::node(Full { shape: ty.shape.clone(), value }, &[]),
            None => Ok(Outcome::Keep),
        }
    }

    pub(super) fn matmul(&mut self, m: &MatMul, x: &Operands, ty: &TensorType) -> Result<Outcome> {
        let (a, b) = (x[0], x[1]);
        let (from_a, from_b) = (self.before_swap(a), self.before_swap(b));
        if from_a.is_some() || from_b.is_some() {
            let turned = MatMul {
                transpose_a: m.transpose_a ^ from_a.is_some(),
                transpose_b: m.transpose_b ^ from_b.is_some(),
            };
            return Outcome::node(turned, &[from_a.unwrap_or(a), from_b.unwrap_or(b)]);
        }
        if let Some(shared) = self.before_batch(b) {
            return Outcome::node(m.clone(), &[a, shared]);
        }
        // All batches of a against one b: one product of more rows.
        let (shape_a, shape_b) = (self.ty(a).shape.clone(), self.ty(b).shape.clone());
        if shape_a.rank() > 2 && shape_b.rank() == 2 && !m.transpose_a {
            let columns = shape_a[shape_a.rank() - 1];
            let rows = shape_a[..shape_a.rank() - 1].iter().product();
            let flat = self.add(Reshape { shape: [rows, columns].into() }, &[a])?;
            let product = self.add(m.clone(), &[flat, b])?;
            return Outcome::node(Reshape { shape: ty.shape.clone() }, &[product]);
        }
        Ok(Outcome::Keep)
    }

    /// What a value is the transpose of, in its last two axes.
    fn before_swap(&self, v: Value) -> Option<Value> {
        match self.made(v) {
            (Op::Transpose(t), &[x]) if is_swap(&t.perm) => Some(x),
            _ => None,
        }
    }

    /// The matrix of which a value is many copies.
    fn before_batch(&mut self, v: Value) -> Option<Value> {
        let (Op::Broadcast(_), &[x]) = self.made(v) else { return None };
        let (shape, full) = (self.ty(x).shape.clone(), &self.ty(v).shape);
        let rank = shape.rank();
        let one =
            rank > 2 && shape[..rank - 2].iter().all(|&d| d == 1) && shape[rank - 2..] == full[rank - 2..];
        if !one {
            return None;
        }
        self.add(Reshape { shape: Shape::from(&shape[rank - 2..]) }, &[x]).ok()
    }
}

/// The reduction of `count` times `c`, where that needs no loop.
fn repeated(kind: ReduceKind, c: Scalar, count: usize) -> Option<Scalar> {
    match kind {
        ReduceKind::Max | ReduceKind::Min | ReduceKind::Any | ReduceKind::All => Some(c),
        ReduceKind::Sum if c.dtype().is_float() => {
            Some(Scalar::from_f64(c.as_f64() * count as f64, c.dtype()))
        }
        ReduceKind::Sum => Some(Scalar::from_i128(c.as_i128().wrapping_mul(count as i128), c.dtype())),
        ReduceKind::Prod => (c == Scalar::one(c.dtype())).then_some(c),
    }
}
