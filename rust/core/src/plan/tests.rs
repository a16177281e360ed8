//! Plans are run on bytes, kernels one point at a time, and must give what the graph gives.

use proptest::prelude::*;

use crate::op::{Ew, ReduceKind};
use crate::passes::testing::{cases, evaluate, random_graph, same, samples};
use crate::passes::{PassOptions, optimise, resolve};
use crate::plan::{Operand, Place, Plan, Step};
use crate::reference::HostTensor;
use crate::reference::kernel::registers;
use crate::shape::Dims;
use crate::{DType, Graph, Node, Op, Result, Scalar, Shape, TensorType, Value, verify};

/// Memory: inputs, then outputs, then the arena. A donated input and its output are one block.
struct Memory {
    blocks: Vec<Vec<u8>>,
    inputs: usize,
    outputs: Vec<usize>,
}

impl Memory {
    fn new(plan: &Plan, inputs: &[HostTensor], donate: bool) -> Self {
        let mut blocks: Vec<Vec<u8>> = inputs.iter().map(HostTensor::to_bytes).collect();
        let mut outputs = Vec::new();
        for (ty, donor) in plan.outputs.iter().zip(&plan.donations) {
            match donor {
                Some(input) if donate => outputs.push(*input as usize),
                _ => {
                    blocks.push(vec![0xA5; ty.bytes()]);
                    outputs.push(blocks.len() - 1);
                }
            }
        }
        blocks.push(vec![0x5A; plan.arena_bytes]);
        Self { blocks, inputs: inputs.len(), outputs }
    }

    fn locate(&self, x: &Operand) -> (usize, std::ops::Range<usize>) {
        let (block, at) = match x.place {
            Place::Input(n) => {
                assert!((n as usize) < self.inputs);
                (n as usize, 0)
            }
            Place::Output(n) => (self.outputs[n as usize], 0),
            Place::Arena(at) => (self.blocks.len() - 1, at),
        };
        (block, at..at + x.ty.bytes())
    }

    fn read(&self, x: &Operand) -> HostTensor {
        let (block, range) = self.locate(x);
        HostTensor::from_bytes(x.ty.clone(), &self.blocks[block][range]).expect("size")
    }

    fn write(&mut self, x: &Operand, i: usize, values: &[u8]) {
        let (block, range) = self.locate(x);
        self.blocks[block][range][i * x.ty.dtype.size()..][..values.len()].copy_from_slice(values);
    }

    fn overlap(&self, x: &Operand, y: &Operand) -> bool {
        let ((a, x), (b, y)) = (self.locate(x), self.locate(y));
        a == b && x.start < y.end && y.start < x.end
    }
}

fn step(memory: &mut Memory, step: &Step) {
    match &step.op {
        // Operands that results lie over are read again at every point.
        Op::Fused(k) if k.reduction.is_none() => {
            let mut operands: Vec<HostTensor> = step.inputs.iter().map(|x| memory.read(x)).collect();
            let space = Shape(k.space.clone());
            let strides = space.strides();
            for point in 0..space.numel() {
                let at: Dims = strides.iter().zip(space.iter()).map(|(s, d)| (point / s) % d).collect();
                let values = registers(k, &operands.iter().collect::<Vec<_>>(), &at);
                for (output, &register) in step.outputs.iter().zip(&k.stores) {
                    let value = values[register as usize];
                    memory.write(output, point, &value.to_le_bytes()[..value.dtype().size()]);
                }
                for (operand, x) in operands.iter_mut().zip(&step.inputs) {
                    if step.outputs.iter().any(|y| memory.overlap(x, y)) {
                        *operand = memory.read(x);
                    }
                }
            }
        }
        op => {
            let operands: Vec<HostTensor> = step.inputs.iter().map(|x| memory.read(x)).collect();
            let results = match op {
                Op::Scan(_) => scan(step, &operands),
                _ => single(step, &operands),
            };
            for (x, result) in step.outputs.iter().zip(&results) {
                assert!(!step.inputs.iter().any(|y| memory.overlap(x, y)), "{} in place", op.name());
                memory.write(x, 0, &result.to_bytes());
            }
        }
    }
}

