//! Graphs: single-assignment lists of nodes.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::op::Types;
use crate::{Error, Op, Result, TensorType};

/// Index of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// One output of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    /// The node.
    pub node: NodeId,
    /// Which of its outputs.
    pub index: u32,
}

/// An op applied to values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// Operands.
    pub inputs: SmallVec<[Value; 3]>,
    /// Type of each output.
    pub types: Types,
}

/// A function as data: inputs, nodes in topological order, outputs.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    inputs: Vec<NodeId>,
    /// What the function returns.
    pub outputs: Vec<Value>,
    /// (output, input) pairs: the new value of a state slot and its old one. The planner may write
    /// the output over the input; a device does so when nobody else holds that buffer.
    pub donations: Vec<(usize, usize)>,
    replacements: FxHashMap<Value, Value>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an input.
    pub fn input(&mut self, ty: TensorType) -> Value {
        let number = self.inputs.len() as u32;
        let node = self.push(Node {
            op: Op::Input(number),
            inputs: SmallVec::new(),
            types: smallvec::smallvec![ty],
        });
        self.inputs.push(node);
        Value { node, index: 0 }
    }

    /// Appends a node after checking its operands; returns its outputs.
    pub fn add(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Result<SmallVec<[Value; 1]>> {
        let op = op.into();
        let operands: SmallVec<[TensorType; 3]> = inputs.iter().map(|&v| self.ty(v).clone()).collect();
        let types = crate::infer::infer(&op, &operands)?;
        let count = types.len() as u32;
        let node = self.push(Node { op, inputs: inputs.into(), types });
        Ok((0..count).map(|index| Value { node, index }).collect())
    }

    /// Appends a node with exactly one output.
    pub fn add1(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        let outputs = self.add(op, inputs)?;
        match outputs.as_slice() {
            [only] => Ok(*only),
            _ => Err(Error::Internal("add1: node has several outputs".into())),
        }
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// Appends a node whose types are already known: for passes.
    pub fn push_node(&mut self, node: Node) -> NodeId {
        if matches!(node.op, Op::Input(_)) {
            let id = self.push(node);
            self.inputs.push(id);
            return id;
        }
        self.push(node)
    }

    /// A value's type.
    pub fn ty(&self, value: Value) -> &TensorType {
        &self.nodes[value.node.0 as usize].types[value.index as usize]
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// All nodes in order.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n))
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the graph has no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The input nodes, in the order of the function's arguments.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// Types of the inputs.
    pub fn input_types(&self) -> Vec<TensorType> {
        self.inputs.iter().map(|&n| self.node(n).types[0].clone()).collect()
    }

    /// Types of the outputs.
    pub fn output_types(&self) -> Vec<TensorType> {
        self.outputs.iter().map(|&v| self.ty(v).clone()).collect()
    }

    /// From now on every use of `old` means `new`, even in nodes that come before `new`: the gradient
    /// of a scan replaces it by one that also returns residuals. The first pass resolves this
    /// (`passes::resolve`) and restores topological order.
    pub fn replace(&mut self, old: Value, new: Value) {
        self.replacements.insert(old, new);
    }

    /// The replacements that have not been resolved.
    pub fn replacements(&self) -> &FxHashMap<Value, Value> {
        &self.replacements
    }
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
            && self.outputs == other.outputs
            && self.donations == other.donations
            && self.replacements == other.replacements
    }
}

impl Eq for Graph {}

impl std::hash::Hash for Graph {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.nodes.hash(state);
        self.outputs.hash(state);
        self.donations.hash(state);
    }
}

/// Appends the nodes of `source` to `target` with `inputs` in place of its inputs; returns its outputs.
pub fn inline(target: &mut Graph, source: &Graph, inputs: &[Value]) -> Result<Vec<Value>> {
    if source.inputs.len() != inputs.len() {
        return Err(Error::Internal(format!(
            "inline: expected {} inputs, got {}",
            source.inputs.len(),
            inputs.len()
        )));
    }
    let mut map: FxHashMap<NodeId, NodeId> = FxHashMap::default();
    let mut given: FxHashMap<NodeId, Value> = FxHashMap::default();
    for (&node, &value) in source.inputs.iter().zip(inputs) {
        given.insert(node, value);
    }
    let moved = |map: &FxHashMap<NodeId, NodeId>, value: Value| match given.get(&value.node) {
        Some(&value) => value,
        None => Value { node: map[&value.node], index: value.index },
    };
    for (id, node) in source.nodes() {
        if !given.contains_key(&id) {
            let inputs = node.inputs.iter().map(|&v| moved(&map, v)).collect();
            map.insert(id, target.push(Node { op: node.op.clone(), inputs, types: node.types.clone() }));
        }
    }
    for (&old, &new) in &source.replacements {
        let (old, new) = (moved(&map, old), moved(&map, new));
        target.replace(old, new);
    }
    Ok(source.outputs.iter().map(|&v| moved(&map, v)).collect())
}
