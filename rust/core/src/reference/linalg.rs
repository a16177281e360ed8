//! Dense linear algebra in f64, matrix by matrix: textbook algorithms, chosen for being short.

use super::HostTensor;
use super::number::Number;
use crate::op::{LinalgKind, Types};
use crate::{DType, Scalar};

/// A row-major matrix.
#[derive(Clone, Debug)]
struct Matrix {
    rows: usize,
    columns: usize,
    data: Vec<f64>,
}

impl Matrix {
    fn build(rows: usize, columns: usize, mut f: impl FnMut(usize, usize) -> f64) -> Self {
        let data = (0..rows * columns).map(|i| f(i / columns, i % columns)).collect();
        Self { rows, columns, data }
    }

    fn eye(n: usize) -> Self {
        Self::build(n, n, |i, j| f64::from(u8::from(i == j)))
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.columns + j]
    }

    fn at_mut(&mut self, i: usize, j: usize) -> &mut f64 {
        &mut self.data[i * self.columns + j]
    }

    fn t(&self) -> Self {
        Self::build(self.columns, self.rows, |i, j| self.at(j, i))
    }

    fn times(&self, other: &Self) -> Self {
        let dot = |i: usize, j: usize| (0..self.columns).map(|l| self.at(i, l) * other.at(l, j)).sum();
        Self::build(self.rows, other.columns, dot)
    }

    /// Rotates columns p and q.
    fn rotate(&mut self, p: usize, q: usize, (c, s): (f64, f64)) {
        for i in 0..self.rows {
            let (x, y) = (self.at(i, p), self.at(i, q));
            *self.at_mut(i, p) = c * x - s * y;
            *self.at_mut(i, q) = s * x + c * y;
        }
    }
}

pub(super) fn linalg(kind: LinalgKind, operands: &[&HostTensor], types: &Types) -> Vec<HostTensor> {
    let shape = &operands[0].ty.shape;
    let batch: usize = shape[..shape.rank() - 2].iter().product();
    let matrices = |t: &HostTensor, i: usize| {
        let (rows, columns) = (t.ty.shape[t.ty.shape.rank() - 2], t.ty.shape[t.ty.shape.rank() - 1]);
        let (values, size) = (t.to_f64(), rows * columns);
        Matrix { rows, columns, data: values[i * size..(i + 1) * size].to_vec() }
    };
    let mut out: Vec<Vec<f64>> = vec![Vec::new(); types.len()];
    for i in 0..batch {
        let a = matrices(operands[0], i);
        let right = || matrices(operands[1], i);
        let results = match kind {
            LinalgKind::Cholesky => vec![cholesky(&a).data],
            LinalgKind::TriangularSolve { lower, transpose } => {
                let n = a.rows;
                let kept = |i: usize, j: usize| if lower { i >= j } else { i <= j };
                let triangle = Matrix::build(n, n, |i, j| if kept(i, j) { a.at(i, j) } else { 0.0 });
                let triangle = if transpose { triangle.t() } else { triangle };
                vec![substitute(&triangle, right(), lower != transpose).data]
            }
            LinalgKind::Solve => vec![solve(&a, right()).data],
            LinalgKind::Inv => vec![solve(&a, Matrix::eye(a.rows)).data],
            LinalgKind::Det => {
                let (packed, pivots) = lu(a);
                let swaps = pivots.iter().enumerate().filter(|&(i, &p)| i != p).count();
                let diagonal: f64 = (0..packed.rows).map(|i| packed.at(i, i)).product();
                vec![vec![if swaps % 2 == 0 { diagonal } else { -diagonal }]]
            }
            LinalgKind::LuFactor => {
                let (packed, pivots) = lu(a);
                vec![packed.data, pivots.into_iter().map(|p| p as f64).collect()]
            }
            LinalgKind::Qr { complete } => {
                let (q, r) = qr(&a, complete);
                vec![q.data, r.data]
            }
            LinalgKind::Eigh => {
                let (w, v) = eigh(&a);
                vec![w, v.data]
            }
            LinalgKind::Svd { full_matrices } => {
                let (u, s, vt) = svd(&a, full_matrices);
                vec![u.data, s, vt.data]
            }
        };
        for (out, result) in out.iter_mut().zip(results) {
            out.extend(result);
        }
    }
    let finish = |(ty, values): (&crate::TensorType, Vec<f64>)| match ty.dtype {
        DType::I32 => HostTensor::build(ty.clone(), |i| Scalar::from_f64(values[i], DType::I32)),
        _ => f64::lower(ty.clone(), &values),
    };
    types.iter().zip(out).map(finish).collect()
}

