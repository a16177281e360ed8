//! Keras's promotion of dtypes and Python numbers.
//!
//! The lattice is JAX's (jax.readthedocs.io, "Type promotion semantics"), which Keras adopted: Python numbers
//! are weak, so they sit below every dtype of their kind. Unlike Keras on JAX, 64-bit results stay 64-bit.

use crate::DType;

/// What takes part in a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A tensor.
    Typed(DType),
    /// A Python bool.
    WeakBool,
    /// A Python int.
    WeakInt,
    /// A Python float.
    WeakFloat,
}

/// A node of the lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Typed(DType),
    Int,
    Float,
}

impl Node {
    /// The next higher nodes.
    const fn above(self) -> &'static [Self] {
        use DType::*;
        use Node::{Float, Int, Typed};
        match self {
            Typed(Bool) => &[Int],
            Int => &[Typed(U8), Typed(I8)],
            Typed(U8) => &[Typed(I16), Typed(U16)],
            Typed(U16) => &[Typed(I32), Typed(U32)],
            Typed(U32) => &[Typed(I64), Typed(U64)],
            Typed(I8) => &[Typed(I16)],
            Typed(I16) => &[Typed(I32)],
            Typed(I32) => &[Typed(I64)],
            Typed(U64) | Typed(I64) => &[Float],
            Float => &[Typed(BF16), Typed(F16)],
            Typed(BF16) | Typed(F16) => &[Typed(F32)],
            Typed(F32) => &[Typed(F64)],
            Typed(F64) => &[],
        }
    }

    /// Whether this is `other` or below it.
    fn is_below(self, other: Self) -> bool {
        self == other || self.above().iter().any(|next| next.is_below(other))
    }
}

/// Least upper bound; the lattice has one for any two nodes.
fn join(a: Node, b: Node) -> Node {
    if a.is_below(b) {
        return b;
    }
    // Breadth first from a: the first node that b is below has no such node under it.
    let mut level = vec![a];
    while !level.is_empty() {
        if let Some(&found) = level.iter().find(|n| b.is_below(**n)) {
            return found;
        }
        level = level.iter().flat_map(|n| n.above()).copied().collect();
    }
    Node::Typed(DType::F64)
}

/// The dtype in which operands meet. Weak results take the precision of `floatx`: a lone Python float is of
/// that dtype, a lone Python int of the integer dtype of its size. No operands: `floatx`.
pub fn result_type(operands: &[Operand], floatx: DType) -> DType {
    let integer = match floatx.size() {
        2 => DType::I16,
        4 => DType::I32,
        _ => DType::I64,
    };
    let node = |operand: &Operand| match *operand {
        Operand::Typed(dtype) => Node::Typed(dtype),
        Operand::WeakBool => Node::Typed(DType::Bool),
        Operand::WeakInt => Node::Int,
        Operand::WeakFloat => Node::Float,
    };
    match operands.iter().map(node).reduce(join) {
        None | Some(Node::Float) => floatx,
        Some(Node::Int) => integer,
        Some(Node::Typed(dtype)) => dtype,
    }
}

#[cfg(test)]
mod tests {
    use super::Operand::{Typed, WeakBool, WeakFloat, WeakInt};
    use super::*;
    use DType::*;

    #[test]
    fn examples_from_keras() {
        let table = [
            (&[Typed(I8), Typed(U8)][..], I16),
            (&[Typed(U8), WeakInt], U8),
            (&[Typed(Bool), WeakInt], I32),
            (&[Typed(Bool), WeakBool], Bool),
            (&[Typed(I32), WeakFloat], F32),
            (&[Typed(I64), Typed(U64)], F32),
            (&[Typed(I64), Typed(F16)], F16),
            (&[Typed(BF16), Typed(F16)], F32),
            (&[Typed(BF16), WeakFloat], BF16),
            (&[Typed(U32), Typed(I32)], I64),
            (&[Typed(U32), Typed(I8)], I64),
            (&[Typed(U16), Typed(I8)], I32),
            (&[Typed(F32), Typed(F64)], F64),
            (&[WeakInt, WeakFloat], F32),
            (&[WeakInt], I32),
            (&[], F32),
            (&[Typed(I8), Typed(U8), Typed(U16)], I32),
            (&[Typed(U64), WeakInt], U64),
        ];
        for (operands, expected) in table {
            assert_eq!(result_type(operands, F32), expected, "{operands:?}");
        }
        assert_eq!(result_type(&[WeakFloat, Typed(I32)], F16), F16);
        assert_eq!(result_type(&[WeakInt], F64), I64);
    }

    /// join is commutative, associative and an upper bound: with that it is the lattice's.
    #[test]
    fn join_is_a_least_upper_bound() {
        let nodes: Vec<Node> =
            DType::ALL.into_iter().map(Node::Typed).chain([Node::Int, Node::Float]).collect();
        for &a in &nodes {
            for &b in &nodes {
                let c = join(a, b);
                assert_eq!(c, join(b, a));
                assert!(a.is_below(c) && b.is_below(c));
                for &other in &nodes {
                    assert!(!(a.is_below(other) && b.is_below(other)) || c.is_below(other), "{a:?} {b:?}");
                    assert_eq!(join(join(a, b), other), join(a, join(b, other)));
                }
            }
        }
    }
}
