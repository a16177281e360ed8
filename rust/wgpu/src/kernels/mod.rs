//! Shaders of the steps, one file per family.

mod along;
mod control;
mod convolution;
mod gemm;
mod indexing;
mod movement;
mod pooling;
mod random;
mod softmax;
mod sorting;

use oxhorn_core::kernel::{Instr, Kernel, Load, Reduction};
use oxhorn_core::op::ReduceKind;
use oxhorn_core::plan::Step;
use oxhorn_core::{DType, Op, TensorType, verify};
use smallvec::{SmallVec, smallvec};

use crate::program::Compiler;
use crate::shader::fused;
use crate::shader::language::computes;
use crate::step::{Arg, Args, Refusal};

type Compiled<T = ()> = Result<T, Refusal>;

/// Compiles one step; returns the number of steps inside it.
pub(crate) fn compile(step: &Step, args: &Args<'_>, compiler: &mut Compiler) -> Compiled<usize> {
    match &step.op {
        Op::Scan(op) => return control::scan(op, args, compiler),
        Op::While(op) => return control::while_loop(op, args, compiler),
        Op::Cond(_) => return control::cond(args, compiler),
        _ => verify::step(step)?,
    }
    if args.outputs.iter().all(|o| o.numel() == 0) {
        return Ok(0);
    }
    match &step.op {
        Op::Fused(kernel) => fuse(kernel, args.inputs, args.outputs, compiler),
        Op::RandomBits(_) => random::random_bits(args, compiler),
        Op::Pad(op) => movement::pad(op, args, compiler),
        Op::Concat(op) => movement::concat(op, args, compiler),
        Op::DynamicSlice(_) => movement::dynamic_slice(args, compiler),
        Op::DynamicUpdateSlice(_) => movement::dynamic_update_slice(args, compiler),
        Op::Gather(op) => indexing::gather(op, args, compiler),
        Op::GatherAlong(op) => indexing::gather_along(op, args, compiler),
        Op::GatherNd(_) => indexing::gather_nd(args, compiler),
        Op::ScatterNd(op) => indexing::scatter_nd(op, args, compiler),
        Op::ScatterAlong(op) => indexing::scatter_along(op, args, compiler),
        Op::ArgReduce(op) => along::arg_reduce(op, args, compiler),
        Op::Cumulative(op) => along::cumulative(op, args, compiler),
        Op::Softmax(op) => softmax::softmax(op.axis, false, args, compiler),
        Op::LogSoftmax(op) => softmax::softmax(op.axis, true, args, compiler),
        Op::Sort(op) => sorting::sort(op, args, compiler),
        Op::TopK(op) => sorting::top_k(op, args, compiler),
        Op::WindowReduce(op) => pooling::window_reduce(op, args, compiler),
        Op::WindowScatterSum(op) => pooling::window_scatter_sum(op, args, compiler),
        Op::MaxScatter(op) => pooling::max_scatter(op, args, compiler),
        Op::MaxPick(op) => pooling::max_pick(op, args, compiler),
        Op::MatMul(op) => gemm::matmul(op, args, compiler),
        Op::Convolution(op) => convolution::forward(op, args, compiler),
        Op::ConvGradInput(op) => convolution::grad_input(op, args, compiler),
        Op::ConvGradKernel(op) => convolution::grad_kernel(op, args, compiler),
        other => Err(Refusal::Host(other.name().into())),
    }?;
    Ok(0)
}

/// Operands and results by number.
fn only<const I: usize, const O: usize>(args: &Args<'_>) -> Compiled<([Arg; I], [Arg; O])> {
    match (<[Arg; I]>::try_from(args.inputs.to_vec()), <[Arg; O]>::try_from(args.outputs.to_vec())) {
        (Ok(inputs), Ok(outputs)) => Ok((inputs, outputs)),
        _ => Err(args.malformed(&format!("{I} operands and {O} results"))),
    }
}

/// Fails unless shaders can compute with numbers of this dtype.
fn computed(args: &Args<'_>, dtype: DType, compiler: &Compiler) -> Compiled {
    if computes(dtype, compiler.shared.int64) {
        return Ok(());
    }
    Err(Refusal::Host(format!("{} of {dtype}", args.step.op.name())))
}

