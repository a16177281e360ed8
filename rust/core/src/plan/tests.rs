//! Plans are run on bytes, kernels one point at a time, and must give what the graph gives.

use proptest::prelude::*;

use crate::op::{Ew, ReduceKind};
use crate::passes::testing::{Tensor, apply, evaluate, random_graph, registers, same, samples};
use crate::passes::{PassOptions, optimise, resolve};
use crate::plan::{Operand, Place, Plan, Step};
use crate::{DType, Graph, Node, Op, Result, Scalar, TensorType, Value, verify};

/// Memory: inputs, then outputs, then the arena. A donated input and its output are one block.
struct Memory {
    blocks: Vec<Vec<u8>>,
    inputs: usize,
    outputs: Vec<usize>,
}

impl Memory {
    fn new(plan: &Plan, inputs: &[Tensor], donate: bool) -> Self {
        let mut blocks: Vec<Vec<u8>> = inputs.iter().map(Tensor::bytes).collect();
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

    fn read(&self, x: &Operand) -> Tensor {
        let (block, range) = self.locate(x);
        Tensor::from_bytes(x.ty.clone(), &self.blocks[block][range])
    }

    fn element(&self, x: &Operand, i: usize) -> Scalar {
        let (block, range) = self.locate(x);
        let size = x.ty.dtype.size();
        let ty = TensorType::new(x.ty.dtype, []);
        Tensor::from_bytes(ty, &self.blocks[block][range][i * size..][..size]).data[0]
    }

    fn write(&mut self, x: &Operand, i: usize, values: &[Scalar]) {
        let (block, range) = self.locate(x);
        let bytes = Tensor { ty: x.ty.clone(), data: values.to_vec() }.bytes();
        self.blocks[block][range][i * x.ty.dtype.size()..][..bytes.len()].copy_from_slice(&bytes);
    }
}

fn step(memory: &mut Memory, step: &Step) {
    match &step.op {
        Op::Fused(k) if k.reduction.is_none() => {
            for point in 0..k.space.iter().product() {
                let registers = registers(k, point, |operand, i| memory.element(&step.inputs[operand], i));
                for (output, &register) in step.outputs.iter().zip(&k.stores) {
                    memory.write(output, point, &[registers[register as usize]]);
                }
            }
        }
        op => {
            let operands: Vec<Tensor> = step.inputs.iter().map(|x| memory.read(x)).collect();
            let types = step.outputs.iter().map(|x| x.ty.clone()).collect();
            let node = Node { op: op.clone(), inputs: Default::default(), types };
            let results = match op {
                Op::Scan(_) => scan(&node, &step.plans[0], &operands),
                _ => apply(&node, &operands),
            };
            for (x, result) in step.outputs.iter().zip(&results) {
                let (block, range) = memory.locate(x);
                for operand in &step.inputs {
                    let (b, r) = memory.locate(operand);
                    assert!(
                        b != block || r.end <= range.start || range.end <= r.start,
                        "{} in place",
                        op.name()
                    );
                }
                memory.write(x, 0, &result.data);
            }
        }
    }
}

fn scan(node: &Node, body: &Plan, x: &[Tensor]) -> Vec<Tensor> {
    let Op::Scan(scan) = &node.op else { unreachable!() };
    let mut carry = x[..scan.carry].to_vec();
    let mut ys = vec![vec![Vec::new(); scan.length]; node.types.len() - scan.carry];
    for i in 0..scan.length {
        let t = if scan.reverse { scan.length - 1 - i } else { i };
        let slice = |x: &Tensor| {
            let ty = TensorType::new(x.ty.dtype, &x.ty.shape[1..]);
            let n = ty.shape.numel();
            Tensor { ty, data: x.data[t * n..][..n].to_vec() }
        };
        let inputs: Vec<Tensor> = carry
            .iter()
            .cloned()
            .chain(x[scan.carry..][..scan.xs].iter().map(slice))
            .chain(x[scan.carry + scan.xs..].iter().cloned())
            .collect();
        let mut results = run(body, &inputs, true);
        for (y, slice) in ys.iter_mut().zip(results.drain(scan.carry..)) {
            y[t] = slice.data;
        }
        carry = results;
    }
    let ys = ys.into_iter().zip(&node.types[scan.carry..]);
    carry.into_iter().chain(ys.map(|(y, ty)| Tensor { ty: ty.clone(), data: y.concat() })).collect()
}

/// Runs a plan, donated inputs written over or not.
pub(crate) fn run(plan: &Plan, inputs: &[Tensor], donate: bool) -> Vec<Tensor> {
    let mut memory = Memory::new(plan, inputs, donate);
    for s in &plan.steps {
        step(&mut memory, s);
    }
    let outputs = plan.outputs.iter().enumerate();
    outputs.map(|(o, ty)| memory.read(&Operand { place: Place::Output(o as u32), ty: ty.clone() })).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
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
