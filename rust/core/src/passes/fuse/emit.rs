//! Writes the kernels down and puts the new graph in order.

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::map::{Cuts, Map, Row};
use super::{Fate, Fusion, is_movement};
use crate::kernel::{Instr, Kernel, Load, Reduction};
use crate::op::{Reduce, ReduceKind, Types};
use crate::passes::{only, rewrite::Rewrite};
use crate::{DType, Error, Graph, Node, NodeId, Op, Result, Scalar, Value};

/// The graph of kernels and of what stays. Nodes come in the order of the old graph: a kernel where the
/// last of its roots was, or earlier if something needs it.
pub(super) fn emit(fusion: &Fusion<'_>) -> Result<Graph> {
    let graph = fusion.graph;
    let mut kernels: Vec<Option<(Kernel, SmallVec<[Value; 3]>)>> = Vec::with_capacity(fusion.groups.len());
    for group in 0..fusion.groups.len() {
        kernels.push(Some(Writer::new(fusion, group as u32).write()?));
    }
    let mut out = Rewrite::new(graph);
    let mut stack: Vec<(NodeId, bool)> = Vec::new();
    let mut open = vec![false; graph.len()];
    for (id, _) in graph.nodes() {
        let due = match fusion.fate(id) {
            Fate::Stays => true,
            Fate::Root(g) => fusion.groups[g as usize].roots.iter().max() == Some(&id),
            Fate::Dead | Fate::Inlined => false,
        };
        if due {
            stack.push((id, false));
        }
        while let Some((top, ready)) = stack.pop() {
            if out.has(only(top)) {
                continue;
            }
            let needs: &[Value] = match fusion.fate(top) {
                Fate::Stays => &graph.node(top).inputs,
                Fate::Root(g) => kernels[g as usize].as_ref().map_or(&[], |(_, operands)| operands),
                Fate::Dead | Fate::Inlined => {
                    return Err(Error::Internal("fuse: a value that is not stored is read".into()));
                }
            };
            if !ready {
                if std::mem::replace(&mut open[top.0 as usize], true) {
                    return Err(Error::Internal("fuse: kernels in a circle".into()));
                }
                stack.push((top, true));
                stack.extend(needs.iter().rev().filter(|&&v| !out.has(v)).map(|v| (v.node, false)));
                continue;
            }
            match fusion.fate(top) {
                Fate::Root(g) => {
                    let group = &fusion.groups[g as usize];
                    let Some((kernel, operands)) = kernels[g as usize].take() else {
                        return Err(Error::Internal("fuse: a kernel is made twice".into()));
                    };
                    let inputs = operands.iter().map(|&v| out.get(v)).collect::<Result<_>>()?;
                    let types: Types = group.roots.iter().map(|&r| graph.node(r).types[0].clone()).collect();
                    let node = out.graph.push_node(Node { op: Op::Fused(kernel.into()), inputs, types });
                    for (index, &root) in group.roots.iter().enumerate() {
                        out.set(only(root), Value { node, index: index as u32 });
                    }
                }
                _ => out.copy(top, graph.node(top))?,
            }
        }
    }
    out.finish(graph)
}

/// A register before loads and body are numbered in one row.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Load(u32),
    Body(u32),
}

/// An instruction whose operands are slots and whose index map has no axes yet.
enum Draft {
    Instr { op: Instr, args: SmallVec<[Slot; 3]> },
    Index { dtype: DType, row: Row },
}

/// Writes one kernel, from its roots back to its loads.
struct Writer<'f, 'g> {
    fusion: &'f Fusion<'g>,
    group: u32,
    points: usize,
    loads: Vec<(Value, Map)>,
    body: Vec<Draft>,
    memo: FxHashMap<(Value, Map), Slot>,
    constants: FxHashMap<Scalar, Slot>,
}

impl<'f, 'g> Writer<'f, 'g> {
    fn new(fusion: &'f Fusion<'g>, group: u32) -> Self {
        let points = fusion.groups[group as usize].points;
        Self {
            fusion,
            group,
            points,
            loads: Vec::new(),
            body: Vec::new(),
            memo: FxHashMap::default(),
            constants: FxHashMap::default(),
        }
    }

    fn write(mut self) -> Result<(Kernel, SmallVec<[Value; 3]>)> {
        let group = &self.fusion.groups[self.group as usize];
        let graph = self.fusion.graph;
        let first = graph.node(group.roots[0]);
        if let Some(kernel) = without_points(graph, first) {
            return Ok((kernel, SmallVec::new()));
        }
        let mut stores: SmallVec<[Slot; 2]> = SmallVec::new();
        let mut reduction = None;
        if let Op::Reduce(r) = &first.op {
            let operand = first.inputs[0];
            let map = Map::reduction(&graph.ty(operand).shape, &r.axes);
            reduction = Some((r, self.slot(operand, map)?));
        } else {
            for &root in &group.roots {
                stores.push(self.slot(only(root), Map::identity(self.points))?);
            }
        }
        self.finish(group.reduced.unwrap_or(1), &stores, reduction)
    }

