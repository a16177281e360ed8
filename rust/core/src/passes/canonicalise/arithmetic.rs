//! Rules for element-wise ops.

use smallvec::SmallVec;

use super::{Canonicaliser, Operands, Outcome};
use crate::op::{Broadcast, Ew, Full};
use crate::{DType, Op, Result, Scalar, Shape, TensorType, Value};

impl Canonicaliser<'_> {
    pub(super) fn elementwise(&mut self, ew: Ew, x: &mut Operands, ty: &TensorType) -> Result<Outcome> {
        let constants: Option<SmallVec<[Scalar; 3]>> = x.iter().map(|&v| self.constant(v)).collect();
        if let Some(constants) = constants {
            return Outcome::node(Full { shape: ty.shape.clone(), value: ew.fold(&constants) }, &[]);
        }
        // Constants come last, other operands in the order in which they are made.
        if ew.is_commutative()
            && (self.constant(x[0]).is_some(), x[0]) > (self.constant(x[1]).is_some(), x[1])
        {
            x.swap(0, 1);
        }
        if let Some(small) = self.before_broadcast(x) {
            return self.broadcast_after(ew, x, &small, ty);
        }
        match *x.as_slice() {
            [a] => self.unary(ew, a),
            [a, b] => self.binary(ew, a, b, ty),
            [c, a, b] => self.select(c, a, b),
            _ => Ok(Outcome::Keep),
        }
    }

    /// The shape of what all operands (but constants) are broadcast from.
    fn before_broadcast(&self, x: &[Value]) -> Option<Shape> {
        let mut small: Option<&Shape> = None;
        for &v in x.iter().filter(|&&v| self.constant(v).is_none()) {
            let (Op::Broadcast(_), &[y]) = self.made(v) else { return None };
            let shape = &self.ty(y).shape;
            if small.is_some_and(|s| s != shape) {
                return None;
            }
            small = Some(shape);
        }
        small.cloned()
    }

    /// The op on the smaller tensors, then one broadcast.
    fn broadcast_after(&mut self, ew: Ew, x: &[Value], small: &Shape, ty: &TensorType) -> Result<Outcome> {
        let mut operands = Operands::new();
        for &v in x {
            operands.push(match self.constant(v) {
                Some(value) => self.full(small, value)?,
                None => self.made(v).1[0],
            });
        }
        let value = self.add(Op::Elementwise(ew), &operands)?;
        Outcome::node(Broadcast { shape: ty.shape.clone() }, &[value])
    }

    fn ew(&mut self, op: Ew, x: &[Value]) -> Result<Value> {
        self.add(Op::Elementwise(op), x)
    }

    /// The operand of a value made by `op`.
    fn operand_of(&self, op: Ew, v: Value) -> Option<Value> {
        match self.made(v) {
            (Op::Elementwise(made), &[x]) if *made == op => Some(x),
            _ => None,
        }
    }

    fn unary(&mut self, ew: Ew, x: Value) -> Result<Outcome> {
        let (Op::Elementwise(inner), operands) = self.made(x) else { return Ok(Outcome::Keep) };
        let operands: Operands = operands.into();
        match (ew, inner) {
            (Ew::Neg, Ew::Neg) | (Ew::LogicalNot, Ew::LogicalNot) | (Ew::BitwiseNot, Ew::BitwiseNot) => {
                Ok(Outcome::Value(operands[0]))
            }
            (Ew::Abs, Ew::Abs) | (Ew::Relu, Ew::Relu) | (Ew::Sign, Ew::Sign) => Ok(Outcome::Value(x)),
            (Ew::Floor | Ew::Ceil | Ew::Round | Ew::Trunc, Ew::Floor | Ew::Ceil | Ew::Round | Ew::Trunc) => {
                Ok(Outcome::Value(x))
            }
            (Ew::Abs | Ew::Square, Ew::Neg) | (Ew::Square, Ew::Abs) => {
                Outcome::node(Op::Elementwise(ew), &operands)
            }
            (Ew::LogicalNot, Ew::Eq) => Outcome::node(Op::Elementwise(Ew::Ne), &operands),
            (Ew::LogicalNot, Ew::Ne) => Outcome::node(Op::Elementwise(Ew::Eq), &operands),
            _ => Ok(Outcome::Keep),
        }
    }

    fn binary(&mut self, ew: Ew, a: Value, b: Value, ty: &TensorType) -> Result<Outcome> {
        if let Some(c) = self.constant(b) {
            let known = self.with_constant(ew, a, c, ty)?;
            if !matches!(known, Outcome::Keep) {
                return Ok(known);
            }
        }
        let dtype = self.ty(a).dtype;
        if a == b {
            match ew {
                Ew::Mul => return Outcome::node(Op::Elementwise(Ew::Square), &[a]),
                Ew::Max | Ew::Min | Ew::And | Ew::Or | Ew::BitAnd | Ew::BitOr => {
                    return Ok(Outcome::Value(a));
                }
                Ew::Sub if dtype.is_int() => {
                    return Outcome::node(Full { shape: ty.shape.clone(), value: Scalar::zero(dtype) }, &[]);
                }
                _ => {}
            }
        }
        let (minus_a, minus_b) = (self.operand_of(Ew::Neg, a), self.operand_of(Ew::Neg, b));
        match (ew, minus_a, minus_b) {
            (Ew::Add, _, Some(b)) => Outcome::node(Op::Elementwise(Ew::Sub), &[a, b]),
            (Ew::Add, Some(a), _) => Outcome::node(Op::Elementwise(Ew::Sub), &[b, a]),
            (Ew::Sub, _, Some(b)) => Outcome::node(Op::Elementwise(Ew::Add), &[a, b]),
            (Ew::Mul | Ew::Div, Some(a), Some(b)) if dtype.is_float() => {
                Outcome::node(Op::Elementwise(ew), &[a, b])
            }
            (Ew::Mul | Ew::Div, Some(a), None) if dtype.is_float() && self.constant(b).is_some() => {
                let b = self.ew(Ew::Neg, &[b])?;
                Outcome::node(Op::Elementwise(ew), &[a, b])
            }
            _ => Ok(Outcome::Keep),
        }
    }

    /// Second operand constant.
    fn with_constant(&mut self, ew: Ew, x: Value, c: Scalar, ty: &TensorType) -> Result<Outcome> {
        let dtype = self.ty(x).dtype;
        let float = dtype.is_float();
        let number = c.as_f64();
        let (zero, one) = (number == 0.0, number == 1.0);
        let minus_zero = zero && number.is_sign_negative();
        let same = Ok(Outcome::Value(x));
        let whole = |value| Outcome::node(Full { shape: ty.shape.clone(), value }, &[]);
        match ew {
            Ew::Add if minus_zero || (zero && !float) => same,
            Ew::Sub if zero && !minus_zero => same,
            Ew::Mul | Ew::Div if one => same,
            Ew::Mul if zero && !float => whole(c),
            Ew::Mul | Ew::Div if number == -1.0 && float => Outcome::node(Op::Elementwise(Ew::Neg), &[x]),
            Ew::Div if float => match power_of_two_reciprocal(number, dtype) {
                Some(r) => {
                    let c = self.full(&ty.shape, Scalar::from_f64(r, dtype))?;
                    Outcome::node(Op::Elementwise(Ew::Mul), &[x, c])
                }
                None => Ok(Outcome::Keep),
            },
            Ew::Max if float && number == f64::NEG_INFINITY => same,
            Ew::Min if float && number == f64::INFINITY => same,
            Ew::Shl | Ew::Shr | Ew::BitOr | Ew::BitXor if zero => same,
            Ew::And if one => same,
            Ew::And if zero => whole(c),
            Ew::Or if one => whole(c),
            Ew::Or | Ew::Xor if zero => same,
            Ew::Xor if one => Outcome::node(Op::Elementwise(Ew::LogicalNot), &[x]),
            Ew::Pow => self.power(x, number, ty),
            _ => Ok(Outcome::Keep),
        }
    }

    /// Small powers as products, roots as roots.
    fn power(&mut self, x: Value, exponent: f64, ty: &TensorType) -> Result<Outcome> {
        let float = ty.dtype.is_float();
        if exponent == 0.0 {
            return Outcome::node(Full { shape: ty.shape.clone(), value: Scalar::one(ty.dtype) }, &[]);
        }
        if exponent == 1.0 {
            return Ok(Outcome::Value(x));
        }
        if exponent == 2.0 {
            return Outcome::node(Op::Elementwise(Ew::Square), &[x]);
        }
        if exponent == 3.0 {
            let square = self.ew(Ew::Square, &[x])?;
            return Outcome::node(Op::Elementwise(Ew::Mul), &[square, x]);
        }
        if exponent == 4.0 {
            let square = self.ew(Ew::Square, &[x])?;
            return Outcome::node(Op::Elementwise(Ew::Square), &[square]);
        }
        if exponent == -1.0 && float {
            return Outcome::node(Op::Elementwise(Ew::Reciprocal), &[x]);
        }
        if exponent.abs() == 0.5 && float {
            // pow has +0 for -0 and inf for -inf, where the root has -0 and NaN.
            let (root, at_infinity) =
                if exponent > 0.0 { (Ew::Sqrt, f64::INFINITY) } else { (Ew::Rsqrt, 0.0) };
            let number = |n: f64| Scalar::from_f64(n, ty.dtype);
            let infinity = self.full(&ty.shape, number(f64::NEG_INFINITY))?;
            let at_infinity = self.full(&ty.shape, number(at_infinity))?;
            let zero = self.full(&ty.shape, number(0.0))?;
            let is_infinity = self.ew(Ew::Eq, &[x, infinity])?;
            let x = self.ew(Ew::Add, &[x, zero])?;
            let root = self.ew(root, &[x])?;
            return Outcome::node(Op::Elementwise(Ew::Select), &[is_infinity, at_infinity, root]);
        }
        Ok(Outcome::Keep)
    }

    fn select(&mut self, c: Value, a: Value, b: Value) -> Result<Outcome> {
        if let Some(c) = self.constant(c) {
            return Ok(Outcome::Value(if c.as_f64() != 0.0 { a } else { b }));
        }
        if a == b {
            return Ok(Outcome::Value(a));
        }
        if let (Some(x), Some(y)) = (self.constant(a), self.constant(b)) {
            if x == y {
                return Ok(Outcome::Value(a));
            }
            if x.dtype() == DType::Bool {
                return if x.as_f64() != 0.0 {
                    Ok(Outcome::Value(c))
                } else {
                    Outcome::node(Op::Elementwise(Ew::LogicalNot), &[c])
                };
            }
        }
        if let Some(c) = self.operand_of(Ew::LogicalNot, c) {
            return Outcome::node(Op::Elementwise(Ew::Select), &[c, b, a]);
        }
        // Where the same condition has been decided already.
        let decided = |v: Value, branch: usize| match self.made(v) {
            (Op::Elementwise(Ew::Select), x) if x[0] == c => x[branch],
            _ => v,
        };
        let (inner_a, inner_b) = (decided(a, 1), decided(b, 2));
        if (inner_a, inner_b) != (a, b) {
            return Outcome::node(Op::Elementwise(Ew::Select), &[c, inner_a, inner_b]);
        }
        Ok(Outcome::Keep)
    }
}

/// 1 / c, if division by c is multiplication by that.
fn power_of_two_reciprocal(c: f64, dtype: DType) -> Option<f64> {
    let largest = match dtype {
        DType::F16 => 14,
        DType::BF16 | DType::F32 => 126,
        _ => 1022,
    };
    let exponent = ((c.to_bits() >> 52) & 0x7FF) as i64 - 1023;
    let is_power = c.to_bits() << 12 == 0 && c.is_normal();
    (is_power && exponent.abs() <= largest).then_some(1.0 / c)
}
