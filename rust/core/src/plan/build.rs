//! From a graph to a plan: order, lifetimes, places.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::arena::Arena;
use super::{Operand, Place, Plan, Step};
use crate::kernel::{Kernel, Load};
use crate::{Error, Graph, Node, NodeId, Op, Result, TensorType, Value};

/// A piece of memory: what a value and all its views share.
#[derive(Debug, Clone)]
struct Storage {
    bytes: usize,
    /// The node that writes it.
    writer: NodeId,
    /// Where it lies; arena offsets are set when the step that writes it is reached.
    place: Option<Place>,
    /// The last step that reads it.
    last_read: Option<usize>,
    /// Nodes that read it, each once.
    readers: SmallVec<[NodeId; 2]>,
}

/// An instruction before places are known.
enum Draft {
    Node(NodeId),
    /// The value copied to an output.
    Copy(Value, u32),
}

struct Builder<'g> {
    graph: &'g Graph,
    storages: Vec<Storage>,
    /// For each node the storage of each output.
    of: Vec<SmallVec<[u32; 1]>>,
    live: Vec<bool>,
}

/// Builds the plan of `graph` with the given (output, input) donations.
pub(super) fn build(graph: &Graph, donations: &[(usize, usize)], alignment: usize) -> Result<Plan> {
    if !graph.replacements().is_empty() {
        return Err(Error::Internal("plan: the graph has pending replacements".into()));
    }
    let mut builder = Builder::new(graph)?;
    let (first_copies, last_copies) = builder.place_ends();
    let order = builder.order(donations);
    let order = order.into_iter().map(Draft::Node);
    let drafts: Vec<Draft> = first_copies.into_iter().chain(order).chain(last_copies).collect();
    builder.lifetimes(&drafts);
    let mut arena = Arena::new(alignment);
    let mut steps = Vec::with_capacity(drafts.len());
    for (i, draft) in drafts.iter().enumerate() {
        steps.push(builder.step(i, draft, &mut arena)?);
    }
    let outputs = graph.output_types();
    let donations = safe_donations(&steps, &graph.input_types(), &outputs, donations);
    Ok(Plan {
        inputs: graph.input_types(),
        outputs,
        donations,
        steps,
        arena_bytes: arena.size(),
        source_nodes: graph.len(),
    })
}

/// Whether the node's outputs are views of its first operands.
fn is_view(op: &Op) -> bool {
    matches!(op, Op::Reshape(_) | Op::Bitcast(_) | Op::CustomVjp(_))
}

impl<'g> Builder<'g> {
    fn new(graph: &'g Graph) -> Result<Self> {
        let mut storages: Vec<Storage> = Vec::with_capacity(graph.len());
        let mut of: Vec<SmallVec<[u32; 1]>> = Vec::with_capacity(graph.len());
        for (id, node) in graph.nodes() {
            let mut own = SmallVec::new();
            for (index, ty) in node.types.iter().enumerate() {
                let viewed = node.inputs.get(index).filter(|_| is_view(&node.op));
                own.push(match viewed {
                    Some(v) => of[v.node.0 as usize][v.index as usize],
                    None => {
                        let place = match node.op {
                            Op::Input(n) => Some(Place::Input(n)),
                            _ => None,
                        };
                        let bytes = ty.bytes();
                        storages.push(Storage {
                            bytes,
                            writer: id,
                            place,
                            last_read: None,
                            readers: SmallVec::new(),
                        });
                        storages.len() as u32 - 1
                    }
                });
            }
            if node.inputs.iter().any(|v| v.node >= id) {
                return Err(Error::Internal("plan: the graph is not in topological order".into()));
            }
            of.push(own);
        }
        let mut live = vec![false; graph.len()];
        for v in &graph.outputs {
            live[v.node.0 as usize] = true;
        }
        for i in (0..graph.len()).rev() {
            if live[i] {
                for v in &graph.node(NodeId(i as u32)).inputs {
                    live[v.node.0 as usize] = true;
                }
            }
        }
        let mut this = Self { graph, storages, of, live };
        for (id, node) in graph.nodes().filter(|(id, n)| this.live[id.0 as usize] && is_step(n)) {
            for &v in &node.inputs {
                let readers =
                    &mut this.storages[this.of[v.node.0 as usize][v.index as usize] as usize].readers;
                if readers.last() != Some(&id) {
                    readers.push(id);
                }
            }
        }
        Ok(this)
    }

