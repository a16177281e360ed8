//! Rules for movements, casts and constants.

use smallvec::SmallVec;

use super::{Canonicaliser, Operands, Outcome};
use crate::dtype::Class;
use crate::op::{Concat, Full, MatMul, Pad, Reshape, Reverse, Slice, Transpose};
use crate::{DType, Op, Result, Scalar, TensorType, Value};

impl Canonicaliser<'_> {
    pub(super) fn movement(&mut self, op: &Op, x: &Operands, ty: &TensorType) -> Result<Outcome> {
        let moves = matches!(op, Op::Reshape(_) | Op::Broadcast(_) | Op::Slice(_) | Op::Reverse(_));
        if moves {
            // All elements are one: it does not matter where they go.
            if let Some(value) = self.constant(x[0]) {
                return Outcome::node(Full { shape: ty.shape.clone(), value }, &[]);
            }
        }
        match op {
            Op::Iota(iota) if ty.shape[iota.axis] == 1 => {
                Outcome::node(Full { shape: ty.shape.clone(), value: Scalar::zero(iota.dtype) }, &[])
            }
            Op::Reshape(_) | Op::Broadcast(_) if self.ty(x[0]) == ty => Ok(Outcome::Value(x[0])),
            Op::Reshape(r) => match self.made(x[0]) {
                (Op::Reshape(_), &[y]) => Outcome::node(r.clone(), &[y]),
                _ => Ok(Outcome::Keep),
            },
            Op::Broadcast(b) => match self.made(x[0]) {
                (Op::Broadcast(_), &[y]) => Outcome::node(b.clone(), &[y]),
                _ => Ok(Outcome::Keep),
            },
            Op::Slice(s) => self.slice(s, x[0], ty),
            Op::Reverse(r) => self.reverse(r, x[0]),
            Op::Pad(p) => self.pad(p, x, ty),
            Op::Concat(c) => self.concat(c, x, ty),
            _ => Ok(Outcome::Keep),
        }
    }

    pub(super) fn transpose(
        &mut self,
        t: &Transpose,
        x: &Operands,
        ty: &TensorType,
        last: &[bool],
    ) -> Result<Outcome> {
        let x = x[0];
        if let Some(value) = self.constant(x) {
            return Outcome::node(Full { shape: ty.shape.clone(), value }, &[]);
        }
        let from = self.ty(x).shape.clone();
        // Axes of size 1 may be anywhere.
        if t.perm.iter().filter(|&&k| from[k] != 1).is_sorted() {
            return Outcome::node(Reshape { shape: ty.shape.clone() }, &[x]);
        }
        match self.made(x) {
            (Op::Transpose(inner), &[y]) => {
                let perm = t.perm.iter().map(|&k| inner.perm[k]).collect();
                Outcome::node(Transpose { perm }, &[y])
            }
            // (A B)^T = B^T A^T, when nothing else needs the product itself.
            (Op::MatMul(m), &[a, b])
                if last == [true]
                    && is_swap(&t.perm)
                    && self.ty(a).shape.rank() == self.ty(b).shape.rank() =>
            {
                let swapped = MatMul { transpose_a: !m.transpose_b, transpose_b: !m.transpose_a };
                Outcome::node(swapped, &[b, a])
            }
            _ => Ok(Outcome::Keep),
        }
    }

    fn slice(&mut self, s: &Slice, x: Value, ty: &TensorType) -> Result<Outcome> {
        let from = self.ty(x).shape.clone();
        // Equal shapes leave room for nothing else than the whole.
        if from == ty.shape {
            return Ok(Outcome::Value(x));
        }
        match self.made(x) {
            (Op::Slice(inner), &[y]) if ty.shape.numel() > 0 => {
                let (mut start, mut limit, mut stride) = (SmallVec::new(), SmallVec::new(), SmallVec::new());
                for k in 0..from.rank() {
                    let step = inner.stride[k] * s.stride[k];
                    let first = inner.start[k] + inner.stride[k] * s.start[k];
                    start.push(first);
                    limit.push(first + (ty.shape[k] - 1) * step + 1);
                    stride.push(step);
                }
                Outcome::node(Slice { start, limit, stride }, &[y])
            }
            (Op::Concat(c), parts) => {
                // A window that lies in one part is a window of that part.
                let (axis, mut before) = (c.axis, 0);
                for &part in parts {
                    let size = self.ty(part).shape[axis];
                    let (from, to) = (s.start[axis], s.limit[axis]);
                    if from >= before && to <= before + size && from < to {
                        let mut s = s.clone();
                        s.start[axis] -= before;
                        s.limit[axis] -= before;
                        return Outcome::node(s, &[part]);
                    }
                    before += size;
                }
                Ok(Outcome::Keep)
            }
            _ => Ok(Outcome::Keep),
        }
    }

    fn reverse(&mut self, r: &Reverse, x: Value) -> Result<Outcome> {
        let shape = &self.ty(x).shape;
        let mut axes: SmallVec<[usize; 6]> = r.axes.iter().copied().filter(|&k| shape[k] > 1).collect();
        let (mut x, mut changed) = (x, axes.len() < r.axes.len());
        if let (Op::Reverse(inner), &[y]) = self.made(x) {
            let both: SmallVec<[usize; 6]> =
                inner.axes.iter().copied().filter(|k| axes.contains(k)).collect();
            axes.extend(inner.axes.iter().copied());
            axes.retain(|k| !both.contains(k));
            axes.sort_unstable();
            (x, changed) = (y, true);
        }
        match (axes.is_empty(), changed) {
            (true, _) => Ok(Outcome::Value(x)),
            (false, true) => Outcome::node(Reverse { axes }, &[x]),
            (false, false) => Ok(Outcome::Keep),
        }
    }

    fn pad(&mut self, p: &Pad, x: &Operands, ty: &TensorType) -> Result<Outcome> {
        let none = p.low.iter().chain(&p.high).all(|&n| n == 0)
            && p.interior.iter().zip(self.ty(x[0]).shape.iter()).all(|(&n, &d)| n == 0 || d <= 1);
        if none {
            return Ok(Outcome::Value(x[0]));
        }
        match (self.constant(x[0]), self.constant(x[1])) {
            (Some(a), Some(b)) if a == b => Outcome::node(Full { shape: ty.shape.clone(), value: a }, &[]),
            _ => Ok(Outcome::Keep),
        }
    }

    fn concat(&mut self, c: &Concat, x: &Operands, ty: &TensorType) -> Result<Outcome> {
        let parts: Operands = x.iter().copied().filter(|&v| self.ty(v).shape[c.axis] > 0).collect();
        match parts.as_slice() {
            [] => return Ok(Outcome::Keep),
            [only] => return Ok(Outcome::Value(*only)),
            _ => {}
        }
        let first = self.constant(parts[0]);
        if let Some(value) = first.filter(|_| parts.iter().all(|&v| self.constant(v) == first)) {
            return Outcome::node(Full { shape: ty.shape.clone(), value }, &[]);
        }
        if parts.len() < x.len() { Outcome::node(c.clone(), &parts) } else { Ok(Outcome::Keep) }
    }

    pub(super) fn cast(&mut self, op: &Op, x: &Operands) -> Result<Outcome> {
        let x = x[0];
        let from = self.ty(x).dtype;
        match (op, self.made(x)) {
            (Op::Cast(to) | Op::Bitcast(to), _) if *to == from => Ok(Outcome::Value(x)),
            (Op::Cast(to), (Op::Full(full), _)) => {
                Outcome::node(Full { shape: full.shape.clone(), value: full.value.cast(*to) }, &[])
            }
            (Op::Cast(to), (Op::Cast(_), &[y])) if skips(self.ty(y).dtype, from, *to) => {
                Outcome::node(Op::Cast(*to), &[y])
            }
            // Fewer elements to convert.
            (Op::Cast(to), (Op::Broadcast(b), &[y])) => {
                let (to, b) = (*to, b.clone());
                let y = self.add(Op::Cast(to), &[y])?;
                Outcome::node(b, &[y])
            }
            (Op::Bitcast(to), (Op::Bitcast(_), &[y])) => Outcome::node(Op::Bitcast(*to), &[y]),
            _ => Ok(Outcome::Keep),
        }
    }
}

