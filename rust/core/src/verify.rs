//! Checks of the invariants that passes must keep.

use crate::infer::infer;
use crate::kernel::{Instr, Kernel};
use crate::op::ReduceKind;
use crate::plan::Step;
use crate::{DType, Error, Graph, Op, Result, Shape, TensorType, Value};

fn broken(message: String) -> Error {
    Error::Internal(message)
}

/// Checks a graph and its sub-graphs: every operand comes before its use, types are those that the ops'
/// rules give, kernels stay within their operands, outputs and donations exist.
pub fn graph(graph: &Graph) -> Result<()> {
    let mut inputs = 0;
    for (id, node) in graph.nodes() {
        let located = |e: Error| broken(format!("node {} ({}): {e}", id.0, node.op.name()));
        for &v in &node.inputs {
            if v.node >= id {
                return Err(located(broken(format!("operand {} does not come before it", v.node.0))));
            }
            value(graph, v).map_err(located)?;
        }
        match &node.op {
            Op::Input(number) => {
                if graph.inputs().get(*number as usize) != Some(&id) || node.types.len() != 1 {
                    return Err(located(broken(format!("it is not input {number}"))));
                }
                inputs += 1;
            }
            Op::Fused(k) => {
                let operands: Vec<TensorType> = node.inputs.iter().map(|&v| graph.ty(v).clone()).collect();
                kernel(k, &operands, &node.types).map_err(located)?
            }
            op => {
                let operands: Vec<TensorType> = node.inputs.iter().map(|&v| graph.ty(v).clone()).collect();
                let types = infer(op, &operands).map_err(located)?;
                if types != node.types {
                    return Err(located(broken(format!("has types {:?}, not {types:?}", node.types))));
                }
            }
        }
        for sub in crate::passes::sub_graphs(&node.op) {
            self::graph(sub).map_err(located)?;
        }
    }
    if inputs != graph.inputs().len() {
        return Err(broken(format!("{} inputs are listed, {inputs} exist", graph.inputs().len())));
    }
    for &v in &graph.outputs {
        value(graph, v)?;
    }
    for &(o, i) in &graph.donations {
        if o >= graph.outputs.len() || i >= graph.inputs().len() {
            return Err(broken(format!("donation of input {i} to output {o}: there is no such")));
        }
    }
    Ok(())
}

fn value(graph: &Graph, v: Value) -> Result<()> {
    let exists = (v.node.0 as usize) < graph.len() && (v.index as usize) < graph.node(v.node).types.len();
    if exists { Ok(()) } else { Err(broken(format!("value {}.{} does not exist", v.node.0, v.index))) }
}

