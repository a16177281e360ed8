//! The gradient of a scan: a scan in the other direction.
//!
//! The body and its gradient are made in one graph and cut in two. Where the gradient needs a value of the
//! forward body, it reads it from the sequences and constants if it can be computed from them cheaply (what
//! does not depend on the carry is hoisted out of both loops later); otherwise the forward scan is replaced
//! by one that also returns that value of every step.

use std::sync::Arc;

use crate::op::{Ew, Scan, VjpContext};
use crate::{Graph, Op, Result, Scalar, TensorType, Value, autodiff};

pub(super) fn scan(scan: &Scan, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
    let joint = Joint::new(scan, cx)?;
    let residuals = Residuals::find(scan, &joint);
    let saved = save(scan, cx, &joint, &residuals)?;
    joint.backward(scan, cx, &residuals, &saved)
}

/// The body and its gradient in one graph.
struct Joint {
    graph: Graph,
    /// The body's inputs: carry, slices, constants.
    inputs: Vec<Value>,
    /// The gradient with respect to each of them, where wanted and not zero.
    gradients: Vec<Option<Value>>,
    /// The carry with a cotangent, and that cotangent.
    carry: Vec<(usize, Value)>,
    /// The results per step with a cotangent, and that cotangent.
    ys: Vec<(usize, Value)>,
}

impl Joint {
    fn new(scan: &Scan, cx: &VjpContext<'_>) -> Result<Self> {
        let body = &*scan.body;
        let inputs: Vec<Value> = body.input_values().collect();
        // A carry that depends on an input with a gradient has one as well.
        let mut wanted: Vec<bool> = cx.needed.to_vec();
        loop {
            let sources: Vec<Value> = select(&inputs, &wanted);
            let dependent = autodiff::depends(body, &body.outputs[..scan.carry], &sources);
            let mut changed = false;
            for (wanted, dependent) in wanted.iter_mut().zip(dependent) {
                changed |= dependent && !*wanted;
                *wanted |= dependent;
            }
            if !changed {
                break;
            }
        }
        let mut graph = body.clone();
        let mut cotangent = |i: usize| (i, graph.input(body.ty(body.outputs[i]).clone()));
        let carry: Vec<(usize, Value)> = (0..scan.carry).filter(|&i| wanted[i]).map(&mut cotangent).collect();
        let ys: Vec<(usize, Value)> = (scan.carry..body.outputs.len())
            .filter(|&i| cx.cotangents[i].is_some())
            .map(&mut cotangent)
            .collect();
        let targets: Vec<_> = carry.iter().chain(&ys).map(|&(i, c)| (body.outputs[i], Some(c))).collect();
        let sources = select(&inputs, &wanted);
        let mut found = autodiff::gradient(&mut graph, &targets, &sources)?.into_iter();
        let gradients = wanted.iter().map(|&w| if w { found.next().flatten() } else { None }).collect();
        Ok(Self { graph, inputs, gradients, carry, ys })
    }

    /// Cuts out the backward body and appends its scan.
    fn backward(
        mut self,
        scan: &Scan,
        cx: &mut VjpContext<'_>,
        residuals: &Residuals,
        saved: &[Value],
    ) -> Result<Vec<Option<Value>>> {
        let first_constant = scan.carry + scan.xs;
        let live = |range: std::ops::Range<usize>| -> Vec<(usize, Value)> {
            range.filter_map(|i| self.gradients[i].map(|g| (i, g))).collect()
        };
        let (slices, constants) = (live(scan.carry..first_constant), live(first_constant..self.inputs.len()));
        let mut parameters: Vec<Value> = self.carry.iter().map(|c| c.1).collect();
        let mut operands = Vec::new();
        let mut outputs = Vec::new();
        for &(i, _) in &self.carry {
            operands.push(match cx.cotangents[i] {
                Some(cotangent) => cotangent,
                None => cx.graph.scalar_like(cx.outputs[i], 0.0)?,
            });
            outputs.push(match self.gradients[i] {
                Some(gradient) => gradient,
                None => zeros(&mut self.graph, &scan.body.ty(self.inputs[i]).clone())?,
            });
        }
        for &(i, gradient) in &constants {
            let ty = scan.body.ty(self.inputs[i]).clone();
            operands.push(zeros(cx.graph, &ty)?);
            let total = self.graph.input(ty);
            parameters.push(total);
            outputs.push(self.graph.elementwise(Ew::Add, &[total, gradient])?);
        }
        let carry = operands.len();
        outputs.extend(slices.iter().map(|s| s.1));
        parameters.extend(self.ys.iter().map(|y| y.1));
        operands.extend(self.ys.iter().filter_map(|&(i, _)| cx.cotangents[i]));
        for &i in &residuals.slices {
            parameters.push(self.inputs[i]);
            operands.push(cx.inputs[i]);
        }
        parameters.extend(&residuals.saved);
        operands.extend(saved);
        let xs = operands.len() - carry;
        for &i in &residuals.constants {
            parameters.push(self.inputs[i]);
            operands.push(cx.inputs[i]);
        }
        let body = Arc::new(self.graph.extract(&parameters, &outputs)?);
        let op = Scan { body, carry, xs, length: scan.length, reverse: !scan.reverse, blocks: None };
        let results = cx.graph.add(op, &operands)?;
        let order = self.carry.iter().chain(&constants).chain(&slices);
        let mut out = vec![None; cx.inputs.len()];
        for (&(i, _), &result) in order.zip(&results) {
            out[i] = cx.needed[i].then_some(result);
        }
        Ok(out)
    }
}