/// One op by the reference.
fn single(step: &Step, operands: &[HostTensor]) -> Vec<HostTensor> {
    let mut g = Graph::new();
    let inputs = operands.iter().map(|t| g.input(t.ty.clone())).collect();
    let types = step.outputs.iter().map(|x| x.ty.clone()).collect();
    let node = g.push_node(Node { op: step.op.clone(), inputs, types });
    g.outputs = (0..step.outputs.len() as u32).map(|index| Value { node, index }).collect();
    evaluate(&g, operands)
}

/// A loop by the plan of its body.
fn scan(step: &Step, x: &[HostTensor]) -> Vec<HostTensor> {
    let Op::Scan(scan) = &step.op else { unreachable!() };
    let blocks: Vec<_> = (0..scan.block_count()).map(|b| scan_block(step, scan, x, b)).collect();
    let results = step.outputs.iter().enumerate().map(|(i, y)| {
        let axis = usize::from(i >= scan.carry);
        let outer: usize = if scan.blocks.is_some() { y.ty.shape[..axis].iter().product() } else { 1 };
        let n = y.ty.bytes() / outer.max(1) / blocks.len();
        let bytes: Vec<u8> =
            (0..outer).flat_map(|o| blocks.iter().flat_map(move |b| b[i][o * n..][..n].to_vec())).collect();
        HostTensor::from_bytes(y.ty.clone(), &bytes).expect("blocks")
    });
    results.collect()
}

/// One block of a loop: the bytes of its results.
fn scan_block(step: &Step, scan: &crate::op::Scan, x: &[HostTensor], b: usize) -> Vec<Vec<u8>> {
    let plan = &step.plans[0];
    // The bytes of input `i` of the body, at step `t` of a sequence.
    let part = |i: usize, t: usize| {
        let bytes = x[i].to_bytes();
        let steps = if (scan.carry..scan.carry + scan.xs).contains(&i) { scan.length } else { 1 };
        let n = plan.inputs[i].bytes();
        let place = if scan.block_axis(i).is_some() { b } else { 0 };
        HostTensor::from_bytes(plan.inputs[i].clone(), &bytes[t * (bytes.len() / steps) + place * n..][..n])
            .expect("part")
    };
    let mut carry: Vec<HostTensor> = (0..scan.carry).map(|i| part(i, 0)).collect();
    let mut ys = vec![vec![Vec::new(); scan.length]; step.outputs.len() - scan.carry];
    for i in 0..scan.length {
        let t = if scan.reverse { scan.length - 1 - i } else { i };
        let rest = (scan.carry..x.len()).map(|i| part(i, if i < scan.carry + scan.xs { t } else { 0 }));
        let inputs: Vec<HostTensor> = carry.iter().cloned().chain(rest).collect();
        let mut results = run(plan, &inputs, true);
        for (y, slice) in ys.iter_mut().zip(results.drain(scan.carry..)) {
            y[t] = slice.to_bytes();
        }
        carry = results;
    }
    carry.iter().map(HostTensor::to_bytes).chain(ys.into_iter().map(|y| y.concat())).collect()
}

/// Runs a plan, donated inputs written over or not.
pub(crate) fn run(plan: &Plan, inputs: &[HostTensor], donate: bool) -> Vec<HostTensor> {
    let mut memory = Memory::new(plan, inputs, donate);
    for s in &plan.steps {
        step(&mut memory, s);
    }
    let outputs = plan.outputs.iter().enumerate();
    outputs.map(|(o, ty)| memory.read(&Operand { place: Place::Output(o as u32), ty: ty.clone() })).collect()
}

proptest! {
    #![proptest_config(cases(1000))]
    #[test]
    fn plans_give_what_graphs_give(seed in any::<u64>(), nodes in 3usize..40) {
        let mut graph = resolve(random_graph(seed, nodes))?;
        // Any pair of one size may be a state slot.
        for (o, &v) in graph.outputs.clone().iter().enumerate() {
            for (i, ty) in graph.input_types().iter().enumerate() {
                if ty.bytes() == graph.ty(v).bytes() {
                    graph.donations.push((o, i));
                }
            }
        }
        let inputs = samples(&graph, 7);
        let expected = evaluate(&graph, &inputs);
        for graph in [graph.clone(), optimise(graph, &PassOptions::default())?] {
            let plan = Plan::build(&graph)?;
            verify::plan(&plan)?;
            for donate in [false, true] {
                prop_assert!(same(&run(&plan, &inputs, donate), &expected), "{graph}{plan}");
            }
        }
    }
}

