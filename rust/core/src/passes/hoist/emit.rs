//! Writing the loop that is left, and what comes before and after it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::after::Feed;
use super::blocks;
use super::vectorise::{Lifted, lead};
use super::{Loop, Source};
use crate::op::{Ew, Reduce, ReduceKind, Reshape, Scan};
use crate::passes::only;
use crate::{DType, Error, Graph, Node, Op, Result, Scalar, TensorType, Value};

impl Loop<'_, '_> {
    /// Writes the loop and what follows it; the value of each result that is used.
    pub(super) fn finish(mut self, sources: &[Source]) -> Result<Vec<Option<Value>>> {
        let roots = roots(sources);
        let (body, carry, length) = (self.body, self.scan.carry, self.scan.length);
        // Results per step, and sums over all of them: each distinct value once.
        let (mut ys, mut totals): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
        let results = sources.iter().zip(&body.outputs).skip(carry);
        let results = results.filter(|(s, _)| matches!(s, Source::Loop)).map(|(_, &v)| Feed::Steps(v));
        for feed in results.chain(self.after.fed(&roots)) {
            let (list, v) = match feed {
                Feed::Total(v) => (&mut totals, v),
                Feed::Outer(v) | Feed::Steps(v) => (&mut ys, v),
            };
            if !list.contains(&v) {
                list.push(v);
            }
        }
        let live = self.returned(sources).into_iter().chain(ys.iter().chain(&totals).copied());
        let alive = self.needed(live, true);
        let carries: Vec<usize> = (0..carry)
            .filter(|&i| {
                let read = alive[self.input(i).node.0 as usize] && !self.is_constant(i);
                read || matches!(sources[i], Source::Loop)
            })
            .collect();
        let new = self.new_body(&carries, &totals, &ys)?;
        let results = self.add_loop(new, &carries, &totals)?;
        let of_ys =
            |v: Value| ys.iter().position(|&y| y == v).map(|i| results[carries.len() + totals.len() + i]);
        let of_totals = |v: Value| totals.iter().position(|&t| t == v).map(|i| results[carries.len() + i]);
        let missing = || Error::Internal("hoist: a result of a scan was lost".into());
        // After the loop.
        let mut values: FxHashMap<Value, Value> = FxHashMap::default();
        let needed = self.after.needed(&roots);
        for (id, node) in self.after.graph.nodes().filter(|(id, _)| needed[id.0 as usize]) {
            if let Op::Input(n) = node.op {
                let value = match self.after.feeds[n as usize] {
                    Feed::Outer(v) => v,
                    Feed::Steps(v) => of_ys(v).ok_or_else(missing)?,
                    Feed::Total(v) => of_totals(v).ok_or_else(missing)?,
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

    /// Appends the loop: its results, those of `totals` added up over the blocks.
    fn add_loop(&mut self, new: NewBody, carries: &[usize], totals: &[Value]) -> Result<Vec<Value>> {
        let mut operands: Vec<Value> = carries.iter().map(|&i| self.operands[i]).collect();
        let mut op = Scan {
            carry: carries.len() + totals.len(),
            xs: new.xs.len(),
            length: self.scan.length,
            reverse: self.scan.reverse,
            body: Arc::new(new.body),
            blocks: None,
        };
        let cut = if self.inside { blocks::cut(&op, totals.len())? } else { None };
        let mut apart = vec![1; totals.len()];
        if let Some(cut) = cut {
            for (apart, per_block) in apart.iter_mut().zip(&cut.per_block) {
                *apart = if *per_block { cut.blocks.count } else { 1 };
            }
            op.body = Arc::new(cut.body);
            op.blocks = Some(cut.blocks);
        }
        for (&total, &apart) in totals.iter().zip(&apart) {
            let TensorType { dtype, mut shape } = sum_type(self.body.ty(total));
            if let Some(first) = shape.0.first_mut() {
                *first *= apart;
            }
            operands.push(self.outer.full(shape, Scalar::zero(dtype))?);
        }
        operands.extend(new.xs.iter().chain(&new.constants));
        if op.body.outputs.is_empty() {
            return Ok(Vec::new());
        }
        let mut results = self.outer.add(op, &operands)?.into_vec();
        for ((&total, &apart), result) in totals.iter().zip(&apart).zip(&mut results[carries.len()..]) {
            if apart > 1 {
                let shape = lead(apart, &self.body.ty(total).shape);
                *result = self.outer.add1(Reshape { shape }, &[*result])?;
                let axes = [0].as_slice().into();
                *result = self.outer.add1(Reduce { kind: ReduceKind::Sum, axes }, &[*result])?;
            }
            *result = self.outer.cast(*result, self.body.ty(total).dtype)?;
        }
        Ok(results)
    }

    /// The body with the given carries, sums and results; what is hoisted comes in as slices and constants.
    fn new_body(&self, carries: &[usize], totals: &[Value], ys: &[Value]) -> Result<NewBody> {
        let body = self.body;
        let results = totals.iter().chain(ys).copied();
        let roots: Vec<Value> = carries.iter().map(|&i| body.outputs[i]).chain(results).collect();
        let needed = self.needed(roots.iter().copied(), false);
        let mut new = NewBody::default();
        let mut values: FxHashMap<Value, Value> = FxHashMap::default();
        for &i in carries {
            let input = self.input(i);
            values.insert(input, new.body.input(body.ty(input).clone()));
        }
        let sums: Vec<Value> = totals.iter().map(|&v| new.body.input(sum_type(body.ty(v)))).collect();
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
        for (i, sum) in sums.into_iter().enumerate() {
            let at = carries.len() + i;
            let term = new.body.cast(new.body.outputs[at], new.body.dtype(sum))?;
            new.body.outputs[at] = new.body.add1(Ew::Add, &[sum, term])?;
        }
        Ok(new)
    }
}

#[derive(Default)]
struct NewBody {
    body: Graph,
    xs: Vec<Value>,
    constants: Vec<Value>,
}

/// In what terms of a type are added up: narrow floats in float32.
fn sum_type(ty: &TensorType) -> TensorType {
    let dtype = if matches!(ty.dtype, DType::F16 | DType::BF16) { DType::F32 } else { ty.dtype };
    TensorType { dtype, shape: ty.shape.clone() }
}

/// The values of [`After`](super::After) that are results.
pub(super) fn roots(sources: &[Source]) -> Vec<Value> {
    let root = |source: &Source| match *source {
        Source::After(lifted) => Some(lifted.value()),
        Source::Sum(v) => Some(v),
        _ => None,
    };
    sources.iter().filter_map(root).collect()
}