/// Of the lower triangle; NaN where the matrix is not positive definite.
fn cholesky(a: &Matrix) -> Matrix {
    let mut l = Matrix::build(a.rows, a.rows, |_, _| 0.0);
    for j in 0..a.rows {
        for i in j..a.rows {
            let rest: f64 = (0..j).map(|k| l.at(i, k) * l.at(j, k)).sum();
            let value = a.at(i, j) - rest;
            *l.at_mut(i, j) = if i == j { value.sqrt() } else { value / l.at(j, j) };
        }
    }
    l
}

/// Solves with a triangular matrix.
fn substitute(a: &Matrix, mut b: Matrix, lower: bool) -> Matrix {
    let n = a.rows;
    for step in 0..n {
        let i = if lower { step } else { n - 1 - step };
        let known = if lower { 0..i } else { i + 1..n };
        for j in 0..b.columns {
            let rest: f64 = known.clone().map(|k| a.at(i, k) * b.at(k, j)).sum();
            *b.at_mut(i, j) = (b.at(i, j) - rest) / a.at(i, i);
        }
    }
    b
}

/// Packed factors and row swaps, with partial pivoting.
fn lu(mut a: Matrix) -> (Matrix, Vec<usize>) {
    let k = a.rows.min(a.columns);
    let mut pivots = Vec::with_capacity(k);
    for j in 0..k {
        let larger = |best: usize, i: usize| if a.at(i, j).abs() > a.at(best, j).abs() { i } else { best };
        let pivot = (j..a.rows).reduce(larger).unwrap_or(j);
        for c in 0..a.columns {
            a.data.swap(j * a.columns + c, pivot * a.columns + c);
        }
        pivots.push(pivot);
        for i in j + 1..a.rows {
            let factor = if a.at(j, j) == 0.0 { 0.0 } else { a.at(i, j) / a.at(j, j) };
            *a.at_mut(i, j) = factor;
            for c in j + 1..a.columns {
                *a.at_mut(i, c) -= factor * a.at(j, c);
            }
        }
    }
    (a, pivots)
}

fn solve(a: &Matrix, mut b: Matrix) -> Matrix {
    let n = a.rows;
    let (packed, pivots) = lu(a.clone());
    for (i, &p) in pivots.iter().enumerate() {
        for c in 0..b.columns {
            b.data.swap(i * b.columns + c, p * b.columns + c);
        }
    }
    let lower = Matrix::build(n, n, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Greater => packed.at(i, j),
        std::cmp::Ordering::Equal => 1.0,
        std::cmp::Ordering::Less => 0.0,
    });
    substitute(&packed, substitute(&lower, b, true), false)
}

/// Householder reflections.
fn qr(a: &Matrix, complete: bool) -> (Matrix, Matrix) {
    let (m, n) = (a.rows, a.columns);
    let k = m.min(n);
    let (mut q, mut r) = (Matrix::eye(m), a.clone());
    for j in 0..k.min(m.saturating_sub(1)) {
        let norm = (j..m).map(|i| r.at(i, j).powi(2)).sum::<f64>().sqrt();
        if norm == 0.0 {
            continue;
        }
        let mut v: Vec<f64> = (0..m).map(|i| if i < j { 0.0 } else { r.at(i, j) }).collect();
        v[j] += norm.copysign(v[j]);
        let square: f64 = v.iter().map(|x| x * x).sum();
        let reflection = Matrix::build(m, m, |i, l| f64::from(u8::from(i == l)) - 2.0 * v[i] * v[l] / square);
        r = reflection.times(&r);
        q = q.times(&reflection);
    }
    let kept = if complete { m } else { k };
    let q = Matrix::build(m, kept, |i, j| q.at(i, j));
    let r = Matrix::build(kept, n, |i, j| if i > j { 0.0 } else { r.at(i, j) });
    (q, r)
}

