//! One spelling for equal expressions: movements that do nothing or undo each other, arithmetic
//! identities, constants folded.
//!
//! Rules hold for every value, NaN, infinities and signed zeros included (`x + 0` stays: it turns -0 into
//! 0). Where a rule changes rounding (a small power as products) the result is as accurate as before.
//!
//! Nodes are rebuilt in order, so the operands of a node are canonical when its rules are tried; rules are
//! tried again on what they return.

mod arithmetic;
mod linear;
mod movement;

use smallvec::SmallVec;

use super::rewrite::{Rewrite, use_counts};
use crate::infer::infer;
use crate::op::{Full, Types};
use crate::{Error, Graph, Node, Op, Result, Scalar, Shape, TensorType, Value};

/// Operands of a node.
type Operands = SmallVec<[Value; 3]>;

/// What a rule makes of a node with one output.
#[expect(clippy::large_enum_variant, reason = "taken apart as soon as it is made")]
enum Outcome {
    /// Nothing to simplify.
    Keep,
    /// An existing value equals it.
    Value(Value),
    /// Another node equals it, to which rules may apply again.
    Node(Op, Operands),
}

impl Outcome {
    fn node(op: impl Into<Op>, operands: &[Value]) -> Result<Self> {
        Ok(Self::Node(op.into(), operands.into()))
    }
}

/// A graph being rebuilt.
struct Canonicaliser<'g> {
    out: Rewrite,
    old: &'g Graph,
    uses: Vec<SmallVec<[u32; 1]>>,
}

/// The graph with every node in its canonical spelling; what has become unused is still there.
pub(super) fn run(graph: &Graph) -> Result<Graph> {
    let mut this = Canonicaliser { out: Rewrite::new(graph), old: graph, uses: use_counts(graph) };
    for (id, node) in graph.nodes() {
        if matches!(node.op, Op::Input(_)) {
            continue;
        }
        let operands = this.out.operands(node)?;
        if let [ty] = node.types.as_slice() {
            let last = node.inputs.iter().map(|&v| this.is_last_use(v)).collect::<SmallVec<[bool; 3]>>();
            let value = this.single(node.op.clone(), operands, ty, &last)?;
            this.out.set(super::only(id), value);
        } else {
            let values = this.several(&node.op, operands, &node.types)?;
            for (index, value) in values.into_iter().enumerate() {
                this.out.set(Value { node: id, index: index as u32 }, value);
            }
        }
    }
    this.out.finish(graph)
}

/// Rules that need that many steps go round in circles.
const MAX_STEPS: usize = 64;

impl Canonicaliser<'_> {
    /// Whether the old value is used once.
    fn is_last_use(&self, old: Value) -> bool {
        debug_assert!(self.old.len() > old.node.0 as usize);
        self.uses[old.node.0 as usize][old.index as usize] == 1
    }

    /// A node with one output of type `ty`, simplified. `last` says which operands nothing else uses.
    fn single(
        &mut self,
        mut op: Op,
        mut operands: Operands,
        ty: &TensorType,
        last: &[bool],
    ) -> Result<Value> {
        for step in 0..MAX_STEPS {
            let last = if step == 0 { last } else { &[] };
            match self.simplify(&op, &mut operands, ty, last)? {
                Outcome::Keep => {
                    let node = Node { op, inputs: operands, types: smallvec::smallvec![ty.clone()] };
                    return Ok(super::only(self.out.graph.push_node(node)));
                }
                Outcome::Value(value) => {
                    if self.ty(value) != ty {
                        let message = format!("canonicalise: {} became {:?}", op.name(), self.ty(value));
                        return Err(Error::Internal(message));
                    }
                    return Ok(value);
                }
                Outcome::Node(new, inputs) => {
                    op = new;
                    operands = inputs;
                }
            }
        }
        Err(Error::Internal(format!("canonicalise: {} has no canonical spelling", op.name())))
    }

    /// A node on the way, whose type follows from its operands; simplified too.
    fn add(&mut self, op: impl Into<Op>, operands: &[Value]) -> Result<Value> {
        let op = op.into();
        let types: SmallVec<[TensorType; 3]> = operands.iter().map(|&v| self.ty(v).clone()).collect();
        let types = infer(&op, &types)?;
        match types.as_slice() {
            [ty] => self.single(op, operands.into(), ty, &[]),
            _ => Err(Error::Internal(format!("canonicalise: {} has several outputs", op.name()))),
        }
    }

    fn simplify(&mut self, op: &Op, x: &mut Operands, ty: &TensorType, last: &[bool]) -> Result<Outcome> {
        match op {
            Op::Elementwise(ew) => self.elementwise(*ew, x, ty),
            Op::Cast(_) | Op::Bitcast(_) => self.cast(op, x),
            Op::Reduce(r) => self.reduce(r, x, ty),
            Op::MatMul(m) => self.matmul(m, x, ty),
            Op::Transpose(t) => self.transpose(t, x, ty, last),
            Op::Cond(_) => {
                Ok(match self.several(op, x.clone(), &smallvec::smallvec![ty.clone()])?.as_slice() {
                    [value] => Outcome::Value(*value),
                    _ => Outcome::Keep,
                })
            }
            _ => self.movement(op, x, ty),
        }
    }

    /// A node with several outputs.
    fn several(&mut self, op: &Op, operands: Operands, types: &Types) -> Result<SmallVec<[Value; 1]>> {
        if let (Op::Cond(cond), Some(predicate)) = (op, operands.first().and_then(|&p| self.constant(p))) {
            let branch = if predicate.as_f64() != 0.0 { &cond.then } else { &cond.otherwise };
            return self.inline(branch, &operands[1..]);
        }
        let node = self.out.graph.push_node(Node { op: op.clone(), inputs: operands, types: types.clone() });
        Ok((0..types.len() as u32).map(|index| Value { node, index }).collect())
    }

    /// The nodes of a sub-graph in place of its call.
    fn inline(&mut self, graph: &Graph, operands: &[Value]) -> Result<SmallVec<[Value; 1]>> {
        let mut values: Vec<SmallVec<[Value; 1]>> = Vec::with_capacity(graph.len());
        for (_, node) in graph.nodes() {
            let inputs: Operands =
                node.inputs.iter().map(|v| values[v.node.0 as usize][v.index as usize]).collect();
            values.push(match (&node.op, node.types.as_slice()) {
                (Op::Input(n), _) => SmallVec::from_elem(operands[*n as usize], 1),
                (op, [ty]) => SmallVec::from_elem(self.single(op.clone(), inputs, ty, &[])?, 1),
                (op, _) => self.several(op, inputs, &node.types)?,
            });
        }
        Ok(graph.outputs.iter().map(|v| values[v.node.0 as usize][v.index as usize]).collect())
    }

    fn ty(&self, v: Value) -> &TensorType {
        self.out.graph.ty(v)
    }

    /// The op that makes a value, and its operands.
    fn made(&self, v: Value) -> (&Op, &[Value]) {
        let node = self.out.graph.node(v.node);
        (&node.op, &node.inputs)
    }

    /// The value of every element, if it is known.
    fn constant(&self, v: Value) -> Option<Scalar> {
        match self.made(v).0 {
            Op::Full(full) => Some(full.value),
            _ => None,
        }
    }

    fn full(&mut self, shape: &Shape, value: Scalar) -> Result<Value> {
        self.add(Full { shape: shape.clone(), value }, &[])
    }
}

#[cfg(test)]
mod tests;
