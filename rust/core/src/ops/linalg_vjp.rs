//! Gradients of the factorisations and solves.
//!
//! Sources: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
//! differentiation" (2008); Murray, "Differentiation of the Cholesky decomposition" (2016); Townsend,
//! "Differentiating the singular value decomposition" (2016); Walter and Lehmann, "Algorithmic
//! differentiation of linear algebra functions" (2012) for QR.

use crate::expr::{Expr, emit};
use crate::op::{Linalg, LinalgKind, VjpContext};
use crate::{DType, Error, Graph, Result, Value};

pub(super) fn linalg(kind: LinalgKind, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
    let (inputs, outputs, cotangents) = (cx.inputs, cx.outputs, cx.cotangents);
    emit(cx.graph, |s| {
        let x = s.of(inputs[0]);
        let y = |i: usize| s.of(outputs[i]);
        let d = |i: usize| cotangents.get(i).copied().flatten().map(|c| s.of(c));
        let first = |dx: Option<Expr<'_>>| vec![dx.map(|e| e.value)];
        let Some(dy) = d(0).or(d(1)).or(d(2)) else { return vec![None; inputs.len()] };
        match kind {
            LinalgKind::Cholesky => first(Some(cholesky(y(0), dy))),
            LinalgKind::TriangularSolve { lower, transpose } => {
                let db = triangular(x, dy, lower, !transpose);
                let (left, right) = if transpose { (y(0), db) } else { (db, y(0)) };
                let da = -left.matmul_with(right, false, true);
                let da = if lower { lower_part(da, false) } else { upper_part(da) };
                vec![Some(da.value), Some(db.value)]
            }
            LinalgKind::Solve => {
                let db = solve(x.t(), dy);
                vec![Some((-db.matmul_with(y(0), false, true)).value), Some(db.value)]
            }
            LinalgKind::Inv => {
                let y = y(0);
                first(Some(-y.matmul_with(dy, true, false).matmul_with(y, false, true)))
            }
            LinalgKind::Det => {
                let inverse = x.op(Linalg { kind: LinalgKind::Inv }, &[]);
                first(Some(inverse.t() * append_axes(dy * y(0), 2)))
            }
            LinalgKind::LuFactor => first(lu(x, y(0), dy)),
            LinalgKind::Qr { complete } => first(qr(x, y(0), y(1), d(0), d(1), complete)),
            LinalgKind::Eigh => first(Some(eigh(y(0), y(1), d(0), d(1)))),
            LinalgKind::Svd { full_matrices } => {
                first(svd(x, [y(0), y(1), y(2)], [d(0), d(1), d(2)], full_matrices))
            }
        }
    })
}

fn solve<'s>(a: Expr<'s>, b: Expr<'s>) -> Expr<'s> {
    a.op(Linalg { kind: LinalgKind::Solve }, &[b])
}

fn triangular<'s>(a: Expr<'s>, b: Expr<'s>, lower: bool, transpose: bool) -> Expr<'s> {
    a.op(Linalg { kind: LinalgKind::TriangularSolve { lower, transpose } }, &[b])
}

/// Row and column numbers of the matrices of x.
fn positions(x: Expr<'_>) -> (Expr<'_>, Expr<'_>) {
    let rank = x.shape().rank();
    (x.iota(rank - 2, DType::I32), x.iota(rank - 1, DType::I32))
}

