//! Common sub-expressions: nodes with equal op and equal operands become one.
//!
//! Every op is a pure function of its operands, random bits (of their key) included.

use std::hash::{BuildHasher, Hash, Hasher};

use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::rewrite::Rewrite;
use crate::{Graph, Node, NodeId, Op, Result};

/// The graph with equal nodes merged.
pub(super) fn run(graph: &Graph) -> Result<Graph> {
    let mut out = Rewrite::new(graph);
    let mut seen: FxHashMap<u64, SmallVec<[NodeId; 1]>> = FxHashMap::default();
    for (id, node) in graph.nodes() {
        if matches!(node.op, Op::Input(_)) {
            continue;
        }
        let inputs = out.operands(node)?;
        let mut hasher = FxBuildHasher.build_hasher();
        node.op.hash(&mut hasher);
        inputs.hash(&mut hasher);
        let bucket = seen.entry(hasher.finish()).or_default();
        let equal = bucket.iter().copied().find(|&other| {
            let other = out.graph.node(other);
            other.op == node.op && other.inputs == inputs
        });
        match equal {
            Some(other) => out.set_all(id, other),
            None => {
                let new = out.graph.push_node(Node { inputs, ..node.clone() });
                bucket.push(new);
                out.set_all(id, new);
            }
        }
    }
    out.finish(graph)
}