/// Cyclic Jacobi rotations; eigenvalues ascend.
fn eigh(a: &Matrix) -> (Vec<f64>, Matrix) {
    let n = a.rows;
    let mut a = Matrix::build(n, n, |i, j| if i >= j { a.at(i, j) } else { a.at(j, i) });
    let mut v = Matrix::eye(n);
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                if a.at(p, q) != 0.0 {
                    let angle = jacobi(a.at(p, p), a.at(q, q), a.at(p, q));
                    a.rotate(p, q, angle);
                    a = a.t();
                    a.rotate(p, q, angle);
                    v.rotate(p, q, angle);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a.at(i, i).total_cmp(&a.at(j, j)));
    let w = order.iter().map(|&i| a.at(i, i)).collect();
    (w, Matrix::build(n, n, |i, j| v.at(i, order[j])))
}

/// Cosine and sine of the rotation that makes ((x, z), (z, y)) diagonal.
fn jacobi(x: f64, y: f64, z: f64) -> (f64, f64) {
    let theta = (y - x) / (2.0 * z);
    let t = 1.0f64.copysign(theta) / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    (c, t * c)
}

/// One-sided Jacobi rotations; singular values descend.
fn svd(a: &Matrix, full: bool) -> (Matrix, Vec<f64>, Matrix) {
    if a.rows < a.columns {
        let (v, s, ut) = svd(&a.t(), full);
        return (ut.t(), s, v.t());
    }
    let (m, n) = (a.rows, a.columns);
    let (mut u, mut v) = (a.clone(), Matrix::eye(n));
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                let dot = |i: usize, j: usize| (0..m).map(|r| u.at(r, i) * u.at(r, j)).sum::<f64>();
                let (x, y, z) = (dot(p, p), dot(q, q), dot(p, q));
                if z.abs() > 1e-300 {
                    let angle = jacobi(x, y, z);
                    u.rotate(p, q, angle);
                    v.rotate(p, q, angle);
                }
            }
        }
    }
    let norm = |j: usize| (0..m).map(|i| u.at(i, j).powi(2)).sum::<f64>().sqrt();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| norm(j).total_cmp(&norm(i)));
    let s: Vec<f64> = order.iter().map(|&j| norm(j)).collect();
    let left = Matrix::build(m, n, |i, j| if s[j] > 0.0 { u.at(i, order[j]) / s[j] } else { 0.0 });
    let right = Matrix::build(n, n, |i, j| v.at(j, order[i]));
    let columns = if full { m } else { n };
    (complete(&left, &s, columns), s, right)
}

/// Orthonormal columns: those given where `s` is positive, the others made by Gram-Schmidt.
fn complete(u: &Matrix, s: &[f64], columns: usize) -> Matrix {
    let m = u.rows;
    let mut done: Vec<Vec<f64>> = Vec::new();
    let mut next = 0;
    for j in 0..columns {
        if j < s.len() && s[j] > 0.0 {
            done.push((0..m).map(|i| u.at(i, j)).collect());
            continue;
        }
        while next < m {
            let mut v: Vec<f64> = (0..m).map(|i| f64::from(u8::from(i == next))).collect();
            next += 1;
            for _ in 0..2 {
                for other in &done {
                    let dot: f64 = v.iter().zip(other).map(|(a, b)| a * b).sum();
                    v.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
                }
            }
            let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            if norm > 1e-3 {
                done.push(v.iter().map(|x| x / norm).collect());
                break;
            }
        }
    }
    Matrix::build(m, columns, |i, j| done[j][i])
}
