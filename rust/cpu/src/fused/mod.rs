//! The interpreter of kernel IR.
//!
//! A loop nest is cut into tiles that stay in the first-level cache. Each scalar op of the kernel is one
//! call per tile of a loop that was compiled for its dtype and for the processor; operands that lie
//! densely are read in place and results are written in place, so a tile costs little more than the
//! arithmetic in it. float16 and bfloat16 are computed in float32 and rounded after every op, as if each
//! op were a kernel of its own.

mod body;
mod map;
mod micro;
mod nest;
mod ops;
mod pack;
mod pairs;
mod reduce;
mod reducers;
mod run;

use oxhorn_core::Result;
use oxhorn_core::kernel::{Instr, Kernel};

use self::body::{Builder, Walkers};
use self::nest::{Nest, Steps, merge};
use crate::isa::Isa;
use crate::step::{Args, Layout, Task};

pub(crate) use run::with_scratch;

/// Elements of a tile, at most.
pub(crate) const TILE: usize = 1024;

/// Compiles a kernel.
pub(crate) fn compile(kernel: &Kernel, args: &Args<'_>, layout: &mut Layout) -> Result<Task> {
    for &(output, operand) in args.aliases {
        if args.outputs[output].dtype().size() != args.inputs[operand].dtype().size() {
            return Err(args.malformed("results over operands of the same element size"));
        }
    }
    if args.outputs.iter().all(|o| o.numel() == 0) {
        return Ok(Box::new(|_| {}));
    }
    if kernel.reduction.is_some() {
        return reduce::compile(kernel, args, layout);
    }
    let mut steps = walkers(kernel);
    let (dims, _) = merge(&kernel.space, &mut steps, 0);
    let nest = Nest::new(&dims, 0, tile_limit(kernel));
    let walkers = split_walkers(kernel, steps, nest.dims.len());
    let body = Builder::build(kernel, &walkers, &nest, args.inputs, args.aliases, Isa::get())?;
    let map = map::Map::new(body, nest, args.outputs);
    Ok(Box::new(move |frame| map.run(frame)))
}

/// Steps of the loads, then of the indices.
fn walkers(kernel: &Kernel) -> Vec<Steps> {
    let loads = kernel.loads.iter().map(|l| l.strides.iter().copied().collect());
    let indices = kernel.body.iter().filter_map(|i| match i {
        Instr::Index { strides, .. } => Some(strides.iter().map(|&s| s as isize).collect()),
        _ => None,
    });
    loads.chain(indices).collect()
}

/// The reverse; a nest without axes became one of a single axis.
fn split_walkers(kernel: &Kernel, mut steps: Vec<Steps>, rank: usize) -> Walkers {
    for step in &mut steps {
        step.resize(rank, 0);
    }
    let indices = steps.split_off(kernel.loads.len());
    Walkers { loads: steps, indices }
}

/// Elements of a tile whose operands and intermediate results fit the first-level cache.
fn tile_limit(kernel: &Kernel) -> usize {
    let loads: usize = kernel.loads.iter().map(|l| ops::compute_dtype(l.dtype).size()).sum();
    let widest = kernel.body.iter().map(|i| ops::compute_dtype(i.dtype()).size()).max().unwrap_or(0);
    let bytes = (loads + 3 * widest).max(1);
    (32768 / bytes).clamp(256, TILE) / 64 * 64
}