    fn storage(&self, v: Value) -> usize {
        self.of[v.node.0 as usize][v.index as usize] as usize
    }

    /// Gives outputs to the storages that can lie there; the others are copied: inputs before anything
    /// else (so that no donation comes between), the rest after everything.
    fn place_ends(&mut self) -> (Vec<Draft>, Vec<Draft>) {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (o, &v) in self.graph.outputs.iter().enumerate() {
            let storage = self.storage(v);
            match self.storages[storage].place {
                None => self.storages[storage].place = Some(Place::Output(o as u32)),
                Some(Place::Input(_)) => first.push(Draft::Copy(v, o as u32)),
                Some(_) => last.push(Draft::Copy(v, o as u32)),
            }
        }
        (first, last)
    }

    /// Order of the nodes that do something: the graph's, but what frees more memory than it takes runs
    /// as soon as it can, except that a donated input is not written before its other readers have run.
    fn order(&self, donations: &[(usize, usize)]) -> Vec<NodeId> {
        let mut order = Vec::with_capacity(self.graph.len());
        let mut done: Vec<bool> = (0..self.graph.len()).map(|i| !self.live[i]).collect();
        let mut unread: Vec<u32> = self.storages.iter().map(|s| s.readers.len() as u32).collect();
        let mut donors: rustc_hash::FxHashMap<NodeId, SmallVec<[usize; 2]>> = Default::default();
        for &(o, i) in donations {
            if let (Some(&v), Some(&input)) = (self.graph.outputs.get(o), self.graph.inputs().get(i)) {
                donors.entry(v.node).or_default().push(self.of[input.0 as usize][0] as usize);
            }
        }
        let mut stack: SmallVec<[NodeId; 8]> = SmallVec::new();
        for (id, _) in self.graph.nodes() {
            stack.push(id);
            while let Some(next) = stack.pop() {
                if done[next.0 as usize] {
                    continue;
                }
                done[next.0 as usize] = true;
                let node = self.graph.node(next);
                if is_step(node) {
                    order.push(next);
                    for s in self.distinct_operands(node) {
                        unread[s] -= 1;
                    }
                }
                // What has become ready, or the last reader of something, is near: it reads the same.
                let near = node.inputs.iter().map(|&v| self.storage(v));
                let near = near.chain(self.of[next.0 as usize].iter().map(|&s| s as usize));
                let mut candidates: SmallVec<[NodeId; 8]> = near
                    .filter(|&s| self.storages[s].bytes >= WORTH && unread[s] <= CROWD)
                    .flat_map(|s| self.storages[s].readers.iter().copied())
                    .filter(|c| !done[c.0 as usize])
                    .collect();
                candidates.sort_unstable();
                candidates.dedup();
                candidates.retain(|c| {
                    let node = self.graph.node(*c);
                    self.ready(node, &done)
                        && self.gain(node, *c, &unread) > 0
                        && donors.get(c).is_none_or(|inputs| {
                            let reads: SmallVec<[usize; 4]> = self.distinct_operands(node).collect();
                            inputs.iter().all(|&s| unread[s] == u32::from(reads.contains(&s)))
                        })
                });
                stack.extend(candidates.into_iter().rev());
            }
        }
        order
    }

    fn ready(&self, node: &Node, done: &[bool]) -> bool {
        node.inputs.iter().all(|&v| done[self.storages[self.storage(v)].writer.0 as usize])
    }

    /// Arena bytes that running the node now frees, less those it takes.
    fn gain(&self, node: &Node, id: NodeId, unread: &[u32]) -> isize {
        let in_arena = |s: usize| self.storages[s].place.is_none();
        let freed = self.distinct_operands(node).filter(|&s| in_arena(s) && unread[s] == 1);
        let taken = self.of[id.0 as usize].iter().map(|&s| s as usize).filter(|&s| in_arena(s));
        let bytes = |s: usize| self.storages[s].bytes as isize;
        freed.map(bytes).sum::<isize>() - taken.map(bytes).sum::<isize>()
    }

