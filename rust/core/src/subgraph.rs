//! Parts of graphs: what values mean after replacements, what outputs need, functions cut out of graphs.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{Error, Graph, Node, NodeId, Op, Result, Value};

impl Graph {
    /// What a use of `value` means once [`Graph::replacements`] are carried out.
    pub fn resolve(&self, value: Value) -> Value {
        let mut value = value;
        for _ in 0..self.replacements().len() {
            match self.replacements().get(&value) {
                Some(&next) => value = next,
                None => break,
            }
        }
        value
    }

    /// The inputs as values.
    pub fn input_values(&self) -> impl Iterator<Item = Value> {
        self.inputs().iter().map(|&node| Value { node, index: 0 })
    }

    /// The nodes that `outputs` need, operands (replaced ones) before their users.
    pub fn order(&self, outputs: impl IntoIterator<Item = Value>) -> Vec<NodeId> {
        let mut order = Vec::new();
        let mut seen = vec![false; self.len()];
        for output in outputs {
            self.visit(self.resolve(output).node, &mut seen, &mut order, &|_| false);
        }
        order
    }

    /// Appends `root` and what it needs to `order`, depth first; operands for which `stop` holds are left
    /// out, and nodes already seen.
    fn visit(&self, root: NodeId, seen: &mut [bool], order: &mut Vec<NodeId>, stop: &dyn Fn(Value) -> bool) {
        if std::mem::replace(&mut seen[root.0 as usize], true) {
            return;
        }
        let mut stack = vec![(root, 0usize)];
        while let Some((id, next)) = stack.last_mut() {
            let Some(&operand) = self.node(*id).inputs.get(*next) else {
                order.push(*id);
                stack.pop();
                continue;
            };
            *next += 1;
            let operand = self.resolve(operand);
            if !stop(operand) && !std::mem::replace(&mut seen[operand.node.0 as usize], true) {
                stack.push((operand.node, 0));
            }
        }
    }

    /// The function from `inputs` (any values of this graph) to `outputs` as a graph of its own, without
    /// replacements. Fails when an output needs one of this graph's inputs that is not in `inputs`.
    pub fn extract(&self, inputs: &[Value], outputs: &[Value]) -> Result<Self> {
        let mut part = Self::new();
        let mut map: FxHashMap<Value, Value> = FxHashMap::default();
        for &input in inputs {
            let new = part.input(self.ty(input).clone());
            map.insert(self.resolve(input), new);
        }
        let mut order = Vec::new();
        let mut seen = vec![false; self.len()];
        for &output in outputs {
            let output = self.resolve(output);
            if !map.contains_key(&output) {
                self.visit(output.node, &mut seen, &mut order, &|v| map.contains_key(&v));
            }
        }
        let lost = || Error::Internal("extract: an output needs an input that is not given".into());
        for id in order {
            let node = self.node(id);
            if matches!(node.op, Op::Input(_)) {
                return Err(lost());
            }
            let operands = node.inputs.iter().map(|&v| map.get(&self.resolve(v)).copied().ok_or_else(lost));
            let operands = operands.collect::<Result<SmallVec<[Value; 3]>>>()?;
            let new = part.push_node(Node { inputs: operands, ..node.clone() });
            for index in 0..node.types.len() as u32 {
                map.entry(Value { node: id, index }).or_insert(Value { node: new, index });
            }
        }
        let outputs = outputs.iter().map(|&v| map.get(&self.resolve(v)).copied().ok_or_else(lost));
        part.outputs = outputs.collect::<Result<_>>()?;
        Ok(part)
    }
}
