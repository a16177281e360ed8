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

mod vectorise;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::vectorise::{Lifted, contract, is_zero, lead, vectorise};
use super::only;
use super::rewrite::{Rewrite, use_counts};
use crate::op::{Ew, Reduce, ReduceKind, Scan};
use crate::shape::Dims;
use crate::{Error, Graph, Node, NodeId, Op, Result, TensorType, Value};

/// Rewrites every scan of the graph (not of sub-graphs).
pub(super) fn run(graph: &Graph) -> Result<Graph> {
    let uses = use_counts(graph);
    let mut out = Rewrite::new(graph);
    for (id, node) in graph.nodes() {
        match &node.op {
            Op::Input(_) => {}
            Op::Scan(scan) if scan.length > 0 => {
                let operands = out.operands(node)?;
                let used: Vec<bool> = uses[id.0 as usize].iter().map(|&n| n > 0).collect();
                let results = Loop::new(&mut out.graph, scan, &operands, &used)?.rewrite()?;
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

/// Sums of whole values (not of products) are taken out only if the values are this small, in bytes: each
/// step's is kept until the end.
const SMALL: usize = 4096;

/// Sums are looked into this deep.
const MAX_DEPTH: usize = 32;

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
    after: After,
}

/// What runs after the loop: a graph whose inputs are values around the loop and results of it.
#[derive(Default)]
struct After {
    graph: Graph,
    feeds: Vec<Feed>,
    known: FxHashMap<Value, Lifted>,
    outer: FxHashMap<Value, Value>,
}

/// What an input of [`After`] is.
#[derive(Clone, Copy)]
enum Feed {
    Outer(Value),
    /// A value of the body at every step.
    Steps(Value),
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
    fn new(outer: &'g mut Graph, scan: &'s Scan, operands: &'s [Value], used: &'s [bool]) -> Result<Self> {
        let body = &*scan.body;
        let lifted = body.nodes().map(|(_, n)| SmallVec::from_elem(None, n.types.len())).collect();
        let uses = use_counts(body);
        let mut this = Self { outer, scan, body, operands, used, lifted, uses, after: After::default() };
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
            Some(Lifted::Steps(_)) => !is_light(op),
        }
    }

    fn rewrite(mut self) -> Result<Vec<Option<Value>>> {
        let sums = self.sums()?;
        let mut sources = self.sources(&sums);
        self.results_after(&mut sources)?;
        self.finish(&sources)
    }

    /// For each carry the sum that it is, if it is one.
    fn sums(&mut self) -> Result<Vec<Option<Value>>> {
        let running = self.running_sums();
        let mut sums = Vec::new();
        for i in 0..self.scan.carry {
            let terms = if self.used[i] { self.terms(i, &running) } else { None };
            sums.push(match terms {
                Some(terms) => self.total(i, &terms)?,
                None => None,
            });
        }
        Ok(sums)
    }

    fn uses(&self, v: Value) -> u32 {
        self.uses[v.node.0 as usize][v.index as usize]
    }

    /// For each node the carry of which it is the running sum: the carry, with something added, each of
    /// these used only once.
    fn running_sums(&self) -> Vec<Option<u32>> {
        let mut running: Vec<Option<u32>> = Vec::with_capacity(self.body.len());
        for (id, node) in self.body.nodes() {
            let of = |v: Value, running: &[Option<u32>]| running[v.node.0 as usize];
            let sum = match (&node.op, node.inputs.as_slice()) {
                (Op::Input(n), _) => Some(*n).filter(|&n| (n as usize) < self.scan.carry),
                (Op::Elementwise(Ew::Add), &[a, b]) => of(a, &running).or(of(b, &running)),
                (Op::Elementwise(Ew::Sub), &[a, _]) => of(a, &running),
                _ => None,
            };
            running.push(sum.filter(|_| self.uses(only(id)) == 1));
        }
        running
    }

    /// What is added to carry `i` (and whether it is subtracted), if nothing else happens to it.
    fn terms(&self, i: usize, running: &[Option<u32>]) -> Option<Vec<(Value, bool)>> {
        let is_sum = |v: Value| running[v.node.0 as usize] == Some(i as u32);
        let mut at = self.body.outputs[i];
        let mut terms = Vec::new();
        while is_sum(at) && at != self.input(i) {
            let node = self.body.node(at.node);
            let &[a, b] = node.inputs.as_slice() else { return None };
            let (sum, term) = if is_sum(a) { (a, b) } else { (b, a) };
            terms.push((term, node.op == Op::Elementwise(Ew::Sub)));
            at = sum;
        }
        (at == self.input(i) && !terms.is_empty()).then_some(terms)
    }

    /// The initial carry plus the sum over all steps of all terms.
    fn total(&mut self, i: usize, terms: &[(Value, bool)]) -> Result<Option<Value>> {
        let init = self.operands[i];
        let mut sum =
            if is_zero(self.outer, init) { None } else { Some(self.after.outer(self.outer, init)?) };
        for &(term, minus) in terms {
            let Some(total) = self.sum(term, 0)? else { return Ok(None) };
            let graph = &mut self.after.graph;
            sum = Some(match (sum, minus) {
                (Some(sum), false) => graph.add1(Op::Elementwise(Ew::Add), &[sum, total])?,
                (Some(sum), true) => graph.add1(Op::Elementwise(Ew::Sub), &[sum, total])?,
                (None, false) => total,
                (None, true) => graph.add1(Op::Elementwise(Ew::Neg), &[total])?,
            });
        }
        Ok(sum)
    }

    /// The sum of a value over all steps, computed after the loop; `None` if that does not pay.
    fn sum(&mut self, v: Value, depth: usize) -> Result<Option<Value>> {
        if depth > MAX_DEPTH {
            return Ok(None);
        }
        let node = self.body.node(v.node);
        // Which operands the op is linear in, the others being the same at every step.
        let linear: Option<&[usize]> = match (&node.op, node.inputs.as_slice()) {
            (Op::Elementwise(Ew::Add | Ew::Sub), _) => Some(&[0, 1]),
            (Op::Elementwise(Ew::Neg), _) => Some(&[0]),
            (Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Reverse(_), _) => Some(&[0]),
            (Op::Elementwise(Ew::Mul) | Op::MatMul(_), x) if self.is_same(x[0]) => Some(&[1]),
            (Op::Elementwise(Ew::Mul | Ew::Div) | Op::MatMul(_), x) if self.is_same(x[1]) => Some(&[0]),
            (Op::Pad(_), x) if self.is_zero(x[1]) => Some(&[0]),
            (Op::Cast(to), x) if to.is_float() && self.body.ty(x[0]).dtype.is_float() => Some(&[0]),
            _ => None,
        };
        if let Some(linear) = linear {
            let mut operands: SmallVec<[Value; 3]> = SmallVec::new();
            for (i, &x) in node.inputs.iter().enumerate() {
                operands.push(if linear.contains(&i) {
                    let Some(total) = self.sum(x, depth + 1)? else { return Ok(None) };
                    total
                } else {
                    self.value_after(x)?.value()
                });
            }
            return self.after.graph.add1(node.op.clone(), &operands).map(Some);
        }
        if matches!(node.op, Op::Reduce(_) | Op::MatMul(_) | Op::ConvGradKernel(_) | Op::ScatterNd(_)) {
            let operands = node.inputs.iter().map(|&x| self.value_after(x));
            let operands = operands.collect::<Result<SmallVec<[Lifted; 3]>>>()?;
            if let Some(total) = contract(&mut self.after.graph, &node.op, &operands, self.scan.length)? {
                return Ok(Some(total));
            }
        }
        if self.body.ty(v).bytes() > SMALL {
            return Ok(None);
        }
        let steps = self.value_after(v)?.steps(&mut self.after.graph, self.scan.length)?;
        let axes: Dims = std::iter::once(0).collect();
        self.after.graph.add1(Reduce { kind: ReduceKind::Sum, axes }, &[steps]).map(Some)
    }

    /// Whether a value of the body is the same at every step.
    fn is_same(&self, v: Value) -> bool {
        matches!(self.lifted(v), Some(Lifted::Same(_)))
    }

    fn is_zero(&self, v: Value) -> bool {
        matches!(self.lifted(v), Some(Lifted::Same(x)) if is_zero(self.outer, x))
    }

    /// The value after the loop: known around it, computed there, or returned by it.
    fn value_after(&mut self, v: Value) -> Result<Lifted> {
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
        let fed = self.after.fed(&roots(sources));
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

    /// Writes the loop and what follows it; the value of each result that is used.
    fn finish(self, sources: &[Source]) -> Result<Vec<Option<Value>>> {
        let roots = roots(sources);
        let (body, carry, length) = (self.body, self.scan.carry, self.scan.length);
        // Results per step: each distinct value once.
        let mut ys: Vec<Value> = Vec::new();
        let results = sources.iter().zip(&body.outputs).skip(carry);
        let results = results.filter(|(s, _)| matches!(s, Source::Loop)).map(|(_, &v)| v);
        for v in results.chain(self.after.fed(&roots)) {
            if !ys.contains(&v) {
                ys.push(v);
            }
        }
        let alive = self.needed(self.returned(sources).into_iter().chain(ys.iter().copied()), true);
        let carries: Vec<usize> = (0..carry)
            .filter(|&i| {
                let read = alive[self.input(i).node.0 as usize] && !self.is_constant(i);
                read || matches!(sources[i], Source::Loop)
            })
            .collect();
        let new = self.new_body(&carries, &ys)?;
        let mut operands: Vec<Value> = carries.iter().map(|&i| self.operands[i]).collect();
        operands.extend(new.xs.iter().chain(&new.constants));
        let results = if carries.is_empty() && ys.is_empty() {
            SmallVec::new()
        } else {
            let (carry, xs, reverse) = (carries.len(), new.xs.len(), self.scan.reverse);
            self.outer.add(Scan { body: Arc::new(new.body), carry, xs, length, reverse }, &operands)?
        };
        let of_ys = |v: Value| ys.iter().position(|&y| y == v).map(|i| results[carries.len() + i]);
        let missing = || Error::Internal("hoist: a result of a scan was lost".into());
        // After the loop.
        let mut values: FxHashMap<Value, Value> = FxHashMap::default();
        let needed = self.after.needed(&roots);
        for (id, node) in self.after.graph.nodes().filter(|(id, _)| needed[id.0 as usize]) {
            if let Op::Input(n) = node.op {
                let value = match self.after.feeds[n as usize] {
                    Feed::Outer(v) => v,
                    Feed::Steps(v) => of_ys(v).ok_or_else(missing)?,
                };
                values.insert(only(id), value);
                continue;
            }
            let inputs = node.inputs.iter().map(|v| values[v]).collect();
            let new = self.outer.push_node(Node { inputs, ..node.clone() });
            for index in 0..node.types.len() as u32 {
                values.insert(Value { node: id, index }, Value { node: new, index });
            }
        }
        let mut out = Vec::with_capacity(sources.len());
        for (i, source) in sources.iter().enumerate() {
            out.push(match *source {
                Source::Unused => None,
                Source::Loop if i < carry => {
                    let at = carries.iter().position(|&c| c == i).ok_or_else(missing)?;
                    Some(results[at])
                }
                Source::Loop => Some(of_ys(body.outputs[i]).ok_or_else(missing)?),
                Source::Outer(Lifted::Same(v)) if i < carry => Some(v),
                Source::Outer(lifted) => Some(lifted.steps(self.outer, length)?),
                Source::Sum(v) | Source::After(Lifted::Steps(v)) => Some(values[&v]),
                Source::After(Lifted::Same(v)) => Some(Lifted::Same(values[&v]).steps(self.outer, length)?),
            });
        }
        Ok(out)
    }

    /// The body with the given carries and results; what is hoisted comes in as slices and constants.
    fn new_body(&self, carries: &[usize], ys: &[Value]) -> Result<NewBody> {
        let body = self.body;
        let roots: Vec<Value> = carries.iter().map(|&i| body.outputs[i]).chain(ys.iter().copied()).collect();
        let needed = self.needed(roots.iter().copied(), false);
        let mut new = NewBody::default();
        let mut values: FxHashMap<Value, Value> = FxHashMap::default();
        for &i in carries {
            let input = self.input(i);
            values.insert(input, new.body.input(body.ty(input).clone()));
        }
        // Slices first, then constants, in the order in which they are met; each once.
        for steps in [true, false] {
            let mut seen: FxHashMap<Value, Value> = FxHashMap::default();
            for (id, node) in body.nodes().filter(|(id, _)| needed[id.0 as usize]) {
                for index in 0..node.types.len() as u32 {
                    let v = Value { node: id, index };
                    let outside = match self.lifted(v).filter(|_| self.is_hoisted(v)) {
                        Some(Lifted::Steps(x)) if steps => x,
                        Some(Lifted::Same(x)) if !steps => x,
                        _ => continue,
                    };
                    // Constants known by value need not come in.
                    let made = &self.outer.node(outside.node).op;
                    if let (Op::Full(_), false) = (made, steps) {
                        let full = new.body.add1(made.clone(), &[])?;
                        values.insert(v, full);
                        continue;
                    }
                    let inside = *seen.entry(outside).or_insert_with(|| {
                        if steps {
                            new.xs.push(outside)
                        } else {
                            new.constants.push(outside)
                        }
                        new.body.input(body.ty(v).clone())
                    });
                    values.insert(v, inside);
                }
            }
        }
        for (id, node) in body.nodes().filter(|(id, _)| needed[id.0 as usize]) {
            let known =
                (0..node.types.len() as u32).all(|index| values.contains_key(&Value { node: id, index }));
            if known {
                continue;
            }
            let lost = || Error::Internal(format!("hoist: {} lost an operand", node.op.name()));
            let inputs = node.inputs.iter().map(|v| values.get(v).copied().ok_or_else(lost));
            let inputs = inputs.collect::<Result<_>>()?;
            let copy = new.body.push_node(Node { inputs, ..node.clone() });
            for index in 0..node.types.len() as u32 {
                values.entry(Value { node: id, index }).or_insert(Value { node: copy, index });
            }
        }
        new.body.outputs = roots
            .iter()
            .map(|v| values.get(v).copied().ok_or_else(|| Error::Internal("hoist: lost a result".into())))
            .collect::<Result<_>>()?;
        Ok(new)
    }
}

#[derive(Default)]
struct NewBody {
    body: Graph,
    xs: Vec<Value>,
    constants: Vec<Value>,
}

/// The values of [`After`] that are results.
fn roots(sources: &[Source]) -> Vec<Value> {
    let root = |source: &Source| match *source {
        Source::After(lifted) => Some(lifted.value()),
        Source::Sum(v) => Some(v),
        _ => None,
    };
    sources.iter().filter_map(root).collect()
}

impl After {
    fn input(&mut self, ty: TensorType, feed: Feed) -> Value {
        self.feeds.push(feed);
        self.graph.input(ty)
    }

    /// A value around the loop.
    fn outer(&mut self, outer: &Graph, v: Value) -> Result<Value> {
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

    fn needed(&self, roots: &[Value]) -> Vec<bool> {
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

    /// The values of the body that the roots need.
    fn fed(&self, roots: &[Value]) -> Vec<Value> {
        let needed = self.needed(roots);
        let inputs = self.graph.inputs().iter().zip(&self.feeds);
        let steps = |(id, feed): (&NodeId, &Feed)| match feed {
            Feed::Steps(v) if needed[id.0 as usize] => Some(*v),
            _ => None,
        };
        inputs.filter_map(steps).collect()
    }
}

/// Whether the op costs no more in the loop than reading its result there would.
fn is_light(op: &Op) -> bool {
    super::fuse::is_inlinable(op) || matches!(op, Op::Bitcast(_))
}

#[cfg(test)]
mod tests;
