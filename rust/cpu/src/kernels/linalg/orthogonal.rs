//! QR by Householder reflections, singular values by one-sided Jacobi rotations.

use super::{Matrix, axpy, dot};

/// `q` and `r`; `q` is square when `complete`. Signs as LAPACK's geqrf: the diagonal of `r` has the sign
/// opposite to the reflected column's head.
pub(super) fn qr(mut a: Matrix, complete: bool) -> (Matrix, Matrix) {
    let (m, n) = (a.rows, a.columns);
    let k = m.min(n);
    let mut reflections: Vec<Option<Vec<f64>>> = Vec::with_capacity(k);
    for j in 0..k {
        let mut v: Vec<f64> = (j..m).map(|i| a[(i, j)]).collect();
        let tail: f64 = v[1..].iter().map(|x| x * x).sum();
        if tail == 0.0 {
            reflections.push(None);
            continue;
        }
        v[0] += v[0].hypot(tail.sqrt()).copysign(v[0]);
        let scale = (2.0 / (v[0] * v[0] + tail)).sqrt();
        v.iter_mut().for_each(|x| *x *= scale);
        reflect(&mut a, &v, j, j);
        reflections.push(Some(v));
    }
    let kept = if complete { m } else { k };
    let mut q = Matrix::zeros(m, kept);
    (0..kept).for_each(|i| q[(i, i)] = 1.0);
    for (j, v) in reflections.iter().enumerate().rev() {
        if let Some(v) = v {
            reflect(&mut q, v, j, 0);
        }
    }
    let mut r = Matrix::zeros(kept, n);
    for i in 0..k {
        r.row_mut(i)[i..].copy_from_slice(&a.row(i)[i..]);
    }
    (q, r)
}

/// Applies `1 - v v^T` (with |v|^2 = 2) to rows `top..` of the columns from `left` on.
fn reflect(a: &mut Matrix, v: &[f64], top: usize, left: usize) {
    let mut products = vec![0.0; a.columns - left];
    for (i, &x) in v.iter().enumerate() {
        axpy(x, &a.row(top + i)[left..], &mut products);
    }
    for (i, &x) in v.iter().enumerate() {
        axpy(-x, &products, &mut a.row_mut(top + i)[left..]);
    }
}

/// Left vectors in columns, singular values descending, right vectors in rows. One-sided Jacobi
/// (Hestenes, 1958), which finds small singular values to high relative accuracy.
pub(super) fn svd(a: Matrix, full: bool) -> (Matrix, Vec<f64>, Matrix) {
    if a.rows < a.columns {
        let (v, s, ut) = svd(a.transposed(), full);
        return (ut.transposed(), s, v.transposed());
    }
    let (m, n) = (a.rows, a.columns);
    // A tall matrix has the singular values of its small factor.
    let (q, tall) = if m > n { qr(a, false) } else { (Matrix::eye(m), a) };
    // Rows are cheaper to rotate than columns, so both are kept transposed.
    let (mut u, mut v) = (tall.transposed(), Matrix::eye(n));
    let largest: f64 = u.data.iter().fold(0.0, |most, x| most.max(x.abs()));
    for _ in 0..60 {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (x, y) = (dot(u.row(p), u.row(p)), dot(u.row(q), u.row(q)));
                let z = dot(u.row(p), u.row(q));
                if z.abs() <= 1e-15 * (x * y).sqrt() || z.abs() < largest * largest * 1e-300 {
                    continue;
                }
                rotated = true;
                let angle = jacobi(x, y, z);
                rotate(&mut u, p, q, angle);
                rotate(&mut v, p, q, angle);
            }
        }
        if !rotated {
            break;
        }
    }
    let norms: Vec<f64> = (0..n).map(|i| dot(u.row(i), u.row(i)).sqrt()).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| norms[j].total_cmp(&norms[i]));
    let s: Vec<f64> = order.iter().map(|&i| norms[i]).collect();
    let mut right = Matrix::zeros(n, n);
    // Rows of `left` are the left vectors.
    let columns = if full { m } else { n };
    let floor = s.first().copied().unwrap_or(0.0) * 1e-300;
    let mut left: Vec<Vec<f64>> = Vec::with_capacity(columns);
    for (to, &from) in order.iter().enumerate() {
        right.row_mut(to).copy_from_slice(v.row(from));
        if s[to] > floor {
            let small: Vec<f64> = u.row(from).iter().map(|x| x / s[to]).collect();
            left.push((0..m).map(|i| dot(q.row(i), &small)).collect());
        }
    }
    complete(&mut left, columns, m);
    let mut columns_of = Matrix::zeros(left.len(), m);
    left.iter().enumerate().for_each(|(i, vector)| columns_of.row_mut(i).copy_from_slice(vector));
    (columns_of.transposed(), s, right)
}

