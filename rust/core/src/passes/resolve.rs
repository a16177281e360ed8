//! Carries out pending replacements, restores topological order, drops dead nodes and the identities
//! that only the gradient needs.

use std::sync::Arc;

use super::rewrite::Rewrite;
use super::{map_sub_graphs, sub_graphs};
use crate::op::Ew;
use crate::{Error, Graph, NodeId, Op, Result, Value};

/// The graph with [`Graph::replacements`] carried out, nodes in topological order (as near to the given
/// order as that allows), and without nodes that no output needs, `StopGradient` and `CustomVjp`.
/// Inputs stay, used or not. Sub-graphs are resolved too.
pub fn resolve(graph: Graph) -> Result<Graph> {
    let final_value = |v: Value| follow(&graph, v);
    let needed = needed(&graph, &final_value)?;
    let mut out = Rewrite::new(&graph);
    let mut emitted: Vec<Mark> = vec![Mark::Unseen; graph.len()];
    for &id in graph.inputs() {
        emitted[id.0 as usize] = Mark::Done;
    }
    let mut stack = Vec::new();
    for (id, _) in graph.nodes().filter(|(id, _)| needed[id.0 as usize]) {
        stack.push(id);
        while let Some(&top) = stack.last() {
            let node = graph.node(top);
            match emitted[top.0 as usize] {
                Mark::Done => {
                    stack.pop();
                }
                Mark::Unseen => {
                    emitted[top.0 as usize] = Mark::Open;
                    for &v in node.inputs.iter().rev() {
                        let source = final_value(v)?.node;
                        match emitted[source.0 as usize] {
                            Mark::Unseen => stack.push(source),
                            Mark::Open => {
                                return Err(Error::Internal("resolve: the graph has a cycle".into()));
                            }
                            Mark::Done => {}
                        }
                    }
                }
                Mark::Open => {
                    let operands = node.inputs.iter().map(|&v| out.get(final_value(v)?));
                    let operands = operands.collect::<Result<smallvec::SmallVec<[Value; 3]>>>()?;
                    if is_identity(&node.op) {
                        for (index, &operand) in operands.iter().take(node.types.len()).enumerate() {
                            out.set(Value { node: top, index: index as u32 }, operand);
                        }
                    } else {
                        let new = out.graph.push_node(crate::Node { inputs: operands, ..node.clone() });
                        out.set_all(top, new);
                    }
                    emitted[top.0 as usize] = Mark::Done;
                    stack.pop();
                }
            }
        }
    }
    out.graph.outputs =
        graph.outputs.iter().map(|&v| out.get(final_value(v)?)).collect::<Result<Vec<Value>>>()?;
    out.graph.donations = graph.donations.clone();
    map_unresolved(out.graph)
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Unseen,
    Open,
    Done,
}

/// Identity once gradients have been taken.
fn is_identity(op: &Op) -> bool {
    matches!(op, Op::Elementwise(Ew::StopGradient) | Op::CustomVjp(_))
}

/// What `value` finally means.
fn follow(graph: &Graph, value: Value) -> Result<Value> {
    let replacements = graph.replacements();
    let mut v = value;
    for _ in 0..=replacements.len() {
        match replacements.get(&v) {
            Some(&next) => v = next,
            None => return Ok(v),
        }
    }
    Err(Error::Internal("resolve: replacements go round in a circle".into()))
}

/// Which nodes the outputs need. Of an identity only the operands it returns are needed.
fn needed(graph: &Graph, final_value: &dyn Fn(Value) -> Result<Value>) -> Result<Vec<bool>> {
    let mut needed = vec![false; graph.len()];
    let mut stack: Vec<NodeId> = Vec::new();
    let mut visit = |v: Value, stack: &mut Vec<NodeId>| -> Result<()> {
        let source = final_value(v)?.node;
        if !std::mem::replace(&mut needed[source.0 as usize], true) {
            stack.push(source);
        }
        Ok(())
    };
    for &v in &graph.outputs {
        visit(v, &mut stack)?;
    }
    while let Some(id) = stack.pop() {
        let node = graph.node(id);
        for &v in &node.inputs {
            visit(v, &mut stack)?;
        }
    }
    Ok(needed)
}

fn map_unresolved(graph: Graph) -> Result<Graph> {
    fn dirty(graph: &Arc<Graph>) -> bool {
        !graph.replacements().is_empty()
            || graph.nodes().any(|(_, n)| is_identity(&n.op) || sub_graphs(&n.op).into_iter().any(dirty))
    }
    let any = graph.nodes().any(|(_, n)| sub_graphs(&n.op).into_iter().any(dirty));
    if any { map_sub_graphs(&graph, &resolve) } else { Ok(graph) }
}
