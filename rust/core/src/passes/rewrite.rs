//! Rebuilding a graph node by node: what every pass does.

use smallvec::SmallVec;

use crate::{Error, Graph, Node, NodeId, Op, Result, Value};

/// The new graph, and where the values of the old one are in it.
pub(super) struct Rewrite {
    /// The graph being built.
    pub graph: Graph,
    values: Vec<SmallVec<[Option<Value>; 1]>>,
}

impl Rewrite {
    /// An empty graph with the inputs of `old`, in their order.
    pub fn new(old: &Graph) -> Self {
        let values = old.nodes().map(|(_, n)| SmallVec::from_elem(None, n.types.len())).collect();
        let mut this = Self { graph: Graph::new(), values };
        for (number, &id) in old.inputs().iter().enumerate() {
            let node = old.node(id);
            let new = this.graph.push_node(Node { op: Op::Input(number as u32), ..node.clone() });
            this.set(Value { node: id, index: 0 }, Value { node: new, index: 0 });
        }
        this
    }

    /// Where an old value is.
    pub fn get(&self, old: Value) -> Result<Value> {
        self.values[old.node.0 as usize][old.index as usize]
            .ok_or_else(|| Error::Internal(format!("pass: {old:?} is used before it is made")))
    }

    /// Whether an old value has a place yet.
    pub fn has(&self, old: Value) -> bool {
        self.values[old.node.0 as usize][old.index as usize].is_some()
    }

    /// Old operands as new ones.
    pub fn operands(&self, old: &Node) -> Result<SmallVec<[Value; 3]>> {
        old.inputs.iter().map(|&v| self.get(v)).collect()
    }

    /// From now on the old value is `new`.
    pub fn set(&mut self, old: Value, new: Value) {
        self.values[old.node.0 as usize][old.index as usize] = Some(new);
    }

    /// Every output of old node `id` is that of new node `new`.
    pub fn set_all(&mut self, id: NodeId, new: NodeId) {
        for (index, slot) in self.values[id.0 as usize].iter_mut().enumerate() {
            *slot = Some(Value { node: new, index: index as u32 });
        }
    }

    /// Copies an old node with its operands renamed.
    pub fn copy(&mut self, id: NodeId, old: &Node) -> Result<()> {
        let inputs = self.operands(old)?;
        let new = self.graph.push_node(Node { inputs, ..old.clone() });
        self.set_all(id, new);
        Ok(())
    }

    /// Renames outputs and donations; the new graph.
    pub fn finish(mut self, old: &Graph) -> Result<Graph> {
        self.graph.outputs = old.outputs.iter().map(|&v| self.get(v)).collect::<Result<_>>()?;
        self.graph.donations = old.donations.clone();
        Ok(self.graph)
    }
}

/// How often each value is used, graph outputs counted: `uses[node][output]`.
pub(super) fn use_counts(graph: &Graph) -> Vec<SmallVec<[u32; 1]>> {
    let mut counts: Vec<SmallVec<[u32; 1]>> =
        graph.nodes().map(|(_, n)| SmallVec::from_elem(0, n.types.len())).collect();
    let operands = graph.nodes().flat_map(|(_, n)| n.inputs.iter());
    for v in operands.chain(&graph.outputs) {
        counts[v.node.0 as usize][v.index as usize] += 1;
    }
    counts
}
