//! Cutting a loop along its batch.
//!
//! In a recurrent layer's loop the samples of a batch do not meet, except in sums over the batch: the
//! gradients of weights. So the batch can be cut into blocks, each of which runs through all steps on its
//! own, with sums of its own that are added up after the loop. A block's state and the weights stay in one
//! core's cache, and cores meet only at the end. The size of a block follows from the batch alone.
//!
//! Which axis of a value is that of the batch is found by following it: the leading axis of every carry and
//! result is, and each op says what then holds for its other operands.

use smallvec::SmallVec;

use super::Loop;
use crate::op::{Blocks, Broadcast, Ew, Full, Iota, Reshape, Scan};
use crate::passes::only;
use crate::{Graph, Node, Op, Result, Shape, Value};

/// Weights and sums of a loop, in bytes, that stay in a core's cache beside a block's state.
const CACHE: usize = 256 << 10;

/// Rows of a block: at least, at most, and blocks that a batch is cut into if rows stay between.
const ROWS: (usize, usize) = (8, 32);
const BLOCKS: usize = 4;

/// Rows of a block of a batch; `None` if it is small, or has no divisor that fits.
fn rows(batch: usize) -> Option<usize> {
    let most = (batch / BLOCKS).clamp(ROWS.0.max(ROWS.1 / 2), ROWS.1);
    (ROWS.0..=most).rev().find(|&rows| batch.is_multiple_of(rows) && rows < batch)
}

/// A loop cut into blocks.
pub(super) struct Cut {
    /// The body of one block.
    pub body: Graph,
    pub blocks: Blocks,
    /// For each of the last carries, which are sums: whether each block has one of the whole shape.
    pub per_block: Vec<bool>,
}

/// Whether the loop can be cut, and its weights and sums are small enough for its products to stay inside.
pub(super) fn pay(outer: &Graph, scan: &Scan, operands: &[Value], used: &[bool]) -> Result<bool> {
    if !scan.body.outputs.iter().any(|&v| rows(scan.body.ty(v).shape.first().copied().unwrap_or(0)).is_some())
    {
        return Ok(false);
    }
    // Try it.
    let mut scratch = Graph::new();
    let operands: Vec<Value> = operands
        .iter()
        .map(|&v| match &outer.node(v.node).op {
            Op::Full(full) => scratch.add1(full.clone(), &[]),
            _ => Ok(scratch.input(outer.ty(v).clone())),
        })
        .collect::<Result<_>>()?;
    Loop::new(&mut scratch, scan, &operands, used, true)?.rewrite()?;
    let tried = scratch.nodes().find_map(|(_, node)| match &node.op {
        Op::Scan(scan) => Some((scan, node)),
        _ => None,
    });
    let Some((scan, Some(blocks))) = tried.map(|(scan, _)| (scan, &scan.blocks)) else { return Ok(false) };
    let inputs = scan.body.input_types();
    let constants = inputs[scan.carry + scan.xs..].iter().zip(&blocks.cut[scan.xs..]);
    let shared: usize = constants.filter(|(_, cut)| !**cut).map(|(ty, _)| ty.bytes()).sum();
    let state: usize = inputs[..scan.carry].iter().map(|ty| ty.bytes()).sum();
    Ok(shared + state <= CACHE)
}

/// Cuts a loop whose last `sums` carries only have something added to them. `None` if samples meet.
pub(super) fn cut(scan: &Scan, sums: usize) -> Result<Option<Cut>> {
    let body = &*scan.body;
    let carried = scan.carry - sums;
    let first = if carried > 0 { body.outputs.first() } else { body.outputs.get(scan.carry) };
    let Some(batch) = first.and_then(|&v| body.ty(v).shape.first().copied()) else { return Ok(None) };
    let Some(rows) = rows(batch) else { return Ok(None) };
    let mut kinds = Kinds::new(body, batch);
    if kinds.find(scan, carried).is_none() {
        return Ok(None);
    }
    let kind = |v: Value| kinds.get(v).unwrap_or(Kind::Shared);
    let per_block = (carried..scan.carry).map(|i| kind(body.outputs[i]) == Kind::Total).collect();
    let cut = body.inputs()[scan.carry..].iter().map(|&id| kind(only(id)) == Kind::Rows).collect();
    let blocks = Blocks { count: batch / rows, cut };
    Ok(Some(Cut { body: kinds.rebuild(rows)?, blocks, per_block }))
}

/// How a value lies to the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A row for each sample.
    Rows,
    /// The same for all samples.
    Shared,
    /// A sum over the samples.
    Total,
}

/// What an op may do with a batch: take rows of some operands and make rows, or their sum.
struct Role {
    /// Operands that have rows if the result has; the others are shared.
    rows: SmallVec<[bool; 3]>,
    result: Kind,
}

