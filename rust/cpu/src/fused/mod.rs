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
#[cfg(test)]
mod tests;

use oxhorn_core::kernel::{Instr, Kernel};
use oxhorn_core::op::ReduceKind;
use oxhorn_core::{DType, Error, Result};

use self::body::{Builder, Walkers};
use self::nest::{Nest, Steps, merge};
use crate::isa::Isa;
use crate::step::{Args, Layout, Task};

pub(crate) use run::with_scratch;

/// Elements of a tile, at most.
pub(crate) const TILE: usize = 1024;

/// Compiles a kernel.
pub(crate) fn compile(kernel: &Kernel, args: &Args<'_>, layout: &mut Layout) -> Result<Task> {
    check(kernel, args)?;
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

/// Makes sure that running the kernel reads and writes only what the operands and results have, and that
/// registers hold what the ops expect: the interpreter relies on it.
fn check(kernel: &Kernel, args: &Args<'_>) -> Result<()> {
    let fail = |what: &str| Err(Error::Internal(format!("fused kernel: {what}: {kernel:?}")));
    let rank = kernel.space.len();
    let Some(outer) = rank.checked_sub(kernel.reduced) else { return fail("more reduced axes than axes") };
    let sizes = kernel.space.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let Some(points) = sizes.filter(|&n| n <= isize::MAX as usize / 8) else {
        return fail("too many points");
    };
    for load in &kernel.loads {
        let Some(operand) = args.inputs.get(load.operand as usize) else {
            return fail("operand that is not there");
        };
        if load.strides.len() != rank || load.dtype != operand.dtype() {
            return fail("load that does not fit its operand");
        }
        let (mut low, mut high) = (load.offset as i128, load.offset as i128);
        for (&stride, &dim) in load.strides.iter().zip(&kernel.space) {
            let reach = stride as i128 * (dim as i128 - 1);
            low += reach.min(0);
            high += reach.max(0);
        }
        if points > 0 && (low < 0 || high >= operand.numel() as i128) {
            return fail("load outside of its operand");
        }
    }
    let dtype_of = |register: u32, defined: usize| -> Option<DType> {
        let i = register as usize;
        match kernel.loads.get(i) {
            Some(load) => Some(load.dtype),
            None if i < defined => Some(kernel.body[i - kernel.loads.len()].dtype()),
            None => None,
        }
    };
    for (i, instr) in kernel.body.iter().enumerate() {
        let defined = kernel.loads.len() + i;
        let good = match instr {
            Instr::Elementwise { op, dtype, args } => {
                let expected = |a: usize| if op.takes_condition() && a == 0 { DType::Bool } else { *dtype };
                op.accepts(*dtype)
                    && args.len() == op.arity()
                    && args.iter().enumerate().all(|(a, &r)| dtype_of(r, defined) == Some(expected(a)))
            }
            Instr::Cast { from, arg, .. } => dtype_of(*arg, defined) == Some(*from),
            Instr::Const(_) => true,
            Instr::Index { strides, .. } => strides.len() == rank,
        };
        if !good {
            return fail("ill-typed op");
        }
    }
    let registers = kernel.loads.len() + kernel.body.len();
    match (&kernel.reduction, args.outputs) {
        (Some(r), [out]) => {
            let typed = dtype_of(r.register, registers) == Some(r.dtype) && out.dtype() == r.dtype;
            let logical = matches!(r.kind, ReduceKind::Any | ReduceKind::All);
            let outer_points: usize = kernel.space[..outer].iter().product();
            if !typed
                || logical != (r.dtype == DType::Bool)
                || out.numel() != outer_points
                || kernel.reduced == 0
            {
                return fail("reduction that does not fit its result");
            }
        }
        (None, outputs) if kernel.reduced == 0 && outputs.len() == kernel.stores.len() => {
            for (output, &register) in outputs.iter().zip(&kernel.stores) {
                if dtype_of(register, registers) != Some(output.dtype()) || output.numel() != points {
                    return fail("store that does not fit its result");
                }
            }
        }
        _ => return fail("stores and reduction do not fit the results"),
    }
    for &(output, operand) in args.aliases {
        if args.outputs[output].dtype().size() != args.inputs[operand].dtype().size() {
            return fail("result over an operand of another element size");
        }
    }
    Ok(())
}
