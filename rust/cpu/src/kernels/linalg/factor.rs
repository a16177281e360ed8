//! Cholesky, LU and what is solved with them.

use super::{Matrix, axpy, dot};

/// The lower-triangular factor of a symmetric matrix, of which the lower triangle is read. NaN where the
/// matrix is not positive definite.
pub(super) fn cholesky(mut a: Matrix) -> Matrix {
    for i in 0..a.rows {
        for j in 0..=i {
            let rest = dot(&a.row(i)[..j], &a.row(j)[..j]);
            let value = a[(i, j)] - rest;
            a[(i, j)] = if i == j { value.sqrt() } else { value / a[(j, j)] };
        }
        a.row_mut(i)[i + 1..].fill(0.0);
    }
    a
}

/// Solves `t x = b` with a triangle of `a` (or its transpose) for `t`.
pub(super) fn triangular_solve(
    a: &Matrix,
    mut b: Matrix,
    lower: bool,
    transpose: bool,
    unit: bool,
) -> Matrix {
    let n = a.rows;
    let forward = lower != transpose;
    let at = |i: usize, j: usize| if transpose { a[(j, i)] } else { a[(i, j)] };
    for step in 0..n {
        let i = if forward { step } else { n - 1 - step };
        let known = if forward { 0..i } else { i + 1..n };
        for k in known {
            let factor = at(i, k);
            let (x, row) = b.rows_mut(k, i);
            axpy(-factor, x, row);
        }
        if !unit {
            let diagonal = at(i, i);
            b.row_mut(i).iter_mut().for_each(|x| *x /= diagonal);
        }
    }
    b
}

/// Packed factors, and for each step the row that was swapped in: partial pivoting, as LAPACK's getrf with
/// rows counted from 0.
pub(super) fn lu(mut a: Matrix) -> (Matrix, Vec<usize>) {
    let steps = a.rows.min(a.columns);
    let mut pivots = Vec::with_capacity(steps);
    for k in 0..steps {
        let larger = |best: usize, i: usize| if a[(i, k)].abs() > a[(best, k)].abs() { i } else { best };
        let pivot = (k..a.rows).reduce(larger).unwrap_or(k);
        a.swap_rows(k, pivot);
        pivots.push(pivot);
        let diagonal = a[(k, k)];
        for i in k + 1..a.rows {
            let factor = if diagonal == 0.0 { 0.0 } else { a[(i, k)] / diagonal };
            a[(i, k)] = factor;
            let (from, to) = a.rows_mut(k, i);
            axpy(-factor, &from[k + 1..], &mut to[k + 1..]);
        }
    }
    (a, pivots)
}

/// Solves `a x = b`; infinities or NaN when `a` is singular.
pub(super) fn solve(a: Matrix, mut b: Matrix) -> Matrix {
    let (packed, pivots) = lu(a);
    for (i, &pivot) in pivots.iter().enumerate() {
        b.swap_rows(i, pivot);
    }
    let b = triangular_solve(&packed, b, true, false, true);
    triangular_solve(&packed, b, false, false, false)
}

/// The determinant.
pub(super) fn det(a: Matrix) -> f64 {
    let (packed, pivots) = lu(a);
    let odd = pivots.iter().enumerate().filter(|&(i, &p)| i != p).count() % 2 == 1;
    let diagonal: f64 = (0..packed.rows).map(|i| packed[(i, i)]).product();
    if odd { -diagonal } else { diagonal }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_close, random, times};
    use super::*;

    #[test]
    fn factors_multiply_back() {
        for n in [0, 1, 2, 7, 30] {
            let a = random(n, n, n as u64);
            let mut spd = times(&a, &a.transposed());
            (0..n).for_each(|i| spd[(i, i)] += 1.0);
            let l = cholesky(spd.clone());
            assert_close(&times(&l, &l.transposed()), &spd, 1e-11);
            let b = random(n, 3, 99);
            assert_close(&times(&a, &solve(a.clone(), b.clone())), &b, 1e-8);
            for (lower, transpose) in [(true, false), (true, true), (false, false), (false, true)] {
                let mut t = spd.clone();
                for i in 0..n {
                    for j in 0..n {
                        if (i < j) == lower && i != j {
                            t[(i, j)] = 0.0;
                        }
                    }
                }
                let x = triangular_solve(&spd, b.clone(), lower, transpose, false);
                let t = if transpose { t.transposed() } else { t };
                assert_close(&times(&t, &x), &b, 1e-9);
            }
        }
    }

    #[test]
    fn known_determinants() {
        let a = Matrix { rows: 2, columns: 2, data: vec![0.0, 2.0, 3.0, 4.0] };
        assert_eq!(det(a), -6.0);
        assert_eq!(det(Matrix::eye(5)), 1.0);
        assert_eq!(det(Matrix::zeros(0, 0)), 1.0);
    }

    #[test]
    fn not_positive_definite_is_nan() {
        let a = Matrix { rows: 2, columns: 2, data: vec![1.0, 2.0, 2.0, 1.0] };
        assert!(cholesky(a)[(1, 1)].is_nan());
    }
}
