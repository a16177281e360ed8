//! Dense linear algebra, batched over leading axes, in float32 or float64.

use smallvec::smallvec;

use crate::infer::{self, operands};
use crate::op::{Rule, Types, VjpContext};
use crate::{DType, Error, Result, Shape, TensorType, Value};

/// Which factorisation or solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinalgKind {
    /// x -> lower-triangular factor.
    Cholesky,
    /// (a, b) -> x with a x = b, a triangular.
    TriangularSolve {
        /// a is lower-triangular.
        lower: bool,
        /// Solve with the transpose of a.
        transpose: bool,
    },
    /// (a, b) -> x with a x = b.
    Solve,
    /// x -> its inverse.
    Inv,
    /// x -> its determinant.
    Det,
    /// x -> (packed LU, int32 pivots).
    LuFactor,
    /// x -> (q, r).
    Qr {
        /// Full square q.
        complete: bool,
    },
    /// Symmetric x -> (eigenvalues ascending, eigenvectors in columns).
    Eigh,
    /// x -> (u, s, v transposed).
    Svd {
        /// Full square u and v.
        full_matrices: bool,
    },
}

/// Operands and results as [`LinalgKind`] says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Linalg {
    /// Which.
    pub kind: LinalgKind,
}

impl Rule for Linalg {
    fn name(&self) -> &'static str {
        match self.kind {
            LinalgKind::Cholesky => "cholesky",
            LinalgKind::TriangularSolve { .. } => "triangular_solve",
            LinalgKind::Solve => "solve",
            LinalgKind::Inv => "inv",
            LinalgKind::Det => "det",
            LinalgKind::LuFactor => "lu_factor",
            LinalgKind::Qr { .. } => "qr",
            LinalgKind::Eigh => "eigh",
            LinalgKind::Svd { .. } => "svd",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let op = self.name();
        let Some((x, rest)) = inputs.split_first() else {
            return Err(infer::arity(op, "at least 1", 0));
        };
        if !matches!(x.dtype, DType::F32 | DType::F64) {
            return Err(Error::dtype(op, "float32 or float64", x.dtype));
        }
        infer::min_rank(op, x, 2)?;
        let batch = &x.shape[..x.shape.rank() - 2];
        let (m, n) = (x.shape[batch.len()], x.shape[batch.len() + 1]);
        let k = m.min(n);
        let square =
            !matches!(self.kind, LinalgKind::LuFactor | LinalgKind::Qr { .. } | LinalgKind::Svd { .. });
        if square && m != n {
            return Err(Error::shape(op, "square matrices", x.shape.to_string()));
        }
        let shaped = |dims: &[usize]| -> Result<TensorType> {
            let shape: Shape = batch.iter().chain(dims).copied().collect();
            Ok(TensorType { dtype: x.dtype, shape: shape.check()? })
        };
        if matches!(self.kind, LinalgKind::TriangularSolve { .. } | LinalgKind::Solve) {
            let [_, b] = operands(op, inputs)?;
            let columns = b.shape.last().copied().unwrap_or(1);
            infer::same_type(op, "a right side", &shaped(&[n, columns])?, b)?;
            return Ok(smallvec![b.clone()]);
        }
        if !rest.is_empty() {
            return Err(infer::arity(op, "1", inputs.len()));
        }
        Ok(match self.kind {
            LinalgKind::Det => smallvec![shaped(&[])?],
            LinalgKind::LuFactor => {
                let pivots = TensorType { dtype: DType::I32, ..shaped(&[k])? };
                smallvec![x.clone(), pivots]
            }
            LinalgKind::Qr { complete: true } => smallvec![shaped(&[m, m])?, x.clone()],
            LinalgKind::Qr { complete: false } => smallvec![shaped(&[m, k])?, shaped(&[k, n])?],
            LinalgKind::Eigh => smallvec![shaped(&[n])?, x.clone()],
            LinalgKind::Svd { full_matrices: true } => {
                smallvec![shaped(&[m, m])?, shaped(&[k])?, shaped(&[n, n])?]
            }
            LinalgKind::Svd { full_matrices: false } => {
                smallvec![shaped(&[m, k])?, shaped(&[k])?, shaped(&[k, n])?]
            }
            _ => smallvec![x.clone()],
        })
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        super::linalg_vjp::linalg(self.kind, cx)
    }
}