/// Checks a kernel against the types of its operands and results: running it then reads and writes only
/// what they have, and its registers hold what its ops expect.
pub fn kernel(kernel: &Kernel, operands: &[TensorType], results: &[TensorType]) -> Result<()> {
    let points = Shape(kernel.space.clone()).check()?.numel();
    for (i, load) in kernel.loads.iter().enumerate() {
        let Some(ty) = operands.get(load.operand as usize) else {
            return Err(broken(format!("load {i} of operand {}, which does not exist", load.operand)));
        };
        if load.dtype != ty.dtype || load.strides.len() != kernel.space.len() {
            return Err(broken(format!("load {i} does not fit operand {ty:?} and space {:?}", kernel.space)));
        }
        let (mut low, mut high) = (load.offset as i128, load.offset as i128);
        for (&stride, &size) in load.strides.iter().zip(&kernel.space) {
            let reach = stride as i128 * (size as i128 - 1);
            if reach < 0 { low += reach } else { high += reach }
        }
        if points > 0 && (low < 0 || high >= ty.shape.numel() as i128) {
            return Err(broken(format!("load {i} reads elements {low}..={high} of {ty:?}")));
        }
    }
    for (i, instr) in kernel.body.iter().enumerate() {
        let limit = kernel.loads.len() + i;
        let expect = |register: u32, dtype: DType| {
            if register as usize >= limit {
                return Err(broken(format!("instruction {i} reads register {register}, which is not set")));
            }
            let got = kernel.dtype(register);
            if got == dtype {
                return Ok(());
            }
            Err(broken(format!("instruction {i}: register {register} is {got}, not {dtype}")))
        };
        match instr {
            Instr::Elementwise { op, dtype, args } => {
                if args.len() != op.arity() || !op.accepts(*dtype) {
                    return Err(broken(format!("instruction {i}: {} of {} {dtype}", op.name(), args.len())));
                }
                for (n, &arg) in args.iter().enumerate() {
                    expect(arg, if n == 0 && op.takes_condition() { DType::Bool } else { *dtype })?;
                }
            }
            Instr::Cast { from, arg, .. } => expect(*arg, *from)?,
            Instr::Const(_) => {}
            Instr::Index { strides, .. } => {
                if strides.len() != kernel.space.len() {
                    return Err(broken(format!("instruction {i}: strides {strides:?}")));
                }
            }
        }
    }
    let registers = kernel.loads.len() + kernel.body.len();
    let known = |register: u32| {
        let exists = (register as usize) < registers;
        exists.then(|| kernel.dtype(register)).ok_or_else(|| broken(format!("register {register} is stored")))
    };
    let stored: Vec<DType> = match &kernel.reduction {
        Some(r) => {
            if kernel.reduced == 0 || kernel.reduced > kernel.space.len() || !kernel.stores.is_empty() {
                return Err(broken("a reduction without reduced axes, or with stores".into()));
            }
            if known(r.register)? != r.dtype {
                return Err(broken(format!("register {} is reduced as {}", r.register, r.dtype)));
            }
            if matches!(r.kind, ReduceKind::Any | ReduceKind::All) != (r.dtype == DType::Bool) {
                return Err(broken(format!("{:?} of {}", r.kind, r.dtype)));
            }
            vec![r.dtype]
        }
        None if kernel.reduced > 0 => return Err(broken("reduced axes without reduction".into())),
        None => kernel.stores.iter().map(|&r| known(r)).collect::<Result<_>>()?,
    };
    let outer: usize = kernel.space[..kernel.space.len() - kernel.reduced].iter().product();
    let fits = stored.len() == results.len()
        && results.iter().zip(&stored).all(|(ty, &dtype)| ty.dtype == dtype && ty.shape.numel() == outer);
    if fits { Ok(()) } else { Err(broken(format!("stores {outer} of {stored:?} as {results:?}"))) }
}

/// Checks that a step's operands and results have the types that its op's rule says: kernels of devices
/// rely on it.
pub fn step(step: &Step) -> Result<()> {
    let operands: Vec<TensorType> = step.inputs.iter().map(|o| o.ty.clone()).collect();
    let results: Vec<TensorType> = step.outputs.iter().map(|o| o.ty.clone()).collect();
    if let Op::Fused(k) = &step.op {
        return kernel(k, &operands, &results);
    }
    let types = infer(&step.op, &operands)?;
    if types.as_slice() == results {
        return Ok(());
    }
    Err(broken(format!("{}: expected results {types:?}, got {results:?}", step.op.name())))
}

