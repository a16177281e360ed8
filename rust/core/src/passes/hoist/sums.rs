//! Carries that are sums over all steps.
//!
//! Where products stay in the loop the sums do too, but only of what is not linear: the rest is done once,
//! on the sum. Elsewhere they become contractions over time and batch after the loop.

use smallvec::SmallVec;

use super::Loop;
use super::vectorise::{Lifted, contract, is_zero};
use crate::op::{Ew, Reduce, ReduceKind};
use crate::passes::only;
use crate::shape::Dims;
use crate::{Op, Result, Value};

/// Sums of whole values (not of products) are taken out only if the values are this small, in bytes: each
/// step's is kept until the end.
const SMALL: usize = 4096;

/// Sums are looked into this deep.
const MAX_DEPTH: usize = 32;

impl Loop<'_, '_> {
    /// For each carry the sum that it is, if it is one.
    pub(super) fn sums(&mut self) -> Result<Vec<Option<Value>>> {
        let running = self.running_sums();
        let mut sums = Vec::new();
        for i in 0..self.scan.carry {
            let terms = if self.used[i] { self.terms(i, &running) } else { None };
            sums.push(match terms {
                Some(terms) => self.total(i, &terms)?,
                None => None,
            });
        }
        Ok(sums)
    }

    fn uses(&self, v: Value) -> u32 {
        self.uses[v.node.0 as usize][v.index as usize]
    }

    /// For each node the carry of which it is the running sum: the carry, with something added, each of
    /// these used only once.
    fn running_sums(&self) -> Vec<Option<u32>> {
        let mut running: Vec<Option<u32>> = Vec::with_capacity(self.body.len());
        for (id, node) in self.body.nodes() {
            let of = |v: Value, running: &[Option<u32>]| running[v.node.0 as usize];
            let sum = match (&node.op, node.inputs.as_slice()) {
                (Op::Input(n), _) => Some(*n).filter(|&n| (n as usize) < self.scan.carry),
                (Op::Elementwise(Ew::Add), &[a, b]) => of(a, &running).or(of(b, &running)),
                (Op::Elementwise(Ew::Sub), &[a, _]) => of(a, &running),
                _ => None,
            };
            running.push(sum.filter(|_| self.uses(only(id)) == 1));
        }
        running
    }

    /// What is added to carry `i` (and whether it is subtracted), if nothing else happens to it.
    fn terms(&self, i: usize, running: &[Option<u32>]) -> Option<Vec<(Value, bool)>> {
        let is_sum = |v: Value| running[v.node.0 as usize] == Some(i as u32);
        let mut at = self.body.outputs[i];
        let mut terms = Vec::new();
        while is_sum(at) && at != self.input(i) {
            let node = self.body.node(at.node);
            let &[a, b] = node.inputs.as_slice() else { return None };
            let (sum, term) = if is_sum(a) { (a, b) } else { (b, a) };
            terms.push((term, node.op == Op::Elementwise(Ew::Sub)));
            at = sum;
        }
        (at == self.input(i) && !terms.is_empty()).then_some(terms)
    }

    /// The initial carry plus the sum over all steps of all terms.
    fn total(&mut self, i: usize, terms: &[(Value, bool)]) -> Result<Option<Value>> {
        let init = self.operands[i];
        let mut sum =
            if is_zero(self.outer, init) { None } else { Some(self.after.outer(self.outer, init)?) };
        for &(term, minus) in terms {
            let Some(total) = self.sum(term, 0)? else { return Ok(None) };
            let graph = &mut self.after.graph;
            sum = Some(match (sum, minus) {
                (Some(sum), false) => graph.add1(Op::Elementwise(Ew::Add), &[sum, total])?,
                (Some(sum), true) => graph.add1(Op::Elementwise(Ew::Sub), &[sum, total])?,
                (None, false) => total,
                (None, true) => graph.add1(Op::Elementwise(Ew::Neg), &[total])?,
            });
        }
        Ok(sum)
    }

    /// The sum of a value over all steps, computed after the loop; `None` if that does not pay.
    fn sum(&mut self, v: Value, depth: usize) -> Result<Option<Value>> {
        if depth > MAX_DEPTH {
            return Ok(None);
        }
        if self.is_zero(v) {
            return Ok(Some(self.value_after(v)?.value()));
        }
        let node = self.body.node(v.node);
        // Which operands the op is linear in, the others being the same at every step.
        let all: SmallVec<[usize; 4]> = (0..node.inputs.len()).collect();
        let linear: Option<&[usize]> = match (&node.op, node.inputs.as_slice()) {
            (Op::Elementwise(Ew::Add | Ew::Sub), _) if !self.inside => Some(&[0, 1]),
            (Op::Reduce(r), _) if self.inside && r.kind == ReduceKind::Sum => Some(&[0]),
            (Op::Elementwise(Ew::Neg), _) => Some(&[0]),
            (Op::Concat(_), _) => Some(&all),
            (Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Reverse(_), _) => Some(&[0]),
            (Op::Elementwise(Ew::Mul) | Op::MatMul(_), x) if self.is_same(x[0]) => Some(&[1]),
            (Op::Elementwise(Ew::Mul | Ew::Div) | Op::MatMul(_), x) if self.is_same(x[1]) => Some(&[0]),
            (Op::Pad(_), x) if self.is_zero(x[1]) => Some(&[0]),
            (Op::Cast(to), x) if to.is_float() && self.body.ty(x[0]).dtype.is_float() => Some(&[0]),
            _ => None,
        };
        if let Some(linear) = linear {
            let mut operands: SmallVec<[Value; 3]> = SmallVec::new();
            for (i, &x) in node.inputs.iter().enumerate() {
                operands.push(if linear.contains(&i) {
                    let Some(total) = self.sum(x, depth + 1)? else { return Ok(None) };
                    total
                } else {
                    self.value_after(x)?.value()
                });
            }
            return self.after.graph.add1(node.op.clone(), &operands).map(Some);
        }
        if self.inside && self.lifted(v).is_none() {
            return Ok(Some(self.after.total(self.body, v)));
        }
        if matches!(node.op, Op::Reduce(_) | Op::MatMul(_) | Op::ConvGradKernel(_) | Op::ScatterNd(_)) {
            let operands = node.inputs.iter().map(|&x| self.value_after(x));
            let operands = operands.collect::<Result<SmallVec<[Lifted; 3]>>>()?;
            if let Some(total) = contract(&mut self.after.graph, &node.op, &operands, self.scan.length)? {
                return Ok(Some(total));
            }
        }
        if self.body.ty(v).bytes() > SMALL {
            return Ok(None);
        }
        let steps = self.value_after(v)?.steps(&mut self.after.graph, self.scan.length)?;
        let axes: Dims = std::iter::once(0).collect();
        self.after.graph.add1(Reduce { kind: ReduceKind::Sum, axes }, &[steps]).map(Some)
    }

    /// Whether a value of the body is the same at every step.
    fn is_same(&self, v: Value) -> bool {
        matches!(self.lifted(v), Some(Lifted::Same(_)))
    }

    fn is_zero(&self, v: Value) -> bool {
        matches!(self.lifted(v), Some(Lifted::Same(x)) if is_zero(self.outer, x))
    }
}