    fn slot(&mut self, v: Value, map: Map) -> Result<Slot> {
        if let Some(&slot) = self.memo.get(&(v, map.clone())) {
            return Ok(slot);
        }
        let node = self.fusion.graph.node(v.node);
        let slot = if let (true, Op::Full(full)) = (self.fusion.is_constant(v), &node.op) {
            self.constant(full.value)
        } else if self.computes(v, &map) {
            self.compute(node, &map)?
        } else {
            self.loads.push((v, map.clone()));
            Slot::Load(self.loads.len() as u32 - 1)
        };
        self.memo.insert((v, map), slot);
        Ok(slot)
    }

    /// Whether the kernel computes the value rather than loading it.
    fn computes(&self, v: Value, map: &Map) -> bool {
        match self.fusion.fate(v.node) {
            Fate::Inlined => true,
            Fate::Root(g) => g == self.group && map.is_identity(self.points),
            Fate::Dead | Fate::Stays => false,
        }
    }

    fn constant(&mut self, value: Scalar) -> Slot {
        if let Some(&slot) = self.constants.get(&value) {
            return slot;
        }
        let slot = self.push(Draft::Instr { op: Instr::Const(value), args: SmallVec::new() });
        self.constants.insert(value, slot);
        slot
    }

    fn compute(&mut self, node: &Node, map: &Map) -> Result<Slot> {
        let graph = self.fusion.graph;
        let shape = &node.types[0].shape;
        let unaddressed = || Error::Internal(format!("fuse: {} cannot be addressed", node.op.name()));
        Ok(match &node.op {
            Op::Full(full) => self.constant(full.value),
            Op::Iota(iota) => {
                let mut rows = map.rows(shape).ok_or_else(unaddressed)?;
                self.push(Draft::Index { dtype: iota.dtype, row: std::mem::take(&mut rows[iota.axis]) })
            }
            Op::Elementwise(ew) => {
                let args = node.inputs.iter().map(|&v| self.slot(v, map.clone())).collect::<Result<_>>()?;
                // The condition of `where` comes first and is bool; the last operand has the dtype meant.
                let dtype = node.inputs.last().map_or(node.types[0].dtype, |&v| graph.ty(v).dtype);
                self.push(Draft::Instr { op: Instr::Elementwise { op: *ew, dtype, args: smallvec![] }, args })
            }
            Op::Cast(to) => {
                let args = smallvec![self.slot(node.inputs[0], map.clone())?];
                let from = graph.ty(node.inputs[0]).dtype;
                self.push(Draft::Instr { op: Instr::Cast { from, to: *to, arg: 0 }, args })
            }
            op if is_movement(op) => {
                let operand = node.inputs[0];
                let map = map.through(op, shape, &graph.ty(operand).shape).ok_or_else(unaddressed)?;
                self.slot(operand, map)?
            }
            op => return Err(Error::Internal(format!("fuse: {} in a kernel", op.name()))),
        })
    }

    fn push(&mut self, draft: Draft) -> Slot {
        self.body.push(draft);
        Slot::Body(self.body.len() as u32 - 1)
    }