/// Checks that no step of a plan reads what is not there or has been written over: executes the plan
/// with names of values instead of bytes.
pub fn plan(plan: &crate::Plan) -> Result<()> {
    use crate::plan::Place;
    // What lies in the arena: (start, end, written by).
    let mut arena: Vec<(usize, usize, usize)> = Vec::new();
    let mut outputs = vec![false; plan.outputs.len()];
    for (i, step) in plan.steps.iter().enumerate() {
        let located = |m: String| broken(format!("step {i} ({}): {m}", step.op.name()));
        for x in &step.inputs {
            let there = match x.place {
                Place::Input(n) => plan.inputs.get(n as usize).is_some_and(|t| t.bytes() == x.ty.bytes()),
                Place::Output(n) => outputs.get(n as usize) == Some(&true),
                Place::Arena(at) => {
                    let end = at + x.ty.bytes();
                    x.ty.bytes() == 0 || arena.iter().any(|&(a, b, _)| a == at && b == end)
                }
            };
            if !there {
                return Err(located(format!("reads {:?} of {:?}, which is not there", x.ty, x.place)));
            }
        }
        for (n, y) in step.outputs.iter().enumerate() {
            match y.place {
                Place::Input(_) => return Err(located("writes an input".into())),
                Place::Output(o) => {
                    let same = plan.outputs.get(o as usize).is_some_and(|t| t.bytes() == y.ty.bytes());
                    if !same || std::mem::replace(&mut outputs[o as usize], true) {
                        return Err(located(format!("writes output {o} again or as {:?}", y.ty)));
                    }
                }
                Place::Arena(at) => {
                    let end = at + y.ty.bytes();
                    if at % crate::plan::ARENA_ALIGN != 0 || end > plan.arena_bytes {
                        return Err(located(format!("result {n} lies at {at}..{end}")));
                    }
                    let overlaps = |a: usize, b: usize| a < end && at < b;
                    if arena.iter().any(|&(a, b, by)| by == i && overlaps(a, b)) {
                        return Err(located(format!("result {n} lies over another")));
                    }
                    let over_operand = step.inputs.iter().any(|x| match x.place {
                        Place::Arena(a) => overlaps(a, a + x.ty.bytes()) && a != at,
                        _ => false,
                    });
                    if over_operand {
                        return Err(located(format!("result {n} lies across an operand")));
                    }
                    arena.retain(|&(a, b, _)| !overlaps(a, b));
                    if end > at {
                        arena.push((at, end, i));
                    }
                }
            }
        }
        for sub in &step.plans {
            self::plan(sub).map_err(|e| located(e.to_string()))?;
        }
    }
    if outputs.contains(&false) {
        return Err(broken("an output is not written".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::kernel::Load;
    use crate::op::Ew;
    use crate::{Node, NodeId};

    fn node(number: u32) -> Value {
        Value { node: NodeId(number), index: 0 }
    }

    fn with_kernel(kernel: Kernel, ty: TensorType) -> Graph {
        let mut g = Graph::new();
        let x = g.input(TensorType::new(DType::F32, [2, 3]));
        g.push_node(Node { op: Op::Fused(kernel.into()), inputs: smallvec![x], types: smallvec![ty] });
        g.outputs = vec![node(1)];
        g
    }

    fn copy() -> Kernel {
        let load = Load { operand: 0, dtype: DType::F32, offset: 0, strides: smallvec![1, 3] };
        Kernel {
            space: smallvec![3, 2],
            reduced: 0,
            loads: vec![load],
            body: vec![],
            reduction: None,
            stores: smallvec![0],
        }
    }

    #[test]
    fn kernels() {
        let ty = TensorType::new(DType::F32, [3, 2]);
        assert!(graph(&with_kernel(copy(), ty.clone())).is_ok());
        let check = |change: &dyn Fn(&mut Kernel)| {
            let mut k = copy();
            change(&mut k);
            assert!(graph(&with_kernel(k.clone(), ty.clone())).is_err(), "{k:?}");
        };
        check(&|k| k.loads[0].offset = 1);
        check(&|k| k.loads[0].strides[0] = -1);
        check(&|k| k.loads[0].dtype = DType::F64);
        check(&|k| k.loads[0].operand = 1);
        check(&|k| k.stores[0] = 1);
        check(&|k| k.stores.push(0));
        check(&|k| k.reduced = 1);
        check(&|k| k.space[0] = 2);
        check(&|k| {
            let args = smallvec![0, 1];
            k.body.push(Instr::Elementwise { op: Ew::Add, dtype: DType::F32, args });
        });
    }

    #[test]
    fn order() {
        let mut g = Graph::new();
        let ty = TensorType::new(DType::F32, [2]);
        g.input(ty.clone());
        g.push_node(Node { op: Op::Elementwise(Ew::Neg), inputs: smallvec![node(1)], types: smallvec![ty] });
        assert!(graph(&g).is_err());
    }
}
