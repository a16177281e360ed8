//! Fusion: element-wise ops, casts, movements, constants and reductions become kernels.
//!
//! A value that a kernel can compute is either *inlined* (computed in the registers of each kernel that
//! uses it) or a *root* (stored by one kernel). Nodes are looked at from the last to the first, so that
//! all uses of a value are known when it is decided:
//!
//! * a value that a library op, an output or a sub-graph reads is a root;
//! * others are inlined when that costs no more than storing and loading (one use: always, unless a
//!   broadcast repeats it), and when the kernels using it stay within their limits and can address the
//!   operands (see [`map`]);
//! * a root joins a kernel that already exists, as one more output, if it has the same number of points
//!   and no path leads from its other uses to that kernel; else it starts a kernel.
//!
//! All this is in terms of flat points; a kernel's axes are found when it is written down
//! ([`emit`]).

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use self::cost::{Estimate, Instance};
pub(crate) use self::emit::identity;
use self::map::{Cuts, Map};
use crate::{Graph, NodeId, Op, Result, Value};

mod cost;
mod emit;
mod map;

/// Most loads in a kernel: arguments are few on some devices.
pub const MAX_LOADS: usize = 24;
/// Most scalar instructions in a kernel.
pub const MAX_BODY: usize = 64;
/// Most values stored by a kernel.
pub const MAX_STORES: usize = 8;
/// Most movements inlined into a kernel: bounds the recursion that writes it down.
const MAX_MOVES: usize = 64;
/// Tensors this small are worth joining into one kernel even if they share nothing.
const TINY: usize = 64;
/// Nodes visited in search of a path before giving up (and assuming that there is one).
const MAX_SEARCH: usize = 256;
/// Kernels that share only an operand join only if they are near each other: joining lengthens lives.
const NEIGHBOURHOOD: usize = 256;

/// Replaces all fusable nodes by kernels. With `enabled` false each gets its own.
pub(super) fn run(graph: &Graph, enabled: bool) -> Result<Graph> {
    let mut fusion = Fusion::new(graph, enabled);
    for i in (0..graph.len()).rev() {
        fusion.decide(NodeId(i as u32));
    }
    emit::emit(&fusion)
}

/// Whether a kernel can compute the op.
fn is_fusable(op: &Op) -> bool {
    is_inlinable(op) || matches!(op, Op::Reduce(_))
}

/// Whether a kernel can compute the op on the way to something else.
pub(super) fn is_inlinable(op: &Op) -> bool {
    matches!(op, Op::Elementwise(_) | Op::Cast(_) | Op::Full(_) | Op::Iota(_)) || is_movement(op)
}

fn is_movement(op: &Op) -> bool {
    matches!(op, Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast(_) | Op::Slice(_) | Op::Reverse(_))
}

/// What becomes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing needs it.
    Dead,
    /// It stays a node: a library op, an input, a reshape or bitcast of something stored.
    Stays,
    /// It has no place of its own.
    Inlined,
    /// A kernel stores it.
    Root(u32),
}

/// A value read by a kernel, so far as a load.
#[derive(Debug, Clone)]
struct Use {
    group: u32,
    map: Map,
}

/// A kernel in the making.
#[derive(Debug)]
struct Group {
    /// Points of its loops, reduced ones included.
    points: usize,
    /// How many points are reduced into one.
    reduced: Option<usize>,
    /// Whether the reduced axes are the operand's last: then the order of its loops is that of memory.
    trailing: bool,
    /// Values stored.
    roots: SmallVec<[NodeId; 2]>,
    cuts: Cuts,
    /// Distinct (value, map) pairs read: an upper bound of the loads.
    loads: usize,
    /// Scalar instructions, an upper bound.
    body: usize,
    moves: usize,
}

/// What inlining or joining adds to a group.
#[derive(Debug, Default, Clone)]
struct Added {
    reads: SmallVec<[(Value, Map); 3]>,
    cuts: Cuts,
    removed: usize,
    body: usize,
    moves: usize,
}

