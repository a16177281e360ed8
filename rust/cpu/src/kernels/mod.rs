//! Kernels of the structural ops, one file per family.

mod along;
mod control;
mod convolution;
mod copy;
pub(crate) mod element;
mod indexing;
mod linalg;
mod matmul;
mod movement;
mod pooling;
mod random;
mod softmax;
mod sorting;

use oxhorn_core::plan::Step;
use oxhorn_core::{Error, Op, Result, verify};

use crate::fused;
use crate::step::{Args, Layout, Task};

/// Compiles one instruction; returns it with the number of instructions inside.
pub(crate) fn compile(step: &Step, args: &Args<'_>, layout: &mut Layout) -> Result<(Task, usize)> {
    if !matches!(step.op, Op::Scan(_) | Op::While(_) | Op::Cond(_)) {
        verify::step(step)?;
    }
    let task = match &step.op {
        Op::Fused(kernel) => fused::compile(kernel, args, layout)?,
        Op::Scan(op) => return control::scan(op, args),
        Op::While(op) => return control::while_loop(op, args, layout),
        Op::Cond(_) => return control::cond(args, layout),
        Op::RandomBits(_) => random::random_bits(args)?,
        Op::Pad(op) => movement::pad(op, args)?,
        Op::Concat(op) => movement::concat(op, args)?,
        Op::DynamicSlice(_) => movement::dynamic_slice(args)?,
        Op::DynamicUpdateSlice(_) => movement::dynamic_update_slice(args)?,
        Op::Gather(op) => indexing::gather(op, args)?,
        Op::GatherAlong(op) => indexing::gather_along(op, args)?,
        Op::GatherNd(_) => indexing::gather_nd(args)?,
        Op::ScatterNd(op) => indexing::scatter_nd(op, args)?,
        Op::ScatterAlong(op) => indexing::scatter_along(op, args)?,
        Op::ArgReduce(op) => along::arg_reduce(op, args)?,
        Op::Cumulative(op) => along::cumulative(op, args)?,
        Op::Softmax(op) => softmax::softmax(softmax::Kind::Softmax, op.axis, args)?,
        Op::LogSoftmax(op) => softmax::softmax(softmax::Kind::LogSoftmax, op.axis, args)?,
        Op::Sort(op) => sorting::sort(op, args)?,
        Op::TopK(op) => sorting::top_k(op, args)?,
        Op::Linalg(op) => linalg::linalg(op, args)?,
        Op::WindowReduce(op) => pooling::window_reduce(op, args)?,
        Op::WindowScatterSum(op) => pooling::window_scatter_sum(op, args)?,
        Op::MaxScatter(op) => pooling::max_scatter(op, args)?,
        Op::MaxPick(op) => pooling::max_pick(op, args)?,
        Op::Convolution(op) => convolution::forward(op, args)?,
        Op::ConvGradInput(op) => convolution::grad_input(op, args)?,
        Op::ConvGradKernel(op) => convolution::grad_kernel(op, args)?,
        Op::MatMul(op) => matmul::matmul(op, args)?,
        other => return Err(Error::Internal(format!("cpu: no kernel for {}", other.name()))),
    };
    Ok((task, 0))
}