fn lower_part(x: Expr<'_>, strictly: bool) -> Expr<'_> {
    let (row, column) = positions(x);
    let kept = if strictly { row.gt(column) } else { row.ge(column) };
    kept.select(x, 0.0)
}

fn upper_part(x: Expr<'_>) -> Expr<'_> {
    let (row, column) = positions(x);
    row.le(column).select(x, 0.0)
}

/// Identity matrices in the shape of x.
fn eye(x: Expr<'_>) -> Expr<'_> {
    let (row, column) = positions(x);
    row.eq(column).cast(x.dtype())
}

/// `count` axes of size 1 at the end.
fn append_axes(x: Expr<'_>, count: usize) -> Expr<'_> {
    let shape = x.shape();
    x.reshape(shape.iter().copied().chain(std::iter::repeat_n(1, count)).collect::<crate::Shape>())
}

/// A vector per matrix as a row, to scale columns with.
fn as_row(v: Expr<'_>) -> Expr<'_> {
    append_axes(v, 1).t()
}

fn symmetric(x: Expr<'_>) -> Expr<'_> {
    (x + x.t()) * 0.5
}

/// With P = phi(L' dL), where phi takes the lower triangle and half the diagonal: sym(inv(L)' P inv(L)).
fn cholesky<'s>(l: Expr<'s>, dl: Expr<'s>) -> Expr<'s> {
    let product = l.matmul_with(dl, true, false);
    let phi = lower_part(product, true) + eye(product) * product * 0.5;
    let half = triangular(l, phi, true, true);
    symmetric(triangular(l, half.t(), true, true))
}

/// With P A = L U: inv(A)' U' (tril(L' dL, -1) + triu(dU U')) inv(U)', which needs no permutation.
fn lu<'s>(x: Expr<'s>, packed: Expr<'s>, dpacked: Expr<'s>) -> Option<Expr<'s>> {
    let shape = x.shape();
    if shape[shape.rank() - 2] != shape[shape.rank() - 1] {
        let reason = "only square matrices have a gradient here";
        x.scope().fail(Error::NotDifferentiable { op: "lu_factor", reason });
        return None;
    }
    let (l, u) = (lower_part(packed, true) + eye(packed), upper_part(packed));
    let (dl, du) = (lower_part(dpacked, true), upper_part(dpacked));
    let phi = lower_part(l.matmul_with(dl, true, false), true) + upper_part(du.matmul_with(u, false, true));
    let right = triangular(u, u.matmul_with(phi, true, false).t(), false, false).t();
    Some(solve(x.t(), right))
}

fn qr<'s>(
    x: Expr<'s>,
    q: Expr<'s>,
    r: Expr<'s>,
    dq: Option<Expr<'s>>,
    dr: Option<Expr<'s>>,
    complete: bool,
) -> Option<Expr<'s>> {
    let shape = x.shape();
    let rank = shape.rank();
    let (m, n) = (shape[rank - 2], shape[rank - 1]);
    if complete && m > n {
        let reason = "the complete factors of a tall matrix are not unique; use mode 'reduced'";
        x.scope().fail(Error::NotDifferentiable { op: "qr", reason });
        return None;
    }
    let columns = |e: Expr<'s>, from: usize, to: usize| e.build(|g, v| g.slice_axis(v, rank - 1, from, to));
    if m >= n {
        return Some(tall_qr(q, r, dq, dr));
    }
    // A = [X Y] = Q [U V]: Y = Q V follows from X = Q U.
    let (y, u) = (columns(x, m, n), columns(r, 0, m));
    let (du, dv) = (dr.map(|d| columns(d, 0, m)), dr.map(|d| columns(d, m, n)));
    let through_y = dv.map(|dv| y.matmul_with(dv, false, true));
    let dq = match (dq, through_y) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    };
    let dx = tall_qr(q, u, dq, du);
    let dy = dv.map_or_else(|| y.constant(0.0), |dv| q.matmul(dv));
    Some(dx.build(|g, v| g.concat(&[v, dy.value], rank - 1)))
}

/// (dQ + Q copyltu(R dR' - dQ' Q)) inv(R)', where copyltu mirrors the lower triangle.
fn tall_qr<'s>(q: Expr<'s>, r: Expr<'s>, dq: Option<Expr<'s>>, dr: Option<Expr<'s>>) -> Expr<'s> {
    let by_r = dr.map(|dr| r.matmul_with(dr, false, true));
    let by_q = dq.map(|dq| -dq.matmul_with(q, true, false));
    let m = match (by_r, by_q) {
        (Some(a), Some(b)) => a + b,
        (a, b) => a.or(b).unwrap_or_else(|| r.constant(0.0)),
    };
    let strict = lower_part(m, true);
    let mirrored = strict + strict.t() + eye(m) * m;
    let inner = q.matmul(mirrored);
    let inner = dq.map_or(inner, |dq| inner + dq);
    triangular(r, inner.t(), false, false).t()
}

/// 1 / (w_j - w_i) off the diagonal, 0 on it.
fn gaps(w: Expr<'_>) -> Expr<'_> {
    let difference = as_row(w) - append_axes(w, 1);
    let eye = eye(difference);
    (1.0 - eye) / (difference + eye)
}

/// V (diag(dw) + F * (V' dV)) V', made symmetric as the operand is.
fn eigh<'s>(w: Expr<'s>, v: Expr<'s>, dw: Option<Expr<'s>>, dv: Option<Expr<'s>>) -> Expr<'s> {
    let mut inner = v.constant(0.0);
    if let Some(dv) = dv {
        inner = gaps(w) * v.matmul_with(dv, true, false);
    }
    if let Some(dw) = dw {
        inner = inner + eye(v) * as_row(dw);
    }
    symmetric(v.matmul(inner).matmul_with(v, false, true))
}

fn svd<'s>(
    x: Expr<'s>,
    [u, s, vt]: [Expr<'s>; 3],
    [du, ds, dvt]: [Option<Expr<'s>>; 3],
    full: bool,
) -> Option<Expr<'s>> {
    let shape = x.shape();
    let rank = shape.rank();
    let (m, n) = (shape[rank - 2], shape[rank - 1]);
    let k = m.min(n);
    if full && m != n && (du.is_some() || dvt.is_some()) {
        let reason = "the full factors are not unique; use full_matrices=False";
        x.scope().fail(Error::NotDifferentiable { op: "svd", reason });
        return None;
    }
    let part = |e: Expr<'s>, axis: usize| e.build(|g: &mut Graph, v| g.slice_axis(v, axis, 0, k));
    let (u, vt) = (part(u, rank - 1), part(vt, rank - 2));
    let (row, column) = (as_row(s), append_axes(s, 1));
    let gaps = gaps(s * s);
    let skew = |a: Expr<'s>| gaps * (a - a.t());
    let mut inner = eye(u.matmul_with(u, true, false)) * 0.0;
    if let Some(ds) = ds {
        inner = inner + eye(inner) * as_row(ds);
    }
    if let Some(du) = du {
        inner = inner + skew(u.matmul_with(du, true, false)) * row;
    }
    if let Some(dvt) = dvt {
        inner = inner + column * skew(vt.matmul_with(dvt, false, true));
    }
    let mut dx = u.matmul(inner).matmul(vt);
    if let Some(du) = du {
        let scaled = du / row;
        dx = dx + (scaled - u.matmul(u.matmul_with(scaled, true, false))).matmul(vt);
    }
    if let Some(dvt) = dvt {
        let scaled = dvt / column;
        dx = dx + u.matmul(scaled - scaled.matmul_with(vt, false, true).matmul(vt));
    }
    Some(dx)
}
