//! Loops and branches: sub-plans whose base pointers are set before each pass.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use oxhorn_core::op::{Scan, While};
use oxhorn_core::{Plan, Result, TensorType};
use smallvec::SmallVec;

use crate::executable::Program;
use crate::gemm::scratch;
use crate::step::{Arg, Args, At, Frame, Layout, Raw, Task};

/// A sub-plan as this step's operands see it.
fn program(args: &Args<'_>, which: usize, layout: &mut Layout) -> Result<(Program, usize, Arc<Plan>)> {
    let plan = args.plans.get(which).ok_or_else(|| args.malformed("a sub-plan"))?;
    let (program, count) = Program::compile(plan, layout)?;
    Ok((program, count, plan.clone()))
}

/// Fails unless a sub-plan's types are those expected.
fn expect<'a>(
    args: &Args<'_>,
    got: &[TensorType],
    expected: impl Iterator<Item = &'a TensorType>,
) -> Result<()> {
    if got.iter().eq(expected) { Ok(()) } else { Err(args.malformed("a sub-plan of the operands' types")) }
}

fn types(args: &[Arg]) -> impl Iterator<Item = &TensorType> {
    args.iter().map(|a| &a.ty)
}

/// A carried value: it starts in an operand and ends in a result. A body that can write the new value over
/// the old works in the result from the first step on; otherwise steps alternate between two places.
struct Carry {
    /// The second place, unless the body works in place.
    other: Option<At>,
    bytes: usize,
}

impl Carry {
    /// The first `count` of what a body carries.
    fn all(body: &Plan, count: usize, layout: &mut Layout) -> Result<Vec<Self>> {
        let types = body.outputs.iter().take(count).enumerate();
        types
            .map(|(i, ty)| {
                let in_place = body.donations.get(i).copied().flatten() == Some(i as u32);
                let other = if in_place { None } else { Some(layout.scratch(ty.bytes())?) };
                Ok(Self { other, bytes: ty.bytes() })
            })
            .collect()
    }
}

/// A sequence, a constant, or one end of a carry: what a block sees of an operand or result.
#[derive(Debug, Clone, Copy)]
struct Window {
    at: At,
    /// Bytes from one step to the next.
    step: usize,
    /// Bytes from one block to the next.
    block: usize,
}

/// A scan. The body has addresses and memory of its own, so that blocks can run side by side.
struct Loop {
    body: Program,
    length: usize,
    reverse: bool,
    blocks: usize,
    carries: Vec<Carry>,
    /// Operands in order, then results.
    windows: Vec<Window>,
    xs: usize,
    ys: usize,
    /// Bytes of memory and entries of the base table that the body needs.
    arena: usize,
    bases: usize,
}

/// See [`Scan`].
pub(crate) fn scan(op: &Scan, args: &Args<'_>) -> Result<(Task, usize)> {
    let blocks = op.block_count();
    let plan = args.plans.first().ok_or_else(|| args.malformed("a sub-plan"))?;
    let (inputs, outputs) = (args.inputs.len(), args.outputs.len());
    if plan.inputs.len() != inputs
        || plan.outputs.len() != outputs
        || inputs < op.carry + op.xs
        || outputs < op.carry
        || blocks == 0
    {
        return Err(args.malformed("carries and sequences"));
    }
    let window = |i: usize, arg: &Arg, part: &TensorType, axis: Option<usize>, steps: bool| {
        let count = if axis.is_some() { blocks } else { 1 } * if steps { op.length } else { 1 };
        let mut whole = part.shape.clone();
        if let Some(rows) = axis.and(whole.0.first_mut()) {
            *rows *= blocks;
        }
        if steps {
            whole.0.insert(0, op.length);
        }
        let fits = arg.ty == TensorType { dtype: part.dtype, shape: whole };
        if !fits || part.bytes().checked_mul(count) != Some(arg.ty.bytes()) {
            return Err(args.malformed(&format!("operand or result {i} to be of the body's types")));
        }
        let block = if axis.is_some() { part.bytes() } else { 0 };
        let step = if axis.is_some() { blocks * part.bytes() } else { part.bytes() };
        Ok(Window { at: arg.at, step, block })
    };
    let mut windows = Vec::with_capacity(inputs + outputs);
    for (i, (arg, part)) in args.inputs.iter().zip(&plan.inputs).enumerate() {
        let steps = (op.carry..op.carry + op.xs).contains(&i);
        windows.push(window(i, arg, part, op.block_axis(i), steps)?);
    }
    for (i, (arg, part)) in args.outputs.iter().zip(&plan.outputs).enumerate() {
        let axis = op.blocks.as_ref().map(|_| usize::from(i >= op.carry));
        windows.push(window(inputs + i, arg, part, axis, i >= op.carry)?);
    }
    let mut layout = Layout::default();
    let (body, count) = Program::compile(plan, &mut layout)?;
    let carries = Carry::all(plan, op.carry, &mut layout)?;
    let scan = Loop {
        body,
        length: op.length,
        reverse: op.reverse,
        blocks,
        carries,
        windows,
        xs: op.xs,
        ys: outputs - op.carry,
        arena: layout.peak,
        bases: layout.bases,
    };
    Ok((Box::new(move |frame| scan.run(frame)), count))
}

