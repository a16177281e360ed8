//! Work that does not need the carry is taken out of scans and done for all steps at once.
//!
//! Three kinds of it, with an LSTM's training step as the example:
//!
//! * **before the loop**: what depends only on sequences and constants (`x_t W`, casts of weights);
//! * **after the loop**: what only results need (`dx_t = dz_t W^T`); the loop returns the operands;
//! * **sums**: a carry to which something is added at every step (`dW += x_t^T dz_t`) becomes one
//!   contraction over time and batch after the loop.
//!
//! What then has no use any more (results, carries, sequences, constants) leaves the loop.
//!
//! For devices that want it (`in_blocks`) a loop is cut along its batch where that is possible ([`blocks`]).
//! A block's state and weights stay in the cache, so products stay in the loop too, whose results would
//! otherwise go through memory: only what is the same at every step leaves it.

mod after;
mod blocks;
mod emit;
mod sums;
mod vectorise;

use smallvec::SmallVec;

use self::after::{After, Feed};
use self::vectorise::{Lifted, lead, vectorise};
use super::only;
use super::rewrite::{Rewrite, use_counts};
use crate::op::{MatMul, Scan, Transpose};
use crate::{Error, Graph, Node, NodeId, Op, Result, TensorType, Value};

/// Rewrites every scan of the graph (not of sub-graphs).
pub(super) fn run(graph: &Graph, in_blocks: bool) -> Result<Graph> {
    let uses = use_counts(graph);
    let mut out = Rewrite::new(graph);
    for (id, node) in graph.nodes() {
        match &node.op {
            Op::Input(_) => {}
            Op::Scan(scan) if scan.length > 0 && scan.blocks.is_none() => {
                let operands = out.operands(node)?;
                let used: Vec<bool> = uses[id.0 as usize].iter().map(|&n| n > 0).collect();
                let scan = &turned(scan)?;
                let inside = in_blocks && blocks::pay(&out.graph, scan, &operands, &used)?;
                let results = Loop::new(&mut out.graph, scan, &operands, &used, inside)?.rewrite()?;
                for (index, result) in results.into_iter().enumerate() {
                    if let Some(result) = result {
                        out.set(Value { node: id, index: index as u32 }, result);
                    }
                }
            }
            _ => out.copy(id, node)?,
        }
    }
    out.finish(graph)
}

/// The scan with its products by transposed constants as products by constants that are transposed: once,
/// outside, instead of at every step.
fn turned(scan: &Scan) -> Result<Scan> {
    let body = &*scan.body;
    let mut same: Vec<bool> = Vec::with_capacity(body.len());
    let mut turns: Vec<NodeId> = Vec::new();
    for (id, node) in body.nodes() {
        same.push(match node.op {
            Op::Input(n) => n as usize >= scan.carry + scan.xs,
            _ => node.inputs.iter().all(|v| same[v.node.0 as usize]),
        });
        if let (Op::MatMul(MatMul { transpose_b: true, .. }), &[a, b]) = (&node.op, node.inputs.as_slice())
            && same[b.node.0 as usize]
            && !same[a.node.0 as usize]
            && body.ty(b).shape.rank() == 2
        {
            turns.push(id);
        }
    }
    if turns.is_empty() {
        return Ok(scan.clone());
    }
    let mut out = Rewrite::new(body);
    for (id, node) in body.nodes().filter(|(_, n)| !matches!(n.op, Op::Input(_))) {
        match (&node.op, node.inputs.as_slice()) {
            (Op::MatMul(m), &[a, b]) if turns.contains(&id) => {
                let (a, b) = (out.get(a)?, out.get(b)?);
                let b = out.graph.add1(Transpose { perm: [1, 0].as_slice().into() }, &[b])?;
                let product = out.graph.add1(MatMul { transpose_b: false, ..m.clone() }, &[a, b])?;
                out.set(only(id), product);
            }
            _ => out.copy(id, node)?,
        }
    }
    Ok(Scan { body: out.finish(body)?.into(), ..scan.clone() })
}

/// One entry per value of the body.
type PerValue<T> = Vec<SmallVec<[T; 1]>>;

/// A scan being taken apart.
struct Loop<'g, 's> {
    /// The graph around it.
    outer: &'g mut Graph,
    scan: &'s Scan,
    body: &'s Graph,
    operands: &'s [Value],
    used: &'s [bool],
    /// What does not depend on the carry, outside the loop.
    lifted: PerValue<Option<Lifted>>,
    /// How often each value of the body is used by live nodes and results.
    uses: PerValue<u32>,
    /// Whether products stay in the loop, which is cut into blocks.
    inside: bool,
    after: After,
}