impl Role {
    fn all(node: &Node) -> Self {
        Self { rows: SmallVec::from_elem(true, node.inputs.len()), result: Kind::Rows }
    }

    fn first(node: &Node) -> Self {
        Self { rows: (0..node.inputs.len()).map(|i| i == 0).collect(), result: Kind::Rows }
    }
}

/// The kinds of the values of a body, as far as they are known.
struct Kinds<'g> {
    graph: &'g Graph,
    batch: usize,
    of: Vec<SmallVec<[Option<Kind>; 1]>>,
    changed: bool,
}

impl<'g> Kinds<'g> {
    fn new(graph: &'g Graph, batch: usize) -> Self {
        let of = graph.nodes().map(|(_, n)| SmallVec::from_elem(None, n.types.len())).collect();
        Self { graph, batch, of, changed: false }
    }

    fn get(&self, v: Value) -> Option<Kind> {
        self.of[v.node.0 as usize][v.index as usize]
    }

    fn is_constant(&self, v: Value) -> bool {
        matches!(self.graph.node(v.node).op, Op::Full(_))
    }

    /// `None` if the value is known to be of another kind, or cannot be of this one. A constant can be of
    /// several at once.
    fn set(&mut self, v: Value, kind: Kind) -> Option<()> {
        if kind == Kind::Rows && self.graph.ty(v).shape.first() != Some(&self.batch) {
            return None;
        }
        if self.is_constant(v) {
            return Some(());
        }
        let known = &mut self.of[v.node.0 as usize][v.index as usize];
        match *known {
            Some(known) => (known == kind).then_some(()),
            None => {
                *known = Some(kind);
                self.changed = true;
                Some(())
            }
        }
    }

    /// Finds the kinds of all values that matter; `None` if the loop cannot be cut.
    fn find(&mut self, scan: &Scan, carried: usize) -> Option<()> {
        for (i, &v) in self.graph.outputs.iter().enumerate() {
            if i < carried {
                self.set(only(self.graph.inputs()[i]), Kind::Rows)?;
            }
            if i < carried || i >= scan.carry {
                self.set(v, Kind::Rows)?;
            }
        }
        loop {
            self.changed = false;
            for (id, node) in self.graph.nodes() {
                let results = (0..node.types.len() as u32).map(|index| Value { node: id, index });
                self.apply(node, &results.collect::<SmallVec<[Value; 1]>>())?;
            }
            // What adds to a sum is of its kind.
            for i in carried..scan.carry {
                let (old, new) = (only(self.graph.inputs()[i]), self.graph.outputs[i]);
                if let Some(kind) = self.get(old).or(self.get(new)) {
                    self.set(old, kind)?;
                    self.set(new, kind)?;
                }
            }
            if !self.changed {
                break;
            }
        }
        // Sums that nothing is known of.
        (carried..scan.carry).all(|i| self.get(self.graph.outputs[i]).is_some()).then_some(())
    }

    /// What follows from an op; `None` if it cannot be cut.
    fn apply(&mut self, node: &Node, results: &[Value]) -> Option<()> {
        if matches!(node.op, Op::Input(_) | Op::Full(_)) {
            return Some(());
        }
        let operands = &node.inputs;
        if matches!(node.op, Op::Elementwise(Ew::Add | Ew::Sub | Ew::Neg) | Op::Cast(_))
            && operands.iter().chain(results).any(|&v| self.get(v) == Some(Kind::Total))
        {
            return operands.iter().chain(results).try_for_each(|&v| self.set(v, Kind::Total));
        }
        let Some(role) = self.role(node) else {
            return operands.iter().chain(results).try_for_each(|&v| self.set(v, Kind::Shared));
        };
        let members = || operands.iter().zip(&role.rows).filter(|(_, rows)| **rows).map(|(&v, _)| v);
        for v in operands.iter().zip(&role.rows).filter(|(_, rows)| !**rows).map(|(&v, _)| v) {
            self.set(v, Kind::Shared)?;
        }
        let result = results.iter().find_map(|&v| self.get(v));
        if members().any(|v| self.get(v) == Some(Kind::Rows)) || result.is_some_and(|k| k != Kind::Shared) {
            members().try_for_each(|v| self.set(v, Kind::Rows))?;
            return results.iter().try_for_each(|&v| self.set(v, role.result));
        }
        if members().any(|v| self.get(v).is_some()) || result.is_some() {
            members().chain(results.iter().copied()).try_for_each(|v| self.set(v, Kind::Shared))?;
        }
        Some(())
    }

