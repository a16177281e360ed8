//! What runs after a loop.

use rustc_hash::FxHashMap;

use super::Loop;
use super::vectorise::{Lifted, lead};
use crate::{Graph, NodeId, Op, Result, TensorType, Value};

/// What runs after the loop: a graph whose inputs are values around the loop and results of it.
#[derive(Default)]
pub(super) struct After {
    pub graph: Graph,
    /// What each input of the graph is.
    pub feeds: Vec<Feed>,
    /// Values of the body that are known here.
    pub known: FxHashMap<Value, Lifted>,
    outer: FxHashMap<Value, Value>,
    totals: FxHashMap<Value, Value>,
}

/// What an input of [`After`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    /// A value around the loop.
    Outer(Value),
    /// A value of the body at every step.
    Steps(Value),
    /// The sum of a value of the body over all steps.
    Total(Value),
}

impl After {
    fn input(&mut self, ty: TensorType, feed: Feed) -> Value {
        self.feeds.push(feed);
        self.graph.input(ty)
    }

    /// A value around the loop.
    pub fn outer(&mut self, outer: &Graph, v: Value) -> Result<Value> {
        if let Some(&known) = self.outer.get(&v) {
            return Ok(known);
        }
        let value = match &outer.node(v.node).op {
            Op::Full(full) => self.graph.add1(full.clone(), &[])?,
            _ => self.input(outer.ty(v).clone(), Feed::Outer(v)),
        };
        self.outer.insert(v, value);
        Ok(value)
    }

    /// The sum of a value of the body over all steps, which the loop adds up.
    pub fn total(&mut self, body: &Graph, v: Value) -> Value {
        if let Some(&known) = self.totals.get(&v) {
            return known;
        }
        let value = self.input(body.ty(v).clone(), Feed::Total(v));
        self.totals.insert(v, value);
        value
    }

    /// Which nodes the roots need.
    pub fn needed(&self, roots: &[Value]) -> Vec<bool> {
        let mut needed = vec![false; self.graph.len()];
        roots.iter().for_each(|v| needed[v.node.0 as usize] = true);
        for i in (0..needed.len()).rev() {
            if needed[i] {
                let inputs = &self.graph.node(NodeId(i as u32)).inputs;
                inputs.iter().for_each(|v| needed[v.node.0 as usize] = true);
            }
        }
        needed
    }

    /// What the roots need of the loop.
    pub fn fed(&self, roots: &[Value]) -> Vec<Feed> {
        let needed = self.needed(roots);
        let inputs = self.graph.inputs().iter().zip(&self.feeds);
        let inputs = inputs.filter(|(id, feed)| needed[id.0 as usize] && !matches!(feed, Feed::Outer(_)));
        inputs.map(|(_, &feed)| feed).collect()
    }
}

impl Feed {
    /// The value of the body.
    pub fn value(self) -> Value {
        match self {
            Self::Outer(v) | Self::Steps(v) | Self::Total(v) => v,
        }
    }
}

impl Loop<'_, '_> {
    /// The value after the loop: known around it, computed there, or returned by it.
    pub(super) fn value_after(&mut self, v: Value) -> Result<Lifted> {
        if let Some(&known) = self.after.known.get(&v) {
            return Ok(known);
        }
        let made = match self.lifted(v) {
            Some(Lifted::Same(x)) => Lifted::Same(self.after.outer(self.outer, x)?),
            Some(Lifted::Steps(x)) => Lifted::Steps(self.after.outer(self.outer, x)?),
            None => {
                let TensorType { dtype, shape } = self.body.ty(v);
                let ty = TensorType { dtype: *dtype, shape: lead(self.scan.length, shape) };
                Lifted::Steps(self.after.input(ty, Feed::Steps(v)))
            }
        };
        self.after.known.insert(v, made);
        Ok(made)
    }
}