/// How a result of the scan is made.
#[derive(Clone, Copy)]
enum Source {
    Unused,
    /// By the loop, as before.
    Loop,
    /// It is known around the loop.
    Outer(Lifted),
    /// After the loop, by a value of [`After`].
    After(Lifted),
    /// A sum over all steps, by a value of [`After`].
    Sum(Value),
}

impl<'g, 's> Loop<'g, 's> {
    fn new(
        outer: &'g mut Graph,
        scan: &'s Scan,
        operands: &'s [Value],
        used: &'s [bool],
        inside: bool,
    ) -> Result<Self> {
        let body = &*scan.body;
        let lifted = body.nodes().map(|(_, n)| SmallVec::from_elem(None, n.types.len())).collect();
        let uses = use_counts(body);
        let after = After::default();
        let mut this = Self { outer, scan, body, operands, used, lifted, uses, inside, after };
        this.lift()?;
        Ok(this)
    }

    fn input(&self, number: usize) -> Value {
        only(self.body.inputs()[number])
    }

    fn lifted(&self, v: Value) -> Option<Lifted> {
        self.lifted[v.node.0 as usize][v.index as usize]
    }

    /// Whether carry `i` never changes.
    fn is_constant(&self, i: usize) -> bool {
        self.body.outputs[i] == self.input(i)
    }

    /// Does everything that does not depend on the carry outside, for all steps. What is not used in the
    /// end is dead there and dropped later.
    fn lift(&mut self) -> Result<()> {
        let scan = self.scan;
        for (number, &operand) in self.operands.iter().enumerate() {
            let input = self.input(number);
            let place = &mut self.lifted[input.node.0 as usize][0];
            if (scan.carry..scan.carry + scan.xs).contains(&number) {
                *place = Some(Lifted::Steps(operand));
            } else if number >= scan.carry || self.body.outputs[number] == input {
                *place = Some(Lifted::Same(operand));
            }
        }
        for (id, node) in self.body.nodes() {
            if matches!(node.op, Op::Input(_)) {
                continue;
            }
            let operands: Option<SmallVec<[Lifted; 3]>> =
                node.inputs.iter().map(|&v| self.lifted(v)).collect();
            let Some(operands) = operands else { continue };
            let shapes: SmallVec<[_; 1]> = node.types.iter().map(|t| &t.shape).collect();
            if let Some(results) = vectorise(self.outer, &node.op, &operands, &shapes, scan.length)? {
                self.lifted[id.0 as usize] = results.into_iter().map(Some).collect();
            }
        }
        Ok(())
    }

    /// Whether the value, known outside, is better read there than computed at every step.
    fn is_hoisted(&self, v: Value) -> bool {
        let op = &self.body.node(v.node).op;
        match self.lifted(v) {
            None => false,
            Some(_) if matches!(op, Op::Input(_)) => true,
            Some(Lifted::Same(_)) => {
                !matches!(op, Op::Full(_) | Op::Iota(_) | Op::Broadcast(_) | Op::Reshape(_))
            }
            Some(Lifted::Steps(_)) if self.inside && matches!(op, Op::MatMul(_)) => false,
            Some(Lifted::Steps(_)) => !is_light(op),
        }
    }

    fn rewrite(mut self) -> Result<Vec<Option<Value>>> {
        let sums = self.sums()?;
        let mut sources = self.sources(&sums);
        if !self.inside {
            self.results_after(&mut sources)?;
        }
        self.finish(&sources)
    }

    /// First guess at the source of each result.
    fn sources(&self, sums: &[Option<Value>]) -> Vec<Source> {
        let source = |(i, &used): (usize, &bool)| match (sums.get(i), self.lifted(self.body.outputs[i])) {
            _ if !used => Source::Unused,
            (Some(Some(sum)), _) => Source::Sum(*sum),
            (Some(None), _) if self.is_constant(i) => Source::Outer(Lifted::Same(self.operands[i])),
            (None, Some(lifted)) => Source::Outer(lifted),
            _ => Source::Loop,
        };
        self.used.iter().enumerate().map(source).collect()
    }

    /// Which nodes of the body the given values need; through carries into the step before if `through`.
    fn needed(&self, roots: impl Iterator<Item = Value>, through: bool) -> Vec<bool> {
        let mut needed = vec![false; self.body.len()];
        let mut stack: Vec<Value> = roots.collect();
        while let Some(v) = stack.pop() {
            if std::mem::replace(&mut needed[v.node.0 as usize], true) || self.is_hoisted(v) {
                continue;
            }
            match self.body.node(v.node).op {
                Op::Input(n) if through && (n as usize) < self.scan.carry => {
                    stack.push(self.body.outputs[n as usize]);
                }
                _ => stack.extend(self.body.node(v.node).inputs.iter().copied()),
            }
        }
        needed
    }

