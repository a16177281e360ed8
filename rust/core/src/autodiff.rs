//! Reverse-mode differentiation of graphs, by one walk from targets to sources.
//!
//! What is common to all rules is done here: only nodes on a path from a source to a target are
//! differentiated, integers, bools and stop_gradient end a path, and contributions are added up.

mod windows;

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use crate::op::VjpContext;
use crate::{Error, Graph, NodeId, Op, Result, Scalar, Value};

/// Appends to `graph` the gradient of the sum of all targets, each weighted by its cotangent (`None`: ones),
/// with respect to each source. A source on which no target depends gives `None`.
///
/// The walk honours and adds [`Graph::replacements`]. Its cost is linear in the nodes that the targets need.
pub fn gradient(
    graph: &mut Graph,
    targets: &[(Value, Option<Value>)],
    sources: &[Value],
) -> Result<Vec<Option<Value>>> {
    let sources: Vec<Value> = sources.iter().map(|&v| graph.resolve(v)).collect();
    let order = graph.order(targets.iter().map(|t| t.0));
    let paths = Paths::new(graph, &order, &sources);
    let mut cotangents = Cotangents { of: vec![SmallVec::new(); graph.len()] };
    for &(target, cotangent) in targets {
        let target = graph.resolve(target);
        if !paths.reaches(graph, target) {
            continue;
        }
        let cotangent = match cotangent {
            Some(given) => given,
            None => graph.full(graph.shape(target).clone(), Scalar::one(graph.dtype(target)))?,
        };
        cotangents.add(graph, target, cotangent)?;
    }
    for &id in order.iter().rev() {
        if !paths.through[id.0 as usize] || cotangents.of[id.0 as usize].iter().all(SmallVec::is_empty) {
            continue;
        }
        let node = graph.node(id);
        let (op, count) = (node.op.clone(), node.types.len());
        let inputs: SmallVec<[Value; 3]> = node.inputs.iter().map(|&v| graph.resolve(v)).collect();
        let needed: SmallVec<[bool; 3]> =
            (0..inputs.len()).map(|i| flows(&op, i) && paths.reaches(graph, inputs[i])).collect();
        let outputs: SmallVec<[Value; 1]> =
            (0..count).map(|index| Value { node: id, index: index as u32 }).collect();
        let arrived: SmallVec<[Option<Value>; 1]> =
            outputs.iter().map(|&v| cotangents.total(graph, v)).collect::<Result<_>>()?;
        let mut cx =
            VjpContext { graph, inputs: &inputs, outputs: &outputs, cotangents: &arrived, needed: &needed };
        let contributions = vjp(&op, &mut cx)?;
        if contributions.len() != inputs.len() {
            let message =
                format!("{}: gradients for {} of {} inputs", op.name(), contributions.len(), inputs.len());
            return Err(Error::Internal(message));
        }
        for ((&input, contribution), needed) in inputs.iter().zip(contributions).zip(needed) {
            if let (Some(contribution), true) = (contribution, needed) {
                cotangents.add(graph, input, contribution)?;
            }
        }
    }
    sources.iter().map(|&source| cotangents.total(graph, source)).collect()
}

/// Whether a gradient flows from each of `outputs` to any of `sources`.
pub(crate) fn depends(graph: &Graph, outputs: &[Value], sources: &[Value]) -> Vec<bool> {
    let sources: Vec<Value> = sources.iter().map(|&v| graph.resolve(v)).collect();
    let order = graph.order(outputs.iter().copied());
    let paths = Paths::new(graph, &order, &sources);
    outputs.iter().map(|&v| paths.reaches(graph, graph.resolve(v))).collect()
}

/// The gradient rule of any op.
fn vjp(op: &Op, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
    match op {
        Op::Elementwise(ew) => ew.vjp(cx),
        Op::Cast(_) => cx.unary(|graph, x, dy| {
            let dtype = graph.dtype(x);
            graph.cast(dy, dtype)
        }),
        Op::Fused(_) => Err(Error::Internal("fused kernels are made after differentiation".into())),
        other => match other.rule() {
            Some(rule) => rule.vjp(cx),
            None => Ok(vec![None; cx.inputs.len()]),
        },
    }
}

/// Whether an op passes gradients from its results to operand `i`.
fn flows(op: &Op, i: usize) -> bool {
    match op {
        Op::Elementwise(ew) => ew.has_gradient(i),
        Op::CustomVjp(custom) => i >= custom.outputs,
        Op::Bitcast(_) => false,
        _ => true,
    }
}

/// Which values depend differentiably on a source.
struct Paths {
    sources: FxHashSet<Value>,
    /// Per node: whether it is a source.
    is_source: Vec<bool>,
    /// Per node: whether an operand depends on a source.
    through: Vec<bool>,
}

impl Paths {
    fn new(graph: &Graph, order: &[NodeId], sources: &[Value]) -> Self {
        let mut paths = Self {
            sources: sources.iter().copied().collect(),
            is_source: vec![false; graph.len()],
            through: vec![false; graph.len()],
        };
        for source in sources {
            paths.is_source[source.node.0 as usize] = true;
        }
        for &id in order {
            let node = graph.node(id);
            let mut operands = node.inputs.iter().enumerate();
            let through =
                operands.any(|(i, &v)| flows(&node.op, i) && paths.reaches(graph, graph.resolve(v)));
            paths.through[id.0 as usize] = through;
        }
        paths
    }

    fn reaches(&self, graph: &Graph, value: Value) -> bool {
        let node = value.node.0 as usize;
        graph.dtype(value).is_float()
            && (self.through[node] || (self.is_source[node] && self.sources.contains(&value)))
    }
}

/// The contributions to cotangents that have arrived so far.
struct Cotangents {
    of: Vec<SmallVec<[SmallVec<[Value; 1]>; 1]>>,
}

impl Cotangents {
    fn add(&mut self, graph: &Graph, value: Value, contribution: Value) -> Result<()> {
        if graph.ty(value) != graph.ty(contribution) {
            let (expected, got) = (format!("a cotangent {:?}", graph.ty(value)), graph.ty(contribution));
            return Err(Error::shape("gradient", expected, format!("{got:?}")));
        }
        let (node, index) = (value.node.0 as usize, value.index as usize);
        let slots = &mut self.of[node];
        if slots.len() <= index {
            slots.resize(index + 1, SmallVec::new());
        }
        slots[index].push(contribution);
        Ok(())
    }

    /// The cotangent of a value to which everything has been added.
    fn total(&mut self, graph: &mut Graph, value: Value) -> Result<Option<Value>> {
        let Some(slot) = self.of[value.node.0 as usize].get_mut(value.index as usize) else {
            return Ok(None);
        };
        let total = windows::sum(graph, slot)?;
        *slot = total.into_iter().collect();
        Ok(total)
    }
}

#[cfg(test)]
mod tests;