impl Loop {
    fn run(&self, frame: &Frame<'_>) {
        let places: SmallVec<[Raw; 32]> = self.windows.iter().map(|w| Raw(frame.ptr(w.at))).collect();
        let stopped = AtomicBool::new(false);
        let (pool, cancel) = (frame.pool, frame.cancel);
        frame.pool.run(self.blocks, &|block| {
            scratch::with(self.arena, |arena: &mut [u8]| {
                let bases: SmallVec<[Cell<*mut u8>; 64]> =
                    SmallVec::from_elem(Cell::new(arena.as_mut_ptr()), self.bases);
                let frame = Frame { bases: &bases, pool, cancel, cancelled: Cell::new(false) };
                if !self.run_block(&frame, &places, block) {
                    stopped.store(true, Relaxed);
                }
            });
        });
        if stopped.into_inner() {
            frame.cancelled.set(true);
        }
    }

    /// All steps of a block; false when the run was cancelled.
    fn run_block(&self, frame: &Frame<'_>, places: &[Raw], block: usize) -> bool {
        let body = &self.body;
        let (nc, nx) = (self.carries.len(), self.xs);
        let inputs = self.windows.len() - nc - self.ys;
        let place = |i: usize, t: usize| {
            places[i].get().wrapping_add(block * self.windows[i].block + t * self.windows[i].step)
        };
        for i in nc + nx..inputs {
            body.set_input(frame, i, place(i, 0));
        }
        for step in 0..self.length {
            let t = if self.reverse { self.length - 1 - step } else { step };
            for i in nc..nc + nx {
                body.set_input(frame, i, place(i, t));
            }
            for i in nc..nc + self.ys {
                body.set_output(frame, i, place(inputs + i, t));
            }
            // The last step writes the result, and the place alternates.
            let in_result = (self.length - 1 - step).is_multiple_of(2);
            for (i, carry) in self.carries.iter().enumerate() {
                let result = place(inputs + i, 0);
                let other = carry.other.map_or(result, |at| frame.ptr(at));
                let (write, read) = if in_result { (result, other) } else { (other, result) };
                body.set_input(frame, i, if step == 0 { place(i, 0) } else { read });
                body.set_output(frame, i, write);
            }
            if !body.run(frame) {
                return false;
            }
        }
        if self.length == 0 {
            for (i, carry) in self.carries.iter().enumerate() {
                // SAFETY: both places hold a block of this carry; `copy` allows that they are one.
                unsafe { std::ptr::copy(place(i, 0), place(inputs + i, 0), carry.bytes) };
            }
        }
        true
    }
}

