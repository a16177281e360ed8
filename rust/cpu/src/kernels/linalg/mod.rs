//! Dense linear algebra, in f64 whatever the dtype: row-oriented textbook algorithms, one matrix of the
//! batch per task. Nothing here is meant for matrices of more than a few hundred rows.

mod eigen;
mod factor;
mod orthogonal;

use oxhorn_core::op::{Linalg, LinalgKind};
use oxhorn_core::{DType, Error, Result};

use super::element::{Element, Tensor, grain};
use crate::pool::{SharedMut, parallel_for};
use crate::step::{Arg, Args, Task};

/// A row-major matrix.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    rows: usize,
    columns: usize,
    data: Vec<f64>,
}

impl Matrix {
    fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, data: vec![0.0; rows * columns] }
    }

    fn eye(n: usize) -> Self {
        let mut eye = Self::zeros(n, n);
        eye.data.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
        eye
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }

    fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// Two different rows, the second to be changed.
    fn rows_mut(&mut self, i: usize, j: usize) -> (&[f64], &mut [f64]) {
        let n = self.columns;
        if i < j {
            let (head, tail) = self.data.split_at_mut(j * n);
            (&head[i * n..(i + 1) * n], &mut tail[..n])
        } else {
            let (head, tail) = self.data.split_at_mut(i * n);
            (&tail[..n], &mut head[j * n..(j + 1) * n])
        }
    }

    fn swap_rows(&mut self, i: usize, j: usize) {
        if i != j {
            for c in 0..self.columns {
                self.data.swap(i * self.columns + c, j * self.columns + c);
            }
        }
    }

    fn transposed(&self) -> Self {
        let mut t = Self::zeros(self.columns, self.rows);
        for i in 0..self.rows {
            for (j, &x) in self.row(i).iter().enumerate() {
                t.data[j * self.rows + i] = x;
            }
        }
        t
    }
}

impl std::ops::Index<(usize, usize)> for Matrix {
    type Output = f64;
    fn index(&self, (i, j): (usize, usize)) -> &f64 {
        &self.data[i * self.columns + j]
    }
}

impl std::ops::IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f64 {
        &mut self.data[i * self.columns + j]
    }
}