fn f32s(shape: &[usize]) -> TensorType {
    TensorType::new(DType::F32, shape)
}

fn planned(graph: Graph) -> Result<Plan> {
    let plan = Plan::build(&optimise(graph, &PassOptions::default())?)?;
    verify::plan(&plan)?;
    Ok(plan)
}

/// One layer and its training step: the weight's new value may lie over the old one.
fn sgd(later_read: bool) -> Result<Graph> {
    let mut g = Graph::new();
    let (w, x) = (g.input(f32s(&[64, 64])), g.input(f32s(&[32, 64])));
    let y = g.matmul(x, w, false, false)?;
    let dy = g.elementwise(Ew::Tanh, &[y])?;
    let dw = g.matmul(x, dy, true, false)?;
    let rate = g.full([64, 64], Scalar::from_f64(0.01, DType::F32))?;
    let step = g.elementwise(Ew::Mul, &[dw, rate])?;
    let new = g.elementwise(Ew::Sub, &[w, step])?;
    g.outputs = vec![new];
    if later_read {
        let z = g.matmul(new, w, false, false)?;
        g.outputs.push(z);
    }
    g.donations = vec![(0, 0)];
    Ok(g)
}

#[test]
fn donation() -> Result<()> {
    assert_eq!(planned(sgd(false)?)?.donations, vec![Some(0)]);
    assert_eq!(planned(sgd(true)?)?.donations, vec![None, None]);
    Ok(())
}

/// The updates of early layers' weights run as soon as their gradients are there, not at the end.
#[test]
fn gradients_do_not_pile_up() -> Result<()> {
    let (mut g, n, layers) = (Graph::new(), 256, 20);
    let ws: Vec<Value> = (0..layers).map(|_| g.input(f32s(&[n, n]))).collect();
    let x = g.input(f32s(&[4, n]));
    let mut activations = vec![x];
    for &w in &ws {
        let y = g.matmul(activations[activations.len() - 1], w, false, false)?;
        activations.push(g.elementwise(Ew::Tanh, &[y])?);
    }
    let mut dy = activations[layers];
    let mut gradients = vec![];
    for (i, &w) in ws.iter().enumerate().rev() {
        gradients.push(g.matmul(activations[i], dy, true, false)?);
        dy = g.matmul(dy, w, false, true)?;
    }
    for (o, (&w, dw)) in ws.iter().zip(gradients.into_iter().rev()).enumerate() {
        let new = g.elementwise(Ew::Sub, &[w, dw])?;
        g.outputs.push(new);
        g.donations.push((o, o));
    }
    let plan = planned(g)?;
    assert!(plan.donations.iter().all(Option::is_some));
    assert!(plan.arena_bytes < 3 * 4 * n * n, "{}", plan.arena_bytes);
    Ok(())
}

/// Inputs and duplicates as outputs are copied.
#[test]
fn copies() -> Result<()> {
    let mut g = Graph::new();
    let x = g.input(f32s(&[3]));
    let y = g.elementwise(Ew::Neg, &[x])?;
    let flat = g.reshape(y, [3, 1])?;
    g.outputs = vec![x, y, flat, y];
    g.donations = vec![(1, 0)];
    let inputs = samples(&g, 3);
    let expected = evaluate(&g, &inputs);
    let plan = planned(g)?;
    assert_eq!(plan.steps.len(), 4);
    assert_eq!(plan.donations[1], Some(0));
    for donate in [false, true] {
        assert!(same(&run(&plan, &inputs, donate), &expected), "{plan}");
    }
    Ok(())
}

/// Element-wise chains between products reuse the memory of what dies.
#[test]
fn in_place() -> Result<()> {
    let mut g = Graph::new();
    let x = g.input(f32s(&[64, 64]));
    let mut y = x;
    for _ in 0..10 {
        y = g.matmul(y, x, false, false)?;
        y = g.elementwise(Ew::Relu, &[y])?;
    }
    let s = g.reduce(ReduceKind::Sum, y, &[0, 1], false)?;
    g.outputs = vec![s];
    let plan = planned(g)?;
    assert_eq!(plan.arena_bytes, 2 * 64 * 64 * 4);
    Ok(())
}
