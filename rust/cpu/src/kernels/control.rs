//! Loops and branches: sub-plans whose base pointers are set before each pass.

use std::sync::Arc;

use oxhorn_core::op::{Scan, While};
use oxhorn_core::{Plan, Result, TensorType};

use crate::executable::Program;
use crate::step::{Arg, Args, At, Frame, Layout, Task};

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

/// `x` without its leading axis, which must have size `length`.
fn slice_type(args: &Args<'_>, x: &Arg, length: usize) -> Result<TensorType> {
    match x.dims().split_first() {
        Some((&n, rest)) if n == length => Ok(TensorType::new(x.dtype(), rest)),
        _ => Err(args.malformed("sequences of the scan's length")),
    }
}

fn types(args: &[Arg]) -> impl Iterator<Item = &TensorType> {
    args.iter().map(|a| &a.ty)
}

/// A carried value: it starts in an operand and ends in a result. A body that can write the new value over
/// the old works in the result from the first step on; otherwise steps alternate between two places.
struct Carry {
    start: At,
    result: At,
    /// The second place, unless the body works in place.
    other: Option<At>,
    bytes: usize,
}

impl Carry {
    fn all(args: &Args<'_>, body: &Plan, count: usize, layout: &mut Layout) -> Result<Vec<Self>> {
        let pairs = args.inputs.iter().zip(args.outputs).take(count).enumerate();
        pairs
            .map(|(i, (input, output))| {
                let in_place = body.donations.get(i).copied().flatten() == Some(i as u32);
                let bytes = output.ty.bytes();
                let other = if in_place { None } else { Some(layout.scratch(bytes)?) };
                Ok(Self { start: input.at, result: output.at, other, bytes })
            })
            .collect()
    }

    fn copy(&self, frame: &Frame<'_>, from: At) {
        // SAFETY: both places hold a value of this type; `copy` allows that they are one.
        unsafe { std::ptr::copy(frame.ptr(from), frame.ptr(self.result), self.bytes) };
    }
}

/// See [`Scan`].
pub(crate) fn scan(op: &Scan, args: &Args<'_>, layout: &mut Layout) -> Result<(Task, usize)> {
    let (length, reverse) = (op.length, op.reverse);
    if args.inputs.len() < op.carry + op.xs || args.outputs.len() < op.carry {
        return Err(args.malformed("carries and sequences"));
    }
    let (carries_in, rest) = args.inputs.split_at(op.carry);
    let (xs, constants) = rest.split_at(op.xs);
    let (carries_out, ys) = args.outputs.split_at(op.carry);
    let x_slices = xs.iter().map(|x| slice_type(args, x, length)).collect::<Result<Vec<_>>>()?;
    let y_slices = ys.iter().map(|y| slice_type(args, y, length)).collect::<Result<Vec<_>>>()?;
    let (body, count, plan) = program(args, 0, layout)?;
    expect(args, &plan.inputs, types(carries_in).chain(&x_slices).chain(types(constants)))?;
    expect(args, &plan.outputs, types(carries_out).chain(&y_slices))?;
    expect(args, &plan.outputs[..op.carry], types(carries_in))?;
    let carries = Carry::all(args, &plan, op.carry, layout)?;
    let strided = |args: &[Arg], slices: &[TensorType]| -> Vec<(At, usize)> {
        args.iter().zip(slices).map(|(a, s)| (a.at, s.bytes())).collect()
    };
    let (xs, ys) = (strided(xs, &x_slices), strided(ys, &y_slices));
    let constants: Vec<At> = constants.iter().map(|c| c.at).collect();

    let task: Task = Box::new(move |frame| {
        if length == 0 {
            carries.iter().for_each(|c| c.copy(frame, c.start));
            return;
        }
        let (nc, nx) = (carries.len(), xs.len());
        for (i, &at) in constants.iter().enumerate() {
            body.set_input(frame, nc + nx + i, frame.ptr(at));
        }
        for step in 0..length {
            let t = if reverse { length - 1 - step } else { step };
            for (i, &(at, stride)) in xs.iter().enumerate() {
                body.set_input(frame, nc + i, frame.ptr(at).wrapping_add(t * stride));
            }
            for (i, &(at, stride)) in ys.iter().enumerate() {
                body.set_output(frame, nc + i, frame.ptr(at).wrapping_add(t * stride));
            }
            // The last step writes the result, and the place alternates.
            let in_result = (length - 1 - step).is_multiple_of(2);
            for (i, carry) in carries.iter().enumerate() {
                let other = carry.other.unwrap_or(carry.result);
                let (write, read) = if in_result { (carry.result, other) } else { (other, carry.result) };
                let read = if step == 0 { carry.start } else { read };
                body.set_input(frame, i, frame.ptr(read));
                body.set_output(frame, i, frame.ptr(write));
            }
            if !body.run(frame) {
                return;
            }
        }
    });
    Ok((task, count))
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
    let carries = Carry::all(args, &body_plan, op.carry, layout)?;
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
        let place = |carry: &Carry, steps: u64| match (steps, carry.other) {
            (0, _) => carry.start,
            (n, Some(other)) if n.is_multiple_of(2) => other,
            _ => carry.result,
        };
        while steps < limit {
            for (i, carry) in carries.iter().enumerate() {
                condition.set_input(frame, i, frame.ptr(place(carry, steps)));
            }
            if !condition.run(frame) {
                return;
            }
            // SAFETY: the condition's program has written its one bool there.
            if unsafe { frame.ptr(flag).read() } == 0 {
                break;
            }
            for (i, carry) in carries.iter().enumerate() {
                body.set_input(frame, i, frame.ptr(place(carry, steps)));
                body.set_output(frame, i, frame.ptr(place(carry, steps + 1)));
            }
            if !body.run(frame) {
                return;
            }
            steps += 1;
        }
        for carry in &carries {
            let end = place(carry, steps);
            if end != carry.result {
                carry.copy(frame, end);
            }
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