    /// Values that the loop must still compute for its results.
    fn returned(&self, sources: &[Source]) -> Vec<Value> {
        let results = sources.iter().zip(&self.body.outputs);
        results.filter(|(s, _)| matches!(s, Source::Loop)).map(|(_, &v)| v).collect()
    }

    /// Takes products that only results need out of the loop.
    fn results_after(&mut self, sources: &mut [Source]) -> Result<()> {
        let (body, carry) = (self.body, self.scan.carry);
        // What the carries need that the results need must stay.
        let fed: Vec<Value> = self.after.fed(&emit::roots(sources)).into_iter().map(Feed::value).collect();
        let returned = self.returned(sources);
        let alive = self.needed(returned.into_iter().chain(fed.iter().copied()), true);
        let alive_carries = (0..carry)
            .filter(|&i| alive[self.input(i).node.0 as usize] || matches!(sources[i], Source::Loop));
        // What sums are made of is returned already.
        let stays = self.needed(alive_carries.map(|i| body.outputs[i]).chain(fed), false);
        // From the results back: a node can go if it can be vectorised and nothing that stays reads it.
        let mut goes = vec![false; body.len()];
        let mut kept_readers = vec![false; body.len()];
        for i in (0..body.len()).rev() {
            let id = NodeId(i as u32);
            let node = body.node(id);
            let free = alive[i] && !stays[i] && !kept_readers[i] && self.lifted(only(id)).is_none();
            goes[i] = free && !matches!(node.op, Op::Input(_)) && self.can_vectorise(node)?;
            if alive[i] && !goes[i] {
                node.inputs.iter().for_each(|v| kept_readers[v.node.0 as usize] = true);
            }
        }
        // Only products are worth it, and what follows them.
        for (id, node) in body.nodes() {
            let i = id.0 as usize;
            let product = matches!(node.op, Op::MatMul(_) | Op::Convolution(_) | Op::ConvGradInput(_));
            goes[i] &= product || node.inputs.iter().any(|v| goes[v.node.0 as usize]);
        }
        for (id, node) in body.nodes().filter(|(id, _)| goes[id.0 as usize]) {
            let operands = node.inputs.iter().map(|&v| self.value_after(v));
            let operands = operands.collect::<Result<SmallVec<[Lifted; 3]>>>()?;
            let shapes: SmallVec<[_; 1]> = node.types.iter().map(|t| &t.shape).collect();
            let made = vectorise(&mut self.after.graph, &node.op, &operands, &shapes, self.scan.length)?;
            let Some(made) = made else {
                return Err(Error::Internal(format!(
                    "hoist: {} cannot be vectorised after all",
                    node.op.name()
                )));
            };
            for (index, lifted) in made.into_iter().enumerate() {
                self.after.known.insert(Value { node: id, index: index as u32 }, lifted);
            }
        }
        for (source, &v) in sources.iter_mut().zip(&body.outputs).skip(carry) {
            if matches!(source, Source::Loop) && goes[v.node.0 as usize] {
                *source = Source::After(self.value_after(v)?);
            }
        }
        Ok(())
    }

    /// Tries it on types.
    fn can_vectorise(&self, node: &Node) -> Result<bool> {
        let mut scratch = Graph::new();
        let length = self.scan.length;
        let operands: SmallVec<[Lifted; 3]> = node
            .inputs
            .iter()
            .map(|&v| {
                let ty = self.body.ty(v).clone();
                match self.lifted(v) {
                    Some(Lifted::Same(_)) => Lifted::Same(scratch.input(ty)),
                    _ => {
                        let shape = lead(length, &ty.shape);
                        Lifted::Steps(scratch.input(TensorType { shape, ..ty }))
                    }
                }
            })
            .collect();
        let shapes: SmallVec<[_; 1]> = node.types.iter().map(|t| &t.shape).collect();
        Ok(vectorise(&mut scratch, &node.op, &operands, &shapes, length)?.is_some())
    }
}

/// Whether the op costs no more in the loop than reading its result there would.
fn is_light(op: &Op) -> bool {
    super::fuse::is_inlinable(op) || matches!(op, Op::Bitcast(_))
}

#[cfg(test)]
mod tests;