    fn distinct_operands<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = usize> + 'a {
        let storages = node.inputs.iter().map(|&v| self.storage(v));
        storages.enumerate().filter_map(|(i, s)| {
            let earlier = node.inputs[..i].iter().any(|&v| self.storage(v) == s);
            (!earlier).then_some(s)
        })
    }

    fn lifetimes(&mut self, drafts: &[Draft]) {
        for (i, draft) in drafts.iter().enumerate() {
            let mut read = |v: Value| {
                let storage = self.of[v.node.0 as usize][v.index as usize] as usize;
                self.storages[storage].last_read = Some(i);
            };
            match draft {
                Draft::Node(id) => self.graph.node(*id).inputs.iter().for_each(|&v| read(v)),
                Draft::Copy(v, _) => read(*v),
            }
        }
    }

    /// Places the results of one step and frees what it reads last.
    fn step(&mut self, i: usize, draft: &Draft, arena: &mut Arena) -> Result<Step> {
        match *draft {
            Draft::Copy(v, output) => {
                let ty = self.graph.ty(v).clone();
                let input = self.operand(v)?;
                let outputs = smallvec![Operand { place: Place::Output(output), ty: ty.clone() }];
                self.release(&[self.storage(v)], i, arena);
                Ok(Step { op: copy(&ty), inputs: smallvec![input], outputs, plans: Vec::new() })
            }
            Draft::Node(id) => {
                let node = self.graph.node(id);
                let results: SmallVec<[usize; 2]> =
                    self.of[id.0 as usize].iter().map(|&s| s as usize).collect();
                let mut taken: SmallVec<[usize; 2]> = SmallVec::new();
                for (index, &s) in results.iter().enumerate() {
                    if self.storages[s].place.is_none() {
                        let offset = match self.dying_operand(node, index, i, &taken) {
                            Some((operand, offset)) => {
                                taken.push(operand);
                                offset
                            }
                            None => arena.take(self.storages[s].bytes),
                        };
                        self.storages[s].place = Some(Place::Arena(offset));
                    }
                }
                let inputs = node.inputs.iter().map(|&v| self.operand(v)).collect::<Result<_>>()?;
                let outputs = (0..node.types.len() as u32)
                    .map(|index| self.operand(Value { node: id, index }))
                    .collect::<Result<_>>()?;
                let dying: SmallVec<[usize; 4]> =
                    self.distinct_operands(node).filter(|s| !taken.contains(s)).collect();
                self.release(&dying, i, arena);
                for s in results {
                    if self.storages[s].last_read.is_none() {
                        self.give(s, arena);
                    }
                }
                Ok(Step {
                    op: node.op.clone(),
                    inputs,
                    outputs,
                    plans: sub_plans(&node.op, arena.alignment())?,
                })
            }
        }
    }

    /// An operand in the arena that dies at step i and over which result `index` may be written.
    fn dying_operand(&self, node: &Node, index: usize, i: usize, taken: &[usize]) -> Option<(usize, usize)> {
        let Op::Fused(kernel) = &node.op else { return None };
        let result = &node.types[index];
        node.inputs.iter().find_map(|&v| {
            let s = self.storage(v);
            let storage = &self.storages[s];
            let Some(Place::Arena(offset)) = storage.place else { return None };
            let free = storage.last_read == Some(i) && storage.bytes == result.bytes() && !taken.contains(&s);
            let operands = node.inputs.iter().map(|&w| (self.storage(w) == s, self.graph.ty(w)));
            (free && in_step(kernel, operands, result)).then_some((s, offset))
        })
    }

    fn operand(&self, v: Value) -> Result<Operand> {
        let place = self.storages[self.storage(v)].place;
        let place =
            place.ok_or_else(|| Error::Internal("plan: a value is read before it is written".into()))?;
        Ok(Operand { place, ty: self.graph.ty(v).clone() })
    }

    fn release(&self, storages: &[usize], i: usize, arena: &mut Arena) {
        for &s in storages {
            if self.storages[s].last_read == Some(i) {
                self.give(s, arena);
            }
        }
    }

    fn give(&self, s: usize, arena: &mut Arena) {
        if let Some(Place::Arena(offset)) = self.storages[s].place {
            arena.give(offset, self.storages[s].bytes);
        }
    }
}