struct Fusion<'g> {
    graph: &'g Graph,
    enabled: bool,
    /// Number of the first output of each node among all values.
    base: Vec<u32>,
    /// For each value the nodes that read it.
    consumers: Vec<SmallVec<[NodeId; 2]>>,
    estimates: Vec<Estimate>,
    /// For each value the kernels that read it. Complete when the node is decided.
    uses: Vec<SmallVec<[Use; 1]>>,
    /// For each value whether something other than a kernel reads it.
    external: Vec<bool>,
    fates: Vec<Fate>,
    groups: Vec<Group>,
    /// The newest kernel of few points by their number.
    tiny: FxHashMap<usize, u32>,
}

impl<'g> Fusion<'g> {
    fn new(graph: &'g Graph, enabled: bool) -> Self {
        let mut base = Vec::with_capacity(graph.len());
        let mut count = 0;
        for (_, node) in graph.nodes() {
            base.push(count);
            count += node.types.len() as u32;
        }
        let number = |v: Value| (base[v.node.0 as usize] + v.index) as usize;
        let mut consumers: Vec<SmallVec<[NodeId; 2]>> = vec![SmallVec::new(); count as usize];
        let mut external = vec![false; count as usize];
        for (id, node) in graph.nodes() {
            for &v in &node.inputs {
                let list = &mut consumers[number(v)];
                if list.last() != Some(&id) {
                    list.push(id);
                }
            }
        }
        for &v in &graph.outputs {
            external[number(v)] = true;
        }
        let single = |v: Value| consumers[number(v)].len() == 1 && !external[number(v)];
        let estimates = cost::estimates(graph, &single);
        Self {
            graph,
            enabled,
            consumers,
            estimates,
            uses: vec![SmallVec::new(); count as usize],
            external,
            fates: vec![Fate::Dead; graph.len()],
            groups: Vec::new(),
            tiny: FxHashMap::default(),
            base,
        }
    }

    fn number(&self, v: Value) -> usize {
        (self.base[v.node.0 as usize] + v.index) as usize
    }

    fn fate(&self, id: NodeId) -> Fate {
        self.fates[id.0 as usize]
    }

    /// Whether reads of the value become constants in the kernel.
    fn is_constant(&self, v: Value) -> bool {
        self.enabled && matches!(self.graph.node(v.node).op, Op::Full(_))
    }

    fn decide(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        if !is_fusable(&node.op) {
            let outputs = self.base[id.0 as usize] as usize..;
            let used = outputs.zip(&node.types).any(|(i, _)| self.external[i] || !self.uses[i].is_empty());
            if used || matches!(node.op, Op::Input(_)) {
                self.stay(id);
            }
            return;
        }
        let value = super::only(id);
        let number = self.number(value);
        if !self.external[number] {
            if self.uses[number].is_empty() {
                return;
            }
            if self.enabled && self.try_inline(id) {
                return;
            }
        }
        if matches!(node.op, Op::Reshape(_)) {
            self.stay(id);
        } else if !(self.enabled && self.try_join(id)) {
            self.start(id);
        }
    }

    /// The node stays as it is; what it reads must be stored.
    fn stay(&mut self, id: NodeId) {
        self.fates[id.0 as usize] = Fate::Stays;
        for &v in &self.graph.node(id).inputs {
            let number = self.number(v);
            self.external[number] = true;
        }
    }

