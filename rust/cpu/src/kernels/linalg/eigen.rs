//! Symmetric eigenvalues: reduction to tridiagonal form and implicit QL, after EISPACK's tred2 and tql2
//! (Wilkinson and Reinsch, "Linear Algebra", 1971).

use super::Matrix;

/// Eigenvalues ascending, eigenvectors in columns. The lower triangle is read.
pub(super) fn eigh(a: Matrix) -> (Vec<f64>, Matrix) {
    let n = a.rows;
    if n == 0 || a.data.iter().any(|x| !x.is_finite()) {
        return (vec![f64::NAN; n], Matrix { data: vec![f64::NAN; n * n], ..a });
    }
    let mut v = a;
    for i in 0..n {
        for j in i + 1..n {
            v[(i, j)] = v[(j, i)];
        }
    }
    let (mut d, mut e) = tridiagonal(&mut v);
    // From here on vectors are rows, which rotations walk faster.
    let mut rows = v.transposed();
    implicit_ql(&mut d, &mut e, &mut rows);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| d[i].total_cmp(&d[j]));
    let mut vectors = Matrix::zeros(n, n);
    for (to, &from) in order.iter().enumerate() {
        vectors.row_mut(to).copy_from_slice(rows.row(from));
    }
    (order.iter().map(|&i| d[i]).collect(), vectors.transposed())
}

/// Reduces symmetric `v` to tridiagonal form; `v` becomes the transformation. Returns the diagonal and,
/// from its second element on, what is below it.
fn tridiagonal(v: &mut Matrix) -> (Vec<f64>, Vec<f64>) {
    let n = v.rows;
    let (mut d, mut e) = (v.row(n - 1).to_vec(), vec![0.0; n]);
    for i in (1..n).rev() {
        let scale: f64 = d[..i].iter().map(|x| x.abs()).sum();
        let mut h = 0.0;
        if scale == 0.0 {
            e[i] = d[i - 1];
            for j in 0..i {
                d[j] = v[(i - 1, j)];
                v[(i, j)] = 0.0;
                v[(j, i)] = 0.0;
            }
        } else {
            for x in &mut d[..i] {
                *x /= scale;
                h += *x * *x;
            }
            let f = d[i - 1];
            let g = -h.sqrt().copysign(f);
            e[i] = scale * g;
            h -= f * g;
            d[i - 1] = f - g;
            e[..i].fill(0.0);
            for j in 0..i {
                let f = d[j];
                v[(j, i)] = f;
                let mut g = e[j] + v[(j, j)] * f;
                for k in j + 1..i {
                    g += v[(k, j)] * d[k];
                    e[k] += v[(k, j)] * f;
                }
                e[j] = g;
            }
            let mut f = 0.0;
            for j in 0..i {
                e[j] /= h;
                f += e[j] * d[j];
            }
            let hh = f / (h + h);
            for j in 0..i {
                e[j] -= hh * d[j];
            }
            for j in 0..i {
                let (f, g) = (d[j], e[j]);
                for k in j..i {
                    v[(k, j)] -= f * e[k] + g * d[k];
                }
                d[j] = v[(i - 1, j)];
                v[(i, j)] = 0.0;
            }
        }
        d[i] = h;
    }
    for i in 0..n - 1 {
        v[(n - 1, i)] = v[(i, i)];
        v[(i, i)] = 1.0;
        let h = d[i + 1];
        if h != 0.0 {
            for k in 0..=i {
                d[k] = v[(k, i + 1)] / h;
            }
            for j in 0..=i {
                let g: f64 = (0..=i).map(|k| v[(k, i + 1)] * v[(k, j)]).sum();
                for k in 0..=i {
                    v[(k, j)] -= g * d[k];
                }
            }
        }
        for k in 0..=i {
            v[(k, i + 1)] = 0.0;
        }
    }
    for j in 0..n {
        d[j] = v[(n - 1, j)];
        v[(n - 1, j)] = 0.0;
    }
    v[(n - 1, n - 1)] = 1.0;
    (d, e)
}

/// Makes the tridiagonal matrix (d, e) diagonal, and rotates the rows of `v` along.
fn implicit_ql(d: &mut [f64], e: &mut [f64], v: &mut Matrix) {
    let n = d.len();
    e.rotate_left(1);
    e[n - 1] = 0.0;
    let (mut shift, mut largest) = (0.0f64, 0.0f64);
    for l in 0..n {
        largest = largest.max(d[l].abs() + e[l].abs());
        let negligible = |x: f64| x.abs() <= f64::EPSILON * largest;
        let m = (l..n).find(|&m| negligible(e[m])).unwrap_or(n - 1);
        // The bound is never reached; it keeps the loop finite whatever the input.
        for _ in 0..100 {
            if m == l || negligible(e[l]) {
                break;
            }
            let g = d[l];
            let p = (d[l + 1] - g) / (2.0 * e[l]);
            let r = p.hypot(1.0).copysign(p);
            d[l] = e[l] / (p + r);
            d[l + 1] = e[l] * (p + r);
            let next = d[l + 1];
            let h = g - d[l];
            for x in &mut d[l + 2..] {
                *x -= h;
            }
            shift += h;
            let mut p = d[m];
            let (mut c, mut c2, mut c3) = (1.0, 1.0, 1.0);
            let after = e[l + 1];
            let (mut s, mut s2) = (0.0, 0.0);
            for i in (l..m).rev() {
                (c3, c2, s2) = (c2, c, s);
                let g = c * e[i];
                let h = c * p;
                let r = p.hypot(e[i]);
                e[i + 1] = s * r;
                s = e[i] / r;
                c = p / r;
                p = c * d[i] - s * g;
                d[i + 1] = h + s * (c * g + s * d[i]);
                let width = v.columns;
                let (head, tail) = v.data.split_at_mut((i + 1) * width);
                for (x, y) in head[i * width..].iter_mut().zip(&mut tail[..width]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
            let p = -s * s2 * c3 * after * e[l] / next;
            e[l] = s * p;
            d[l] = c * p;
        }
        d[l] += shift;
        e[l] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_close, assert_orthonormal_columns, random, times};
    use super::*;

    #[test]
    fn vectors_and_values_multiply_back() {
        for n in [1, 2, 3, 10, 60] {
            for repeated in [false, true] {
                let half = random(n, n, 8 + n as u64);
                let mut a = times(&half, &half.transposed());
                if repeated {
                    a = Matrix::eye(n);
                    a[(n - 1, 0)] = 0.25;
                    a[(0, n - 1)] = 0.25;
                }
                let (values, vectors) = eigh(a.clone());
                assert_orthonormal_columns(&vectors);
                assert!(values.is_sorted());
                let mut scaled = vectors.transposed();
                values
                    .iter()
                    .enumerate()
                    .for_each(|(i, &x)| scaled.row_mut(i).iter_mut().for_each(|y| *y *= x));
                assert_close(&times(&vectors, &scaled), &a, 1e-11);
            }
        }
    }
}