/// Bytes from which the order of steps is changed for a value's sake.
const WORTH: usize = 4096;
/// Values with more readers than this are not looked at: something else is near.
const CROWD: u32 = 64;

/// Whether the node is an instruction.
fn is_step(node: &Node) -> bool {
    !is_view(&node.op) && !matches!(node.op, Op::Input(_))
}

/// Copies a tensor.
fn copy(ty: &TensorType) -> Op {
    let n = ty.shape.numel();
    let space: SmallVec<[usize; 6]> = if n == 1 { smallvec![] } else { smallvec![n] };
    let strides = SmallVec::from_elem(1, space.len());
    let load = Load { operand: 0, dtype: ty.dtype, offset: 0, strides };
    let (loads, body) = (vec![load], Vec::new());
    Op::Fused(Arc::new(Kernel { space, reduced: 0, loads, body, reduction: None, stores: smallvec![0] }))
}

/// Whether a kernel that writes `result` over an operand reads each of its elements no later than it
/// writes that element. `operands` says which of its operands lie there.
fn in_step<'t>(
    kernel: &Kernel,
    operands: impl Iterator<Item = (bool, &'t TensorType)>,
    result: &TensorType,
) -> bool {
    kernel.reduction.is_none()
        && operands.enumerate().filter(|(_, (there, _))| *there).all(|(number, (_, ty))| {
            let mut loads = kernel.loads.iter().filter(|l| l.operand as usize == number);
            ty.dtype.size() == result.dtype.size() && loads.all(|l| kernel.is_identity(l))
        })
}

fn sub_plans(op: &Op, alignment: usize) -> Result<Vec<Arc<Plan>>> {
    let carried = |n: usize| (0..n).map(|i| (i, i)).collect::<Vec<_>>();
    let plan = |graph: &Graph, donations: &[(usize, usize)]| build(graph, donations, alignment).map(Arc::new);
    match op {
        Op::Scan(s) => Ok(vec![plan(&s.body, &carried(s.carry))?]),
        Op::While(w) => Ok(vec![plan(&w.condition, &[])?, plan(&w.body, &carried(w.carry))?]),
        Op::Cond(c) => Ok(vec![plan(&c.then, &[])?, plan(&c.otherwise, &[])?]),
        _ => Ok(Vec::new()),
    }
}

/// The donations that cannot be noticed.
fn safe_donations(
    steps: &[Step],
    inputs: &[TensorType],
    outputs: &[TensorType],
    wanted: &[(usize, usize)],
) -> Vec<Option<u32>> {
    // For each input its last reader, for each output its writer.
    let mut last_read: Vec<Option<usize>> = vec![None; inputs.len()];
    let mut written: Vec<Option<usize>> = vec![None; outputs.len()];
    for (i, step) in steps.iter().enumerate() {
        for operand in &step.inputs {
            if let Place::Input(n) = operand.place {
                last_read[n as usize] = Some(i);
            }
        }
        for result in &step.outputs {
            if let Place::Output(n) = result.place {
                written[n as usize] = Some(i);
            }
        }
    }
    let mut donations = vec![None; outputs.len()];
    let mut taken = vec![false; inputs.len()];
    for &(o, i) in wanted {
        let (Some(output), Some(input)) = (outputs.get(o), inputs.get(i)) else { continue };
        let Some(writer) = written[o] else { continue };
        if output.bytes() != input.bytes() || taken[i] || donations[o].is_some() {
            continue;
        }
        let place = Place::Input(i as u32);
        let safe = match last_read[i] {
            None => true,
            Some(read) if read < writer => true,
            Some(read) => {
                let step = &steps[writer];
                let here = step.inputs.iter().map(|x| (x.place == place, &x.ty));
                match &step.op {
                    // A copy of itself changes nothing, whoever reads it later.
                    Op::Fused(k) if k.body.is_empty() && step.inputs[0].place == place => {
                        k.loads.iter().all(|l| k.is_identity(l)) && step.outputs.len() == 1
                    }
                    Op::Fused(k) => read == writer && in_step(k, here, output),
                    _ => false,
                }
            }
        };
        if safe {
            donations[o] = Some(i as u32);
            taken[i] = true;
        }
    }
    donations
}