/// Whether the permutation swaps the last two axes.
pub(super) fn is_swap(perm: &[usize]) -> bool {
    let n = perm.len();
    n >= 2 && perm[n - 2..] == [n - 1, n - 2] && perm[..n - 2].iter().enumerate().all(|(i, &k)| i == k)
}

/// Whether a cast from `a` to `c` by way of `b` is the cast from `a` to `c`.
fn skips(a: DType, b: DType, c: DType) -> bool {
    let through_float = a.is_int() && b.is_float() && !c.is_float();
    embeds(a, b) && (!through_float || a == c || c == DType::Bool)
}

/// Whether every value of `a` is one of `b`.
fn embeds(a: DType, b: DType) -> bool {
    // Bits of an integer that the dtype holds exactly.
    let mantissa = |d: DType| match d {
        DType::F16 => 11,
        DType::BF16 => 8,
        DType::F32 => 24,
        _ => 53,
    };
    let bits = |d: DType| 8 * d.size();
    match (a.class(), b.class()) {
        (Class::Bool, _) => true,
        (_, Class::Bool) => a == b,
        (Class::Unsigned, Class::Unsigned) | (Class::Signed, Class::Signed) => bits(a) <= bits(b),
        (Class::Unsigned, Class::Signed) => bits(a) < bits(b),
        (Class::Signed, Class::Unsigned) | (Class::Float, Class::Unsigned | Class::Signed) => false,
        // float16's exponents reach to 2^15 only.
        (Class::Unsigned, Class::Float) => bits(a) <= mantissa(b),
        (Class::Signed, Class::Float) => bits(a) - 1 <= mantissa(b),
        (Class::Float, Class::Float) => a == b || (bits(a) < bits(b)),
    }
}