    /// Finds the axes, merges those that everything walks as one, numbers the registers.
    fn finish(
        self,
        reduced: usize,
        stores: &[Slot],
        reduction: Option<(&Reduce, Slot)>,
    ) -> Result<(Kernel, SmallVec<[Value; 3]>)> {
        let rows: Vec<Row> = self
            .loads
            .iter()
            .map(|(_, m)| Row { offset: m.offset, terms: m.terms.clone() })
            .chain(self.body.iter().filter_map(|d| match d {
                Draft::Index { row, .. } => Some(row.clone()),
                Draft::Instr { .. } => None,
            }))
            .collect();
        let mut cuts = Cuts::default();
        let digits = rows.iter().flat_map(|r| &r.terms).flat_map(|t| [t.div, t.div * t.size]);
        for cut in [1, reduced, self.points].into_iter().chain(digits) {
            if !cuts.add(cut) {
                return Err(Error::Internal("fuse: maps without common axes".into()));
            }
        }
        let mut axes: Vec<Axis> = cuts.axes().map(|(step, size)| Axis::new(step, size, &rows)).collect();
        let mut i = 1;
        while i < axes.len() {
            // Reduced axes stay apart from the others.
            if axes[i - 1].step != reduced && axes[i].continues(&axes[i - 1]) {
                axes[i].size *= axes[i - 1].size;
                axes.remove(i - 1);
            } else {
                i += 1;
            }
        }
        let mut inner = axes.iter().filter(|a| a.step < reduced).count();
        if reduction.is_some() && inner == 0 {
            axes.push(Axis { step: 1, size: 1, strides: vec![0; rows.len()] });
            inner = 1;
        }
        let strides = |row: usize| axes.iter().map(move |a| a.strides[row]);
        let mut operands: SmallVec<[Value; 3]> = SmallVec::new();
        let mut loads = Vec::with_capacity(self.loads.len());
        for (i, (v, map)) in self.loads.iter().enumerate() {
            let operand = operands.iter().position(|o| o == v).unwrap_or_else(|| {
                operands.push(*v);
                operands.len() - 1
            });
            loads.push(Load {
                operand: operand as u32,
                dtype: self.fusion.graph.ty(*v).dtype,
                offset: map.offset,
                strides: strides(i).collect(),
            });
        }
        let count = loads.len() as u32;
        let register = |slot: Slot| match slot {
            Slot::Load(i) => i,
            Slot::Body(i) => count + i,
        };
        let mut index = self.loads.len();
        let body = self.body.into_iter().map(|draft| match draft {
            Draft::Instr { mut op, args } => {
                match &mut op {
                    Instr::Elementwise { args: registers, .. } => {
                        *registers = args.into_iter().map(register).collect();
                    }
                    Instr::Cast { arg, .. } => *arg = args.first().map_or(0, |&a| register(a)),
                    Instr::Const(_) | Instr::Index { .. } => {}
                }
                op
            }
            Draft::Index { dtype, row } => {
                index += 1;
                let strides = strides(index - 1).map(|s| s as i64).collect();
                Instr::Index { dtype, offset: row.offset as i64, strides }
            }
        });
        let body = body.collect();
        let kernel = Kernel {
            space: axes.iter().map(|a| a.size).collect(),
            reduced: if reduction.is_some() { inner } else { 0 },
            loads,
            body,
            reduction: reduction.map(|(r, slot)| Reduction {
                kind: r.kind,
                dtype: self
                    .fusion
                    .graph
                    .ty(self.fusion.graph.node(self.fusion.groups[self.group as usize].roots[0]).inputs[0])
                    .dtype,
                register: register(slot),
            }),
            stores: stores.iter().map(|&s| register(s)).collect(),
        };
        Ok((kernel, operands))
    }
}

/// One loop, with the stride of every map along it.
struct Axis {
    step: usize,
    size: usize,
    strides: Vec<isize>,
}

impl Axis {
    fn new(step: usize, size: usize, rows: &[Row]) -> Self {
        // The axis lies within the digits that contain its step: all boundaries of digits are cuts.
        let along = |row: &Row| {
            let digits = row.terms.iter().filter(|t| t.div <= step && step < t.div * t.size);
            digits.map(|t| t.coef * (step / t.div) as isize).sum()
        };
        Self { step, size, strides: rows.iter().map(along).collect() }
    }

    /// Whether a step along `outer` is as many steps along this as this has.
    fn continues(&self, outer: &Self) -> bool {
        self.strides.iter().zip(&outer.strides).all(|(&inner, &outer)| outer == inner * self.size as isize)
    }
}

/// The kernel of a node whose loops have no points: nothing, or the value of an empty reduction.
fn without_points(graph: &Graph, node: &Node) -> Option<Kernel> {
    let ty = &node.types[0];
    let value = match &node.op {
        Op::Reduce(r) if graph.ty(node.inputs[0]).shape.numel() == 0 => identity(r.kind, ty.dtype),
        _ if ty.shape.numel() == 0 => Scalar::zero(ty.dtype),
        _ => return None,
    };
    let n = ty.shape.numel();
    Some(Kernel {
        space: if n == 1 { smallvec![] } else { smallvec![n] },
        reduced: 0,
        loads: Vec::new(),
        body: vec![Instr::Const(value)],
        reduction: None,
        stores: smallvec![0],
    })
}

/// What a reduction of nothing gives.
pub(crate) fn identity(kind: ReduceKind, dtype: DType) -> Scalar {
    match kind {
        ReduceKind::Sum | ReduceKind::Any => Scalar::zero(dtype),
        ReduceKind::Prod | ReduceKind::All => Scalar::one(dtype),
        ReduceKind::Max => Scalar::lowest(dtype),
        ReduceKind::Min => Scalar::highest(dtype),
    }
}