/// See [`While`].
pub(crate) fn while_loop(op: &While, args: &Args<'_>, layout: &mut Layout) -> Result<(Task, usize)> {
    if args.inputs.len() < op.carry + op.condition_constants || args.outputs.len() != op.carry {
        return Err(args.malformed("carries and constants"));
    }
    let (carries_in, rest) = args.inputs.split_at(op.carry);
    let (condition_constants, body_constants) = rest.split_at(op.condition_constants);
    let (condition, condition_count, condition_plan) = program(args, 0, layout)?;
    let (body, body_count, body_plan) = program(args, 1, layout)?;
    let flag_type = TensorType::new(oxhorn_core::DType::Bool, []);
    expect(args, &condition_plan.inputs, types(carries_in).chain(types(condition_constants)))?;
    expect(args, &condition_plan.outputs, std::iter::once(&flag_type))?;
    expect(args, &body_plan.inputs, types(carries_in).chain(types(body_constants)))?;
    expect(args, &body_plan.outputs, types(carries_in))?;
    expect(args, &body_plan.outputs, types(args.outputs))?;
    let carries = Carry::all(&body_plan, op.carry, layout)?;
    let ends: Vec<(At, At)> =
        carries_in.iter().zip(args.outputs).map(|(start, result)| (start.at, result.at)).collect();
    let flag = layout.scratch(1)?;
    let constants: Vec<Vec<At>> =
        [condition_constants, body_constants].iter().map(|c| c.iter().map(|c| c.at).collect()).collect();
    let limit = op.max_iterations.unwrap_or(u64::MAX);

    let task: Task = Box::new(move |frame| {
        for (program, constants) in [&condition, &body].into_iter().zip(&constants) {
            for (i, &at) in constants.iter().enumerate() {
                program.set_input(frame, carries.len() + i, frame.ptr(at));
            }
        }
        condition.set_output(frame, 0, frame.ptr(flag));
        let mut steps = 0;
        // Where the carries are after `steps` steps.
        let place = |i: usize, steps: u64| match (steps, carries[i].other) {
            (0, _) => ends[i].0,
            (n, Some(other)) if n.is_multiple_of(2) => other,
            _ => ends[i].1,
        };
        while steps < limit {
            for i in 0..carries.len() {
                condition.set_input(frame, i, frame.ptr(place(i, steps)));
            }
            if !condition.run(frame) {
                return;
            }
            // SAFETY: the condition's program has written its one bool there.
            if unsafe { frame.ptr(flag).read() } == 0 {
                break;
            }
            for i in 0..carries.len() {
                body.set_input(frame, i, frame.ptr(place(i, steps)));
                body.set_output(frame, i, frame.ptr(place(i, steps + 1)));
            }
            if !body.run(frame) {
                return;
            }
            steps += 1;
        }
        for (i, carry) in carries.iter().enumerate() {
            // SAFETY: both places hold a value of the carry's type; `copy` allows that they are one.
            unsafe { std::ptr::copy(frame.ptr(place(i, steps)), frame.ptr(ends[i].1), carry.bytes) };
        }
    });
    Ok((task, condition_count + body_count))
}

/// See [`oxhorn_core::op::Cond`].
pub(crate) fn cond(args: &Args<'_>, layout: &mut Layout) -> Result<(Task, usize)> {
    let Some((predicate, constants)) = args.inputs.split_first() else {
        return Err(args.malformed("a predicate"));
    };
    if predicate.ty != TensorType::new(oxhorn_core::DType::Bool, []) {
        return Err(args.malformed("a bool scalar as predicate"));
    }
    let (then, then_count, then_plan) = program(args, 0, layout)?;
    let (otherwise, other_count, other_plan) = program(args, 1, layout)?;
    for plan in [&then_plan, &other_plan] {
        expect(args, &plan.inputs, types(constants))?;
        expect(args, &plan.outputs, types(args.outputs))?;
    }
    let predicate = predicate.at;
    let inputs: Vec<At> = constants.iter().map(|c| c.at).collect();
    let outputs: Vec<At> = args.outputs.iter().map(|o| o.at).collect();
    let task: Task = Box::new(move |frame| {
        // SAFETY: a bool scalar, initialised by an earlier step or the caller.
        let program = if unsafe { frame.ptr(predicate).read() } != 0 { &then } else { &otherwise };
        for (i, &at) in inputs.iter().enumerate() {
            program.set_input(frame, i, frame.ptr(at));
        }
        for (i, &at) in outputs.iter().enumerate() {
            program.set_output(frame, i, frame.ptr(at));
        }
        program.run(frame);
    });
    Ok((task, then_count + other_count))
}