/// Adds vectors until there are `count` orthonormal ones of length `m`: unit vectors made orthogonal by
/// Gram-Schmidt, done twice (Giraud et al., 2005).
fn complete(vectors: &mut Vec<Vec<f64>>, count: usize, m: usize) {
    let mut next = 0;
    while vectors.len() < count && next < m {
        let mut v = vec![0.0; m];
        v[next] = 1.0;
        next += 1;
        for _ in 0..2 {
            for other in vectors.iter() {
                let along = dot(&v, other);
                axpy(-along, other, &mut v);
            }
        }
        let norm = dot(&v, &v).sqrt();
        // Of m unit vectors, one at least keeps this much.
        if norm > 0.5 / (m as f64).sqrt() {
            v.iter_mut().for_each(|x| *x /= norm);
            vectors.push(v);
        }
    }
}

/// Rotates rows p and q.
fn rotate(a: &mut Matrix, p: usize, q: usize, (c, s): (f64, f64)) {
    let n = a.columns;
    let (head, tail) = a.data.split_at_mut(q * n);
    for (x, y) in head[p * n..(p + 1) * n].iter_mut().zip(&mut tail[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// Cosine and sine of the rotation that makes ((x, z), (z, y)) diagonal.
fn jacobi(x: f64, y: f64, z: f64) -> (f64, f64) {
    let theta = (y - x) / (2.0 * z);
    let t = 1.0f64.copysign(theta) / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    (c, t * c)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_close, assert_orthonormal_columns, random, times};
    use super::*;

    const SIZES: [(usize, usize); 8] = [(1, 1), (5, 5), (7, 3), (3, 7), (20, 20), (40, 4), (1, 6), (6, 1)];

    #[test]
    fn qr_multiplies_back() {
        for (m, n) in SIZES {
            for complete in [false, true] {
                let a = random(m, n, 5);
                let (q, r) = qr(a.clone(), complete);
                assert_orthonormal_columns(&q);
                assert_close(&times(&q, &r), &a, 1e-12);
                assert!((0..r.rows).all(|i| (0..i.min(n)).all(|j| r[(i, j)] == 0.0)));
            }
        }
    }

    #[test]
    fn svd_multiplies_back() {
        for (m, n) in SIZES {
            for deficient in [false, true] {
                let mut a = random(m, n, 6);
                if deficient {
                    let copy = a.row(0).to_vec();
                    (1..m).for_each(|i| a.row_mut(i).copy_from_slice(&copy));
                }
                for full in [false, true] {
                    let (u, s, vt) = svd(a.clone(), full);
                    assert_orthonormal_columns(&u);
                    assert_orthonormal_columns(&vt.transposed());
                    assert!(s.is_sorted_by(|a, b| a >= b));
                    let mut middle = Matrix::zeros(u.columns, vt.rows);
                    s.iter().enumerate().for_each(|(i, &x)| middle[(i, i)] = x);
                    assert_close(&times(&times(&u, &middle), &vt), &a, 1e-12);
                }
            }
        }
        let (u, s, _) = svd(Matrix::zeros(4, 3), true);
        assert_orthonormal_columns(&u);
        assert_eq!(s, [0.0; 3]);
    }
}