/// A fused kernel.
fn fuse(kernel: &Kernel, inputs: &[Arg], outputs: &[Arg], compiler: &mut Compiler) -> Compiled {
    let int64 = compiler.shared.int64;
    let shaders = match (&kernel.reduction, outputs) {
        (Some(reduction), [output]) => {
            fused::reduce(kernel, reduction, inputs, output, int64, |bytes| Ok(compiler.scratch(bytes)?))?
        }
        _ => vec![fused::map(kernel, inputs, outputs, int64)?],
    };
    shaders.into_iter().try_for_each(|shader| compiler.dispatch(shader))
}

fn load(operand: u32, dtype: DType, strides: &[usize]) -> Load {
    Load { operand, dtype, offset: 0, strides: strides.iter().map(|&s| s as isize).collect() }
}

/// Converts a tensor.
fn convert(from: &Arg, to: &Arg, compiler: &mut Compiler) -> Compiled {
    let kernel = Kernel {
        space: smallvec![to.numel()],
        reduced: 0,
        loads: vec![load(0, from.dtype(), &[1])],
        body: vec![Instr::Cast { from: from.dtype(), to: to.dtype(), arg: 0 }],
        reduction: None,
        stores: smallvec![1],
    };
    fuse(&kernel, std::slice::from_ref(from), std::slice::from_ref(to), compiler)
}

/// Copies a tensor.
fn copy(from: &Arg, to: &Arg, compiler: &mut Compiler) -> Compiled {
    if (from.base, from.offset) == (to.base, to.offset) || to.numel() == 0 {
        return Ok(());
    }
    let kernel = Kernel {
        space: smallvec![to.numel()],
        reduced: 0,
        loads: vec![load(0, from.dtype(), &[1])],
        body: vec![],
        reduction: None,
        stores: smallvec![0],
    };
    fuse(&kernel, std::slice::from_ref(from), std::slice::from_ref(to), compiler)
}

/// Sums the first axis of a tensor, of which there are `rows`.
fn sum_rows(from: &Arg, to: &Arg, rows: usize, compiler: &mut Compiler) -> Compiled {
    let (count, dtype) = (to.numel(), from.dtype());
    let kernel = Kernel {
        space: smallvec![count, rows],
        reduced: 1,
        loads: vec![load(0, dtype, &[1, count])],
        body: vec![],
        reduction: Some(Reduction { kind: ReduceKind::Sum, dtype, register: 0 }),
        stores: SmallVec::new(),
    };
    fuse(&kernel, std::slice::from_ref(from), std::slice::from_ref(to), compiler)
}

/// The dtype of 32 or 64 bits in which totals of elements of `dtype` are kept in memory.
fn wide(dtype: DType) -> DType {
    match dtype {
        DType::Bool | DType::U8 | DType::U16 => DType::U32,
        DType::I8 | DType::I16 => DType::I32,
        other => other.accumulator(),
    }
}

/// Statements that take coordinates `{name}0`, `{name}1`, ... of type u32 from the number `number`, for axes
/// whose sizes are the arguments `{size}0`, `{size}1`, ...
fn unravel(number: &str, name: &str, size: &str, rank: usize) -> String {
    let mut out = String::new();
    let mut rest = number.to_owned();
    for axis in (0..rank).rev() {
        if axis == 0 {
            out.push_str(&format!("    let {name}0 = {rest};\n"));
        } else {
            out.push_str(&format!("    let {name}{axis} = {rest} % p.{size}{axis};\n"));
            out.push_str(&format!("    let {name}q{axis} = {rest} / p.{size}{axis};\n"));
            rest = format!("{name}q{axis}");
        }
    }
    out
}

/// Expression for the number of the element at coordinates `{name}0`, ... of axes of sizes `{size}0`, ...
fn ravel(name: &str, size: &str, rank: usize) -> String {
    let mut out = String::new();
    for axis in 0..rank {
        out = match axis {
            0 => format!("{name}0"),
            _ => format!("({out}) * p.{size}{axis} + {name}{axis}"),
        };
    }
    if rank == 0 { "0u".into() } else { out }
}

/// A type.
fn typed(dtype: DType, shape: impl Into<oxhorn_core::Shape>) -> TensorType {
    TensorType::new(dtype, shape)
}