    /// What the op can do with a batch; `None`: nothing.
    fn role(&self, node: &Node) -> Option<Role> {
        let shape = |i: usize| &self.graph.ty(node.inputs[i]).shape;
        let first = |i: usize| shape(i).first().copied();
        let whole = |n: Option<usize>| n.is_some_and(|n| n > 0);
        Some(match &node.op {
            Op::Elementwise(_) | Op::Cast(_) | Op::Bitcast(_) => Role::all(node),
            Op::Iota(iota) if iota.axis > 0 => Role::all(node),
            Op::Reshape(r) if whole(first(0)) && first(0) == r.shape.first().copied() => Role::all(node),
            Op::Broadcast(b) if whole(first(0)) => {
                let rows = SmallVec::from_elem(first(0) == b.shape.first().copied(), 1);
                Role { rows, result: Kind::Rows }
            }
            Op::Transpose(t) if t.perm.first() == Some(&0) => Role::all(node),
            Op::Slice(s) if s.start.first() == Some(&0) && s.limit.first() == shape(0).first() => {
                (s.stride[0] == 1).then(|| Role::all(node))?
            }
            Op::Reverse(r) if !r.axes.contains(&0) => Role::all(node),
            Op::Pad(p) if p.low.first() == Some(&0) && p.high[0] == 0 && p.interior[0] == 0 => {
                Role::first(node)
            }
            Op::Concat(c) if c.axis > 0 => Role::all(node),
            Op::Reduce(r) if !r.axes.contains(&0) => Role::all(node),
            Op::ArgReduce(r) if r.axis > 0 => Role::all(node),
            Op::Cumulative(c) if c.axis > 0 => Role::all(node),
            Op::Softmax(s) if s.axis > 0 => Role::all(node),
            Op::LogSoftmax(s) if s.axis > 0 => Role::all(node),
            Op::MatMul(_) if shape(0).rank() > 2 => {
                if shape(1).rank() > 2 {
                    Role::all(node)
                } else {
                    Role::first(node)
                }
            }
            Op::MatMul(m) if !m.transpose_a => Role::first(node),
            // Both are walked along the batch.
            Op::MatMul(m) if !m.transpose_b => Role { result: Kind::Total, ..Role::all(node) },
            _ => return None,
        })
    }

    /// The body with `rows` samples.
    fn rebuild(&self, rows: usize) -> Result<Graph> {
        let mut out = Graph::new();
        let mut values: Vec<SmallVec<[Value; 1]>> = Vec::with_capacity(self.graph.len());
        let is_cut = |v: Value| self.get(v) == Some(Kind::Rows);
        for (id, node) in self.graph.nodes() {
            let cut = is_cut(only(id));
            if matches!(node.op, Op::Input(_)) {
                let mut ty = node.types[0].clone();
                if cut {
                    ty.shape.0[0] = rows;
                }
                values.push(SmallVec::from_elem(out.input(ty), 1));
                continue;
            }
            // Which operands it takes rows of: constants among them have as many as are asked for.
            let role = self.role(node).filter(|role| self.get(only(id)) == Some(role.result));
            let mut inputs: SmallVec<[Value; 3]> = SmallVec::new();
            for (i, v) in node.inputs.iter().enumerate() {
                inputs.push(match &self.graph.node(v.node).op {
                    op @ Op::Full(_) if role.as_ref().is_some_and(|role| role.rows[i]) => {
                        out.add1(resized(op, rows), &[])?
                    }
                    _ => values[v.node.0 as usize][v.index as usize],
                });
            }
            let op = if cut { resized(&node.op, rows) } else { node.op.clone() };
            values.push(out.add(op, &inputs)?);
        }
        for &v in &self.graph.outputs {
            let value = match &self.graph.node(v.node).op {
                op @ Op::Full(_) => out.add1(resized(op, rows), &[])?,
                _ => values[v.node.0 as usize][v.index as usize],
            };
            out.outputs.push(value);
        }
        Ok(out)
    }
}

/// The op for that many rows.
fn resized(op: &Op, rows: usize) -> Op {
    let resize = |shape: &Shape| {
        let mut shape = shape.clone();
        if let Some(first) = shape.0.first_mut() {
            *first = rows;
        }
        shape
    };
    match op {
        Op::Full(full) => Full { shape: resize(&full.shape), ..full.clone() }.into(),
        Op::Iota(iota) => Iota { shape: resize(&iota.shape), ..iota.clone() }.into(),
        Op::Reshape(r) => Reshape { shape: resize(&r.shape) }.into(),
        Op::Broadcast(b) => Broadcast { shape: resize(&b.shape) }.into(),
        Op::Slice(s) => {
            let mut s = s.clone();
            s.limit[0] = rows;
            s.into()
        }
        other => other.clone(),
    }
}