fn zeros(graph: &mut Graph, ty: &TensorType) -> Result<Value> {
    graph.full(ty.shape.clone(), Scalar::zero(ty.dtype))
}

fn select(values: &[Value], wanted: &[bool]) -> Vec<Value> {
    values.iter().zip(wanted).filter(|(_, w)| **w).map(|(&v, _)| v).collect()
}

/// What the gradient reads of the forward body.
#[derive(Default)]
struct Residuals {
    /// Slices of sequences, by number of the body's input.
    slices: Vec<usize>,
    /// Constants, by number of the body's input.
    constants: Vec<usize>,
    /// Values of the forward body that have to be saved.
    saved: Vec<Value>,
}

/// On what a value of the forward body depends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Varies {
    Never,
    WithSequences,
    WithCarry,
}

impl Residuals {
    /// Walks from the gradients back to the forward body.
    fn find(scan: &Scan, joint: &Joint) -> Self {
        let graph = &joint.graph;
        let mut varies: Vec<Option<Varies>> = vec![None; graph.len()];
        for (i, input) in joint.inputs.iter().enumerate() {
            varies[input.node.0 as usize] = Some(match i {
                i if i < scan.carry => Varies::WithCarry,
                i if i < scan.carry + scan.xs => Varies::WithSequences,
                _ => Varies::Never,
            });
        }
        for id in graph.order(scan.body.outputs.iter().copied()) {
            let operands = graph.node(id).inputs.iter();
            let most = operands.filter_map(|&v| varies[graph.resolve(v).node.0 as usize]).max();
            varies[id.0 as usize].get_or_insert(most.unwrap_or(Varies::Never));
        }
        let mut seen = rustc_hash::FxHashSet::default();
        let mut found = Self::default();
        let mut stack: Vec<Value> = joint.gradients.iter().rev().flatten().copied().collect();
        while let Some(value) = stack.pop() {
            let value = graph.resolve(value);
            if !seen.insert(value) {
                continue;
            }
            let node = graph.node(value.node);
            let is_input = matches!(node.op, Op::Input(_));
            match varies[value.node.0 as usize] {
                Some(_) if is_input => {
                    let number = joint.inputs.iter().position(|&v| v == value).unwrap_or_default();
                    match number {
                        i if i < scan.carry => found.saved.push(value),
                        i if i < scan.carry + scan.xs => found.slices.push(number),
                        _ => found.constants.push(number),
                    }
                }
                Some(varies) if !again(&node.op, varies) => found.saved.push(value),
                _ => stack.extend(node.inputs.iter().rev()),
            }
        }
        found.slices.sort_unstable();
        found.constants.sort_unstable();
        found.saved.sort_unstable();
        found
    }
}

/// Whether the backward body computes a value of the forward body again: what never varies, views, and
/// light work on the sequences.
fn again(op: &Op, varies: Varies) -> bool {
    let light = matches!(
        op,
        Op::Elementwise(_)
            | Op::Cast(_)
            | Op::Bitcast(_)
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Concat(_)
            | Op::Reverse(_)
    );
    match varies {
        Varies::Never => true,
        Varies::WithSequences => light || matches!(op, Op::Reshape(_) | Op::Broadcast(_)),
        Varies::WithCarry => matches!(op, Op::Reshape(_) | Op::Broadcast(_)),
    }
}

/// The sequences of the saved values; replaces the scan by one that returns them.
fn save(scan: &Scan, cx: &mut VjpContext<'_>, joint: &Joint, residuals: &Residuals) -> Result<Vec<Value>> {
    let body = &*scan.body;
    let returned: Vec<Value> = body.outputs[scan.carry..].iter().map(|&v| joint.graph.resolve(v)).collect();
    let already = |v: &Value| returned.iter().position(|r| r == v).map(|i| cx.outputs[scan.carry + i]);
    let missing: Vec<Value> = residuals.saved.iter().copied().filter(|v| already(v).is_none()).collect();
    let mut extra = Vec::new();
    if !missing.is_empty() {
        let outputs: Vec<Value> = body.outputs.iter().chain(&missing).copied().collect();
        let mut longer = joint.graph.extract(&joint.inputs, &outputs)?;
        longer.donations = body.donations.clone();
        let op = Scan { body: Arc::new(longer), ..scan.clone() };
        let results = cx.graph.add(op, cx.inputs)?;
        let (same, more) = results.split_at(cx.outputs.len());
        for (&old, &new) in cx.outputs.iter().zip(same) {
            cx.graph.replace(old, new);
        }
        extra = more.to_vec();
    }
    let mut extra = extra.into_iter();
    Ok(residuals.saved.iter().filter_map(|v| already(v).or_else(|| extra.next())).collect())
}
