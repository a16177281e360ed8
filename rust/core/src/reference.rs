//! A slow interpreter of graphs, in f64 and exact integers: the oracle that devices are tested against.
//!
//! Every node is computed from operands of its dtype, accumulated in f64 (or exactly), and rounded once.

mod arrays;
mod control;
mod indexing;
pub(crate) mod kernel;
mod linalg;
mod movement;
mod number;
mod reduction;
mod sliding;
mod tensor;

pub use tensor::{Data, HostTensor};

use crate::op::{Ew, Types};
use crate::{Error, Graph, Op, Result, Scalar, TensorType};

/// Runs a graph. The inputs must be of the types of the graph's inputs.
pub fn evaluate(graph: &Graph, inputs: &[HostTensor]) -> Result<Vec<HostTensor>> {
    let expected = graph.input_types();
    let given: Vec<&TensorType> = inputs.iter().map(|t| &t.ty).collect();
    if !expected.iter().eq(given.iter().copied()) {
        return Err(Error::shape("evaluate", format!("inputs {expected:?}"), format!("{given:?}")));
    }
    let mut results: Vec<Vec<HostTensor>> = vec![Vec::new(); graph.len()];
    for id in graph.order(graph.outputs.iter().copied()) {
        let node = graph.node(id);
        let operands: Vec<&HostTensor> = node
            .inputs
            .iter()
            .map(|&v| graph.resolve(v))
            .map(|v| &results[v.node.0 as usize][v.index as usize])
            .collect();
        results[id.0 as usize] = match node.op {
            Op::Input(number) => vec![inputs[number as usize].clone()],
            _ => run(&node.op, &operands, &node.types)?,
        };
    }
    let outputs = graph.outputs.iter().map(|&v| graph.resolve(v));
    Ok(outputs.map(|v| results[v.node.0 as usize][v.index as usize].clone()).collect())
}

/// Runs one op, whose results are of the given types.
fn run(op: &Op, operands: &[&HostTensor], types: &Types) -> Result<Vec<HostTensor>> {
    let ty = types.first().cloned().unwrap_or_else(|| TensorType::new(crate::DType::Bool, [0]));
    let x = || operands[0];
    let one = |t: HostTensor| Ok(vec![t]);
    match op {
        Op::Input(_) => Err(Error::Internal("an input inside a graph".into())),
        Op::Elementwise(ew) => one(elementwise(*ew, operands, ty)),
        Op::Cast(dtype) => one(HostTensor::build(ty, |i| x().get(i).cast(*dtype))),
        Op::Bitcast(_) => one(HostTensor::from_bytes(ty, &x().to_bytes())?),
        Op::Fused(kernel) => Ok(kernel::fused(kernel, operands, types)),
        Op::Full(full) => one(HostTensor::build(ty, |_| full.value)),
        Op::Iota(iota) => one(movement::iota(iota.axis, ty)),
        Op::RandomBits(_) => one(movement::random_bits(x(), ty)),
        Op::Reshape(_) => one(HostTensor { ty, data: x().data.clone() }),
        Op::Transpose(op) => one(movement::transpose(x(), &op.perm, ty)),
        Op::Broadcast(_) => one(movement::broadcast(x(), ty)),
        Op::Slice(op) => one(movement::slice(x(), op, ty)),
        Op::Pad(op) => one(movement::pad(x(), operands[1].get(0), op, ty)),
        Op::Concat(op) => one(movement::concat(operands, op.axis, ty)),
        Op::Reverse(op) => one(movement::reverse(x(), &op.axes, ty)),
        Op::DynamicSlice(_) => one(indexing::dynamic_slice(x(), operands[1], ty)),
        Op::DynamicUpdateSlice(_) => one(indexing::dynamic_update_slice(x(), operands[1], operands[2])),
        Op::Gather(op) => one(indexing::gather(x(), operands[1], op.axis, ty)),
        Op::GatherAlong(op) => one(indexing::gather_along(x(), operands[1], op.axis, ty)),
        Op::GatherNd(_) => one(indexing::gather_nd(x(), operands[1], ty)),
        Op::ScatterAlong(op) => one(indexing::scatter_along(x(), operands[1], operands[2], op.axis)),
        Op::ScatterNd(op) => one(indexing::scatter_nd(op.mode, x(), operands[1], operands[2])),
        Op::Reduce(op) => one(reduction::reduce(op, x(), ty)),
        Op::ArgReduce(op) => one(reduction::arg_reduce(op, x(), ty)),
        Op::Cumulative(op) => one(reduction::cumulative(op, x())),
        Op::Softmax(op) => one(reduction::softmax(x(), op.axis, false)),
        Op::LogSoftmax(op) => one(reduction::softmax(x(), op.axis, true)),
        Op::Sort(op) => Ok(reduction::sort(x(), op.axis, op.descending, None, types)),
        Op::TopK(op) => Ok(reduction::sort(x(), x().ty.shape.rank() - 1, true, Some(op.k), types)),
        Op::MatMul(op) => one(sliding::matmul(op, x(), operands[1], ty)),
        Op::Convolution(op) => one(sliding::convolution(&op.spec, x(), operands[1], ty)),
        Op::ConvGradInput(op) => one(sliding::conv_grad_input(&op.spec, x(), operands[1], ty)),
        Op::ConvGradKernel(op) => one(sliding::conv_grad_kernel(&op.spec, x(), operands[1], ty)),
        Op::WindowReduce(op) => one(sliding::window_reduce(op, x(), ty)),
        Op::WindowScatterSum(op) => one(sliding::window_scatter_sum(&op.window, x(), ty)),
        Op::MaxScatter(op) => one(sliding::max_scatter(op.kind, &op.window, x(), operands[1])),
        Op::MaxPick(op) => one(sliding::max_pick(op.kind, &op.window, x(), operands[1], ty)),
        Op::Linalg(op) => Ok(linalg::linalg(op.kind, operands, types)),
        Op::Scan(op) => control::scan(op, operands, types),
        Op::While(op) => control::while_loop(op, operands),
        Op::Cond(op) => control::cond(op, operands),
        Op::CustomVjp(op) => Ok(operands[..op.outputs].iter().map(|&t| t.clone()).collect()),
    }
}

fn elementwise(op: Ew, operands: &[&HostTensor], ty: TensorType) -> HostTensor {
    HostTensor::build(ty, |i| {
        let args: smallvec::SmallVec<[Scalar; 3]> = operands.iter().map(|t| t.get(i)).collect();
        op.fold(&args)
    })
}

#[cfg(test)]
mod tests;
