//! Optimisation: graph in, equal but cheaper graph out.
//!
//! | pass | what it does |
//! |---|---|
//! | `resolve` | carries out [`Graph::replace`], orders the nodes, drops dead ones (always runs) |
//! | `canonicalise` | one spelling for equal expressions; folds constants |
//! | `cse` | equal nodes become one |
//! | `hoist` | moves work that does not need the carry out of scans |
//! | `fuse` | element-wise ops, movements and reductions become kernels |
//!
//! A pass can be switched off by its name. Without `fuse` every fusable node still becomes a kernel, of
//! that node alone, so that devices see the same ops either way.

use std::sync::Arc;

use crate::op::{Cond, Op, Scan, While};
use crate::{Error, Graph, Node, Result, Value, verify};

mod canonicalise;
mod cse;
pub mod fuse;
mod hoist;
mod resolve;
mod rewrite;
#[cfg(test)]
pub(crate) mod testing;

pub use resolve::resolve;

/// A pass that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pass {
    /// One spelling for equal expressions, constants folded.
    Canonicalise,
    /// Common sub-expressions.
    Cse,
    /// Work moved out of scans.
    Hoist,
    /// Element-wise ops, movements and reductions into kernels.
    Fuse,
}

impl Pass {
    /// Every pass, in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Canonicalise, Self::Cse, Self::Hoist, Self::Fuse];

    /// The name by which the pass is switched off.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Canonicalise => "canonicalise",
            Self::Cse => "cse",
            Self::Hoist => "hoist",
            Self::Fuse => "fuse",
        }
    }
}

/// How [`optimise`] works.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PassOptions {
    /// Passes not to run.
    pub disabled: Vec<Pass>,
    /// Check the graph after every pass.
    pub verify: bool,
    /// Cut scans into blocks of their batch where samples do not meet: see [`crate::Device::wants_blocks`].
    pub blocks: bool,
}

impl Default for PassOptions {
    fn default() -> Self {
        Self { disabled: Vec::new(), verify: cfg!(debug_assertions), blocks: false }
    }
}

impl PassOptions {
    /// The default with the passes of `names` (comma-separated, as in `OXHORN_DISABLE_PASSES`; `all`
    /// for every one) switched off.
    pub fn without(names: &str) -> Result<Self> {
        let mut options = Self::default();
        for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            match Pass::ALL.into_iter().find(|p| p.name() == name) {
                Some(pass) => options.disabled.push(pass),
                None if name == "all" => options.disabled.extend(Pass::ALL),
                None => return Err(Error::Unknown { kind: "pass", name: name.to_owned() }),
            }
        }
        Ok(options)
    }

    /// Whether a pass runs.
    pub fn runs(&self, pass: Pass) -> bool {
        !self.disabled.contains(&pass)
    }
}

/// Runs all passes. In the result no node is element-wise, a cast, a full, an iota, a transpose, a
/// broadcast, a slice, a reverse, a reduction or a `CustomVjp`: those are kernels.
pub fn optimise(graph: Graph, options: &PassOptions) -> Result<Graph> {
    let graph = checked(resolve(graph)?, options, "resolve")?;
    let graph = simplify(graph, options)?;
    lower(graph, options)
}

/// Every pass before fusion, sub-graphs included.
fn simplify(graph: Graph, options: &PassOptions) -> Result<Graph> {
    let mut graph = tidy(graph, options)?;
    if has_sub_graphs(&graph) {
        graph = map_sub_graphs(&graph, &|sub| simplify(sub, options))?;
        if options.runs(Pass::Hoist) {
            graph = checked(hoist::run(&graph, options.blocks)?, options, "hoist")?;
            // Hoisting puts equal expressions side by side and leaves sub-graphs without use behind.
            graph = map_sub_graphs(&graph, &|sub| deep_tidy(sub, options))?;
        }
        graph = tidy(graph, options)?;
    }
    Ok(graph)
}

/// Canonicalise, merge, drop what is dead; not in sub-graphs.
fn tidy(mut graph: Graph, options: &PassOptions) -> Result<Graph> {
    if options.runs(Pass::Canonicalise) {
        graph = checked(canonicalise::run(&graph)?, options, "canonicalise")?;
    }
    if options.runs(Pass::Cse) {
        graph = checked(cse::run(&graph)?, options, "cse")?;
    }
    resolve(graph)
}

fn deep_tidy(graph: Graph, options: &PassOptions) -> Result<Graph> {
    map_sub_graphs(&tidy(graph, options)?, &|sub| deep_tidy(sub, options))
}

/// Fusion, sub-graphs first.
fn lower(graph: Graph, options: &PassOptions) -> Result<Graph> {
    let graph = map_sub_graphs(&graph, &|sub| lower(sub, options))?;
    checked(fuse::run(&graph, options.runs(Pass::Fuse))?, options, "fuse")
}

fn checked(graph: Graph, options: &PassOptions, pass: &'static str) -> Result<Graph> {
    if options.verify {
        verify::graph(&graph).map_err(|e| Error::Internal(format!("after pass {pass}: {e}")))?;
    }
    Ok(graph)
}

fn has_sub_graphs(graph: &Graph) -> bool {
    graph.nodes().any(|(_, n)| matches!(n.op, Op::Scan(_) | Op::While(_) | Op::Cond(_)))
}

/// The graph with `f` applied to the sub-graphs of its nodes.
fn map_sub_graphs(graph: &Graph, f: &dyn Fn(Graph) -> Result<Graph>) -> Result<Graph> {
    if !has_sub_graphs(graph) {
        return Ok(graph.clone());
    }
    let apply = |g: &Arc<Graph>| f((**g).clone()).map(Arc::new);
    let mut out = Graph::new();
    for (_, node) in graph.nodes() {
        let op = match &node.op {
            Op::Scan(s) => Op::Scan(Scan { body: apply(&s.body)?, ..s.clone() }),
            Op::While(w) => {
                Op::While(While { condition: apply(&w.condition)?, body: apply(&w.body)?, ..w.clone() })
            }
            Op::Cond(c) => Op::Cond(Cond { then: apply(&c.then)?, otherwise: apply(&c.otherwise)? }),
            other => other.clone(),
        };
        out.push_node(Node { op, ..node.clone() });
    }
    out.outputs = graph.outputs.clone();
    out.donations = graph.donations.clone();
    Ok(out)
}

/// The sub-graphs of an op.
pub(crate) fn sub_graphs(op: &Op) -> Vec<&Arc<Graph>> {
    match op {
        Op::Scan(s) => vec![&s.body],
        Op::While(w) => vec![&w.condition, &w.body],
        Op::Cond(c) => vec![&c.then, &c.otherwise],
        _ => Vec::new(),
    }
}

/// The only output of a node with one output.
fn only(node: crate::NodeId) -> Value {
    Value { node, index: 0 }
}

#[cfg(test)]
mod tests;