/// Sum of products, in a few independent lanes.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for j in 0..8 {
            lanes[j] += a[j] * b[j];
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// `y += a x`.
fn axpy(a: f64, x: &[f64], y: &mut [f64]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// All results of one matrix of the batch.
fn solve_one(kind: LinalgKind, a: Matrix, b: Option<Matrix>) -> Vec<Vec<f64>> {
    let right = |a: &Matrix| b.clone().unwrap_or_else(|| Matrix::eye(a.rows));
    match kind {
        LinalgKind::Cholesky => vec![factor::cholesky(a).data],
        LinalgKind::TriangularSolve { lower, transpose } => {
            let right = right(&a);
            vec![factor::triangular_solve(&a, right, lower, transpose, false).data]
        }
        LinalgKind::Solve | LinalgKind::Inv => {
            let right = right(&a);
            vec![factor::solve(a, right).data]
        }
        LinalgKind::Det => vec![vec![factor::det(a)]],
        LinalgKind::LuFactor => {
            let (packed, pivots) = factor::lu(a);
            vec![packed.data, pivots.into_iter().map(|p| p as f64).collect()]
        }
        LinalgKind::Qr { complete } => {
            let (q, r) = orthogonal::qr(a, complete);
            vec![q.data, r.data]
        }
        LinalgKind::Eigh => {
            let (values, vectors) = eigen::eigh(a);
            vec![values, vectors.data]
        }
        LinalgKind::Svd { full_matrices } => {
            let (u, s, vt) = orthogonal::svd(a, full_matrices);
            vec![u.data, s, vt.data]
        }
    }
}

/// See [`Linalg`].
pub(crate) fn linalg(op: &Linalg, args: &Args<'_>) -> Result<Task> {
    match args.inputs.first().map(Arg::dtype) {
        Some(DType::F32) => Ok(task::<f32>(op.kind, args)),
        Some(DType::F64) => Ok(task::<f64>(op.kind, args)),
        _ => Err(Error::Internal(format!("{}: expected float32 or float64", args.name))),
    }
}

fn task<T: Element<Wide = f64>>(kind: LinalgKind, args: &Args<'_>) -> Task {
    let dims = args.inputs[0].dims();
    let batch: usize = dims[..dims.len() - 2].iter().product();
    let inputs: Vec<(Tensor, usize, usize)> = args
        .inputs
        .iter()
        .map(|x| (Tensor::of(x), x.dims()[x.dims().len() - 2], x.dims()[x.dims().len() - 1]))
        .collect();
    let outputs: Vec<(Tensor, usize, bool)> = args
        .outputs
        .iter()
        .map(|y| (Tensor::of(y), y.numel().checked_div(batch).unwrap_or(0), y.dtype() == DType::I32))
        .collect();
    let cost = 8 * dims[dims.len() - 1] * dims[dims.len() - 2] * dims[dims.len() - 1].max(4);
    Box::new(move |frame| {
        let matrix = |which: usize, i: usize| {
            let &(x, rows, columns) = inputs.get(which)?;
            // SAFETY: the operands' own type.
            let x = unsafe { x.read::<T>(frame) };
            let data = x[i * rows * columns..(i + 1) * rows * columns].iter().map(|x| x.widen()).collect();
            Some(Matrix { rows, columns, data })
        };
        let all: Vec<(Option<Matrix>, Option<Matrix>)> =
            (0..batch).map(|i| (matrix(0, i), matrix(1, i))).collect();
        // SAFETY: the results' own types; they are this step's own.
        let floats: Vec<_> = outputs
            .iter()
            .map(|&(y, size, int)| (!int).then(|| (SharedMut::new(unsafe { y.write::<T>(frame) }), size)))
            .collect();
        // SAFETY: as above.
        let ints: Vec<_> = outputs
            .iter()
            .map(|&(y, size, int)| int.then(|| (SharedMut::new(unsafe { y.write::<i32>(frame) }), size)))
            .collect();
        parallel_for(frame.pool, batch, grain(cost), |range| {
            for i in range {
                let (Some(a), b) = all[i].clone() else { continue };
                for (which, result) in solve_one(kind, a, b).into_iter().enumerate() {
                    if let Some((y, size)) = &floats[which] {
                        // SAFETY: each matrix has its own part of each result.
                        let y = unsafe { y.slice(i * size..(i + 1) * size) };
                        y.iter_mut().zip(result).for_each(|(y, x)| *y = T::narrow(x));
                    } else if let Some((y, size)) = &ints[which] {
                        // SAFETY: as above.
                        let y = unsafe { y.slice(i * size..(i + 1) * size) };
                        y.iter_mut().zip(result).for_each(|(y, x)| *y = x as i32);
                    }
                }
            }
        });
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use oxhorn_core::conformance::Random;

    pub fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut random = Random(seed);
        Matrix { rows, columns, data: (0..rows * columns).map(|_| random.unit() * 2.0 - 1.0).collect() }
    }

    pub fn times(a: &Matrix, b: &Matrix) -> Matrix {
        let mut c = Matrix::zeros(a.rows, b.columns);
        for i in 0..a.rows {
            for k in 0..a.columns {
                let x = a[(i, k)];
                axpy(x, b.row(k), c.row_mut(i));
            }
        }
        c
    }

    pub fn assert_close(a: &Matrix, b: &Matrix, tolerance: f64) {
        assert_eq!((a.rows, a.columns), (b.rows, b.columns));
        for (x, y) in a.data.iter().zip(&b.data) {
            assert!((x - y).abs() <= tolerance, "{x} is not {y}");
        }
    }

    pub fn assert_orthonormal_columns(q: &Matrix) {
        assert_close(&times(&q.transposed(), q), &Matrix::eye(q.columns), 1e-12);
    }
}