    /// What a kernel that computes the node's result at `map` must read; `None` if it cannot say where.
    fn reads(&self, id: NodeId, map: &Map, added: &mut Added) -> Option<()> {
        let node = self.graph.node(id);
        let shape = &node.types[0].shape;
        match &node.op {
            Op::Full(_) => added.body += 1,
            Op::Iota(iota) => {
                added.body += 1;
                for term in &map.rows(shape)?[iota.axis].terms {
                    if !added.cuts.add(term.div) || !added.cuts.add(term.div * term.size) {
                        return None;
                    }
                }
            }
            Op::Elementwise(_) | Op::Cast(_) => {
                added.body += 1;
                for &v in &node.inputs {
                    if self.is_constant(v) {
                        added.body += 1;
                    } else {
                        self.read(v, map.clone(), added)?;
                    }
                }
            }
            op if is_movement(op) => {
                added.moves += 1;
                let operand = node.inputs[0];
                if self.is_constant(operand) {
                    added.body += 1;
                } else {
                    let map = map.through(op, shape, &self.graph.ty(operand).shape)?;
                    self.read(operand, map, added)?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn read(&self, v: Value, map: Map, added: &mut Added) -> Option<()> {
        if !added.cuts.add_map(&map) {
            return None;
        }
        if !added.reads.iter().any(|(w, m)| *w == v && *m == map) {
            added.reads.push((v, map));
        }
        Some(())
    }

    /// Whether the group stays within its limits.
    fn fits(&self, group: u32, added: &Added) -> bool {
        let g = &self.groups[group as usize];
        let new = added.reads.iter().filter(|(v, m)| !self.has_use(group, *v, m)).count();
        g.loads + new <= MAX_LOADS + added.removed
            && g.body + added.body <= MAX_BODY
            && g.moves + added.moves <= MAX_MOVES
    }

    fn has_use(&self, group: u32, v: Value, map: &Map) -> bool {
        self.uses[self.number(v)].iter().any(|u| u.group == group && u.map == *map)
    }

    fn commit(&mut self, group: u32, added: Added) {
        for (v, map) in added.reads {
            if !self.has_use(group, v, &map) {
                let number = self.number(v);
                self.uses[number].push(Use { group, map });
                self.groups[group as usize].loads += 1;
            }
        }
        let g = &mut self.groups[group as usize];
        g.loads -= added.removed;
        g.body += added.body;
        g.moves += added.moves;
        g.cuts = added.cuts;
    }

    /// Inlines the node into all kernels that use it, if that is possible and pays.
    fn try_inline(&mut self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let ty = &node.types[0];
        if !is_inlinable(&node.op) || ty.shape.numel() == 0 {
            return false;
        }
        let number = self.number(super::only(id));
        let uses = &self.uses[number];
        let instances = uses.iter().map(|u| {
            let g = &self.groups[u.group as usize];
            Instance { points: g.points, strided: g.trailing && u.map.is_strided() }
        });
        if !cost::recompute(self.estimates[id.0 as usize], ty, instances) {
            return false;
        }
        // Uses by one group are added up before the limits are looked at.
        let mut additions: SmallVec<[(u32, Added); 2]> = SmallVec::new();
        for u in uses {
            let at = additions.iter().position(|(group, _)| *group == u.group).unwrap_or_else(|| {
                let cuts = self.groups[u.group as usize].cuts.clone();
                additions.push((u.group, Added { cuts, ..Added::default() }));
                additions.len() - 1
            });
            let added = &mut additions[at].1;
            added.removed += 1;
            if self.reads(id, &u.map, added).is_none() {
                return false;
            }
        }
        if !additions.iter().all(|(group, added)| self.fits(*group, added)) {
            return false;
        }
        for (group, added) in additions {
            self.commit(group, added);
        }
        self.uses[number].clear();
        self.fates[id.0 as usize] = Fate::Inlined;
        true
    }

    /// Makes the node one more output of a kernel that exists.
    fn try_join(&mut self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let points = node.types[0].shape.numel();
        if !is_inlinable(&node.op) || points == 0 {
            return false;
        }
        let mut candidates: SmallVec<[u32; 8]> = SmallVec::new();
        let mut offer = |group: u32| {
            if candidates.len() < candidates.inline_size() && !candidates.contains(&group) {
                candidates.push(group);
            }
        };
        // First the kernels that use it (the earliest first), then those that read the same, ...
        for u in self.uses[self.number(super::only(id))].iter().rev() {
            offer(u.group);
        }
        for &v in node.inputs.iter().filter(|&&v| self.graph.ty(v).shape.numel() == points) {
            for u in self.uses[self.number(v)].iter().rev().filter(|u| u.map.is_identity(points)) {
                if self.is_near(u.group, id) {
                    offer(u.group);
                }
            }
        }
        // ... then any that is as small.
        if let Some(&group) = self.tiny.get(&points).filter(|&&group| self.is_near(group, id)) {
            offer(group);
        }
        candidates.into_iter().any(|group| self.join(id, group))
    }

    fn is_near(&self, group: u32, id: NodeId) -> bool {
        let first = self.groups[group as usize].roots.iter().min();
        first.is_some_and(|f| f.0 - id.0 <= NEIGHBOURHOOD as u32)
    }

    fn join(&mut self, id: NodeId, group: u32) -> bool {
        let points = self.graph.node(id).types[0].shape.numel();
        let g = &self.groups[group as usize];
        if g.points != points || g.reduced.is_some() || g.roots.len() == MAX_STORES {
            return false;
        }
        let uses = &self.uses[self.number(super::only(id))];
        let mut added = Added { cuts: g.cuts.clone(), ..Added::default() };
        for u in uses.iter().filter(|u| u.group == group) {
            if !u.map.is_identity(points) {
                return false;
            }
            added.removed += 1;
        }
        let readable = self.reads(id, &Map::identity(points), &mut added).is_some();
        if !readable || !self.fits(group, &added) || self.leads_to(id, group) {
            return false;
        }
        self.commit(group, added);
        self.groups[group as usize].roots.push(id);
        self.fates[id.0 as usize] = Fate::Root(group);
        true
    }

    /// Whether a path leads from `id`, by a use outside `group`, to `group`: then `group` cannot compute
    /// it. Gives up with true after some time.
    fn leads_to(&self, id: NodeId, group: u32) -> bool {
        let mut seen_groups: SmallVec<[u32; 32]> = smallvec![group];
        let mut seen_nodes: rustc_hash::FxHashSet<NodeId> = Default::default();
        let mut queue: VecDeque<NodeId> = VecDeque::from([id]);
        let mut visited = 0;
        while let Some(next) = queue.pop_front() {
            visited += 1;
            if visited > MAX_SEARCH {
                return true;
            }
            let outputs = self.graph.node(next).types.len() as u32;
            for index in 0..outputs {
                let number = self.number(Value { node: next, index });
                for u in &self.uses[number] {
                    if u.group == group && next != id {
                        return true;
                    }
                    if !seen_groups.contains(&u.group) {
                        seen_groups.push(u.group);
                        queue.extend(self.groups[u.group as usize].roots.iter().copied());
                    }
                }
                for &c in &self.consumers[number] {
                    if self.fate(c) == Fate::Stays && seen_nodes.insert(c) {
                        queue.push_back(c);
                    }
                }
            }
        }
        false
    }

    /// Starts a kernel.
    fn start(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let group = self.groups.len() as u32;
        let shape = &node.types[0].shape;
        let mut g = Group {
            points: shape.numel(),
            reduced: None,
            trailing: true,
            roots: smallvec![id],
            cuts: Cuts::default(),
            loads: 0,
            body: 0,
            moves: 0,
        };
        self.fates[id.0 as usize] = Fate::Root(group);
        let reduced = match &node.op {
            Op::Reduce(r) => Some(r),
            _ => None,
        };
        let empty = match reduced {
            Some(_) => self.graph.ty(node.inputs[0]).shape.numel() == 0,
            None => g.points == 0,
        };
        if empty {
            // A constant without operands, which nothing joins.
            g.reduced = Some(1);
            self.groups.push(g);
            return;
        }
        let operand = reduced.map(|r| {
            let operand = &self.graph.ty(node.inputs[0]).shape;
            g.points = operand.numel();
            g.reduced = Some(r.axes.iter().map(|&k| operand[k]).product());
            g.trailing = r.axes.iter().rev().enumerate().all(|(i, &k)| k + i + 1 == operand.rank());
            Map::reduction(operand, &r.axes)
        });
        // The boundaries of one node's maps always fit: they are those of its operand's axes.
        let cuts = [1, g.reduced.unwrap_or(1), g.points];
        let mut fit = cuts.into_iter().all(|cut| g.cuts.add(cut));
        let mut added = Added { cuts: g.cuts.clone(), ..Added::default() };
        let points = g.points;
        self.groups.push(g);
        fit &= match operand {
            Some(map) if self.is_constant(node.inputs[0]) => {
                added.body += 1;
                added.cuts.add_map(&map)
            }
            Some(map) => self.read(node.inputs[0], map, &mut added).is_some(),
            None => self.reads(id, &Map::identity(points), &mut added).is_some(),
        };
        debug_assert!(fit, "one node's kernel can always be addressed");
        self.commit(group, added);
        if points <= TINY && reduced.is_none() {
            self.tiny.insert(points, group);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::op::{Ew, ReduceKind};
    use crate::passes::testing::{cases, evaluate, random_graph, same, samples};
    use crate::passes::{PassOptions, optimise, resolve};
    use crate::{DType, Scalar, TensorType, verify};

    fn kernels(graph: &Graph) -> Vec<std::sync::Arc<crate::kernel::Kernel>> {
        let kernel = |op: &Op| match op {
            Op::Fused(k) => Some(k.clone()),
            _ => None,
        };
        graph.nodes().filter_map(|(_, n)| kernel(&n.op)).collect()
    }

    fn f32s(shape: &[usize]) -> TensorType {
        TensorType::new(DType::F32, shape)
    }

    proptest! {
        #![proptest_config(cases(1000))]
        #[test]
        fn nothing_changes(seed in any::<u64>(), nodes in 3usize..40) {
            let graph = resolve(random_graph(seed, nodes))?;
            let inputs = samples(&graph, 1);
            let expected = evaluate(&graph, &inputs);
            for enabled in [false, true] {
                let fused = run(&graph, enabled)?;
                verify::graph(&fused)?;
                prop_assert!(fused.nodes().all(|(_, n)| !is_fusable(&n.op) || matches!(n.op, Op::Reshape(_))));
                prop_assert!(same(&evaluate(&fused, &inputs), &expected), "{graph}{fused}");
            }
        }
    }

    /// An optimizer's step is one kernel with one output per slot.
    #[test]
    fn adam() -> Result<()> {
        let mut g = Graph::new();
        let ty = f32s(&[64, 32]);
        let [w, m, v, dy] = [0; 4].map(|_| g.input(ty.clone()));
        let rate = g.input(f32s(&[]));
        let number = |g: &mut Graph, x: f64| g.full(&ty.shape[..], Scalar::from_f64(x, DType::F32));
        let (b1, c1, b2, c2, eps) = (
            number(&mut g, 0.9)?,
            number(&mut g, 0.1)?,
            number(&mut g, 0.999)?,
            number(&mut g, 0.001)?,
            number(&mut g, 1e-7)?,
        );
        let (old, new) = (g.elementwise(Ew::Mul, &[m, b1])?, g.elementwise(Ew::Mul, &[dy, c1])?);
        let m2 = g.elementwise(Ew::Add, &[old, new])?;
        let square = g.elementwise(Ew::Square, &[dy])?;
        let (old, new) = (g.elementwise(Ew::Mul, &[v, b2])?, g.elementwise(Ew::Mul, &[square, c2])?);
        let v2 = g.elementwise(Ew::Add, &[old, new])?;
        let root = g.elementwise(Ew::Sqrt, &[v2])?;
        let root = g.elementwise(Ew::Add, &[root, eps])?;
        let step = g.elementwise(Ew::Div, &[m2, root])?;
        let step = g.elementwise(Ew::Mul, &[rate, step])?;
        let w2 = g.elementwise(Ew::Sub, &[w, step])?;
        g.outputs = vec![w2, m2, v2];
        let fused = optimise(g, &PassOptions::default())?;
        let kernels = kernels(&fused);
        assert_eq!(kernels.len(), 1, "{fused}");
        assert_eq!((kernels[0].stores.len(), kernels[0].loads.len()), (3, 5));
        assert_eq!(kernels[0].space.as_slice(), &[2048]);
        Ok(())
    }

    /// A mean over the batch: the squares are computed on the way, the axes in the order of the result.
    #[test]
    fn column_reduction() -> Result<()> {
        let mut g = Graph::new();
        let x = g.input(f32s(&[128, 10]));
        let y = g.elementwise(Ew::Square, &[x])?;
        let s = g.reduce(ReduceKind::Sum, y, &[0], false)?;
        let n = g.full([10], Scalar::from_f64(128.0, DType::F32))?;
        let mean = g.elementwise(Ew::Div, &[s, n])?;
        g.outputs = vec![mean];
        let fused = run(&g, true)?;
        let kernels = kernels(&fused);
        assert_eq!(kernels.len(), 2, "{fused}");
        assert_eq!((kernels[0].space.as_slice(), kernels[0].reduced), (&[10, 128][..], 1));
        assert_eq!(kernels[0].loads[0].strides.as_slice(), &[1, 10]);
        Ok(())
    }

    /// A value that a product and a much later kernel read is stored once, where the product needs it.
    #[test]
    fn no_circles() -> Result<()> {
        let mut g = Graph::new();
        let x = g.input(f32s(&[8, 8]));
        let y = g.elementwise(Ew::Exp, &[x])?;
        let product = g.matmul(y, y, false, false)?;
        let z = g.elementwise(Ew::Mul, &[product, y])?;
        g.outputs = vec![z];
        let fused = run(&g, true)?;
        assert_eq!(kernels(&fused).len(), 2, "{fused}");
        Ok(())
    }

    /// Bias and scale of a layer are read by broadcasts; the statistics have kernels of their own.
    #[test]
    fn layer_norm() -> Result<()> {
        let mut g = Graph::new();
        let x = g.input(f32s(&[64, 256]));
        let (gamma, beta) = (g.input(f32s(&[256])), g.input(f32s(&[256])));
        let count = g.full([64, 1], Scalar::from_f64(256.0, DType::F32))?;
        let sum = g.reduce(ReduceKind::Sum, x, &[1], true)?;
        let mean = g.elementwise(Ew::Div, &[sum, count])?;
        let centred = g.elementwise(Ew::Sub, &[x, mean])?;
        let square = g.elementwise(Ew::Square, &[centred])?;
        let sum = g.reduce(ReduceKind::Sum, square, &[1], true)?;
        let variance = g.elementwise(Ew::Div, &[sum, count])?;
        let scale = g.elementwise(Ew::Rsqrt, &[variance])?;
        let y = g.elementwise(Ew::Mul, &[centred, scale])?;
        let y = g.elementwise(Ew::Mul, &[y, gamma])?;
        let y = g.elementwise(Ew::Add, &[y, beta])?;
        g.outputs = vec![y];
        let fused = run(&g, true)?;
        // sum, mean, sum of squares, scale, result.
        assert_eq!(kernels(&fused).len(), 5, "{fused}");
        Ok(())
    }

    /// Gates cut out of one product: no copies.
    #[test]
    fn gates() -> Result<()> {
        let mut g = Graph::new();
        let (a, b) = (g.input(f32s(&[32, 400])), g.input(f32s(&[32, 400])));
        let z = g.elementwise(Ew::Add, &[a, b])?;
        let gate = |g: &mut Graph, i: usize| g.slice(z, &[0, 100 * i], &[32, 100 * (i + 1)], &[1, 1]);
        let (i, f) = (gate(&mut g, 0)?, gate(&mut g, 1)?);
        let (i, f) = (g.elementwise(Ew::Sigmoid, &[i])?, g.elementwise(Ew::Sigmoid, &[f])?);
        let y = g.elementwise(Ew::Mul, &[i, f])?;
        g.outputs = vec![y];
        let fused = run(&g, true)?;
        let kernels = kernels(&fused);
        assert_eq!(kernels.len(), 1, "{fused}");
        assert_eq!((kernels[0].loads.len(), kernels[0].space.as_slice()), (4, &[32, 100][..]));
        Ok(())
    }

    /// Long chains and wide fans stay within the limits of a kernel.
    #[test]
    fn limits() -> Result<()> {
        let mut g = Graph::new();
        let ty = f32s(&[1000]);
        let mut y = g.input(ty.clone());
        for _ in 0..500 {
            let x = g.input(ty.clone());
            y = g.elementwise(Ew::Add, &[y, x])?;
            y = g.elementwise(Ew::Tanh, &[y])?;
        }
        g.outputs = vec![y];
        let fused = run(&g, true)?;
        for k in kernels(&fused) {
            assert!(k.loads.len() <= MAX_LOADS && k.body.len() <= MAX_BODY && k.stores.len() <= MAX_STORES);
        }
        assert!(kernels(&fused).len() <= 30);
        Ok(())
    }
}
