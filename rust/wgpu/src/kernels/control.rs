//! Loops and branches. The commands of a loop's body are the same in every pass: it reads and writes its
//! slices of sequences in fixed places, between which and the sequences they are copied; which slice, a
//! counter on the device says.

use oxhorn_core::op::{Scan, While};
use oxhorn_core::{DType, Plan, TensorType};

use super::{Compiled, copy, typed};
use crate::program::{Command, Compiler};
use crate::shader::{Element, Shader};
use crate::step::{Arg, Args, Refusal, Region};

/// Sub-plan number `which`, whose inputs and outputs must be of these types.
fn plan<'a>(
    args: &'a Args<'_>,
    which: usize,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
) -> Compiled<&'a Plan> {
    let plan = args.step.plans.get(which).ok_or_else(|| args.malformed("a sub-plan"))?;
    if plan.inputs.iter().eq(inputs.iter().copied()) && plan.outputs.iter().eq(outputs.iter().copied()) {
        Ok(plan)
    } else {
        Err(args.malformed("a sub-plan of the operands' types"))
    }
}

fn types(args: &[Arg]) -> impl Iterator<Item = &TensorType> {
    args.iter().map(|a| &a.ty)
}

fn regions(args: &[Arg]) -> impl Iterator<Item = Region> + '_ {
    args.iter().map(Arg::bytes)
}

/// Places where a body writes the values that it carries: over the old ones, or elsewhere.
fn targets(body: &Plan, results: &[Arg], compiler: &mut Compiler) -> Compiled<Vec<Arg>> {
    let mut targets = Vec::new();
    for (i, result) in results.iter().enumerate() {
        let in_place = body.donations.get(i).copied().flatten() == Some(i as u32);
        targets.push(if in_place { result.clone() } else { compiler.temporary(result.ty.clone())? });
    }
    Ok(targets)
}

fn copy_all(from: &[Arg], to: &[Arg], compiler: &mut Compiler) -> Compiled {
    from.iter().zip(to).try_for_each(|(from, to)| copy(from, to, compiler))
}

/// See [`Scan`].
pub(super) fn scan(op: &Scan, args: &Args<'_>, compiler: &mut Compiler) -> Compiled<usize> {
    if op.blocks.is_some() {
        // Made for caches of processors, where the device asks for them.
        return Err(Refusal::Host("scan in blocks".into()));
    }
    if args.inputs.len() < op.carry + op.xs || args.outputs.len() < op.carry {
        return Err(args.malformed("carries and sequences"));
    }
    let (starts, rest) = args.inputs.split_at(op.carry);
    let (xs, constants) = rest.split_at(op.xs);
    let (results, ys) = args.outputs.split_at(op.carry);
    let slice = |x: &Arg| match x.dims().split_first() {
        Some((&n, rest)) if n == op.length => Ok(TensorType::new(x.dtype(), rest)),
        _ => Err(args.malformed("sequences of the scan's length")),
    };
    let x_types = xs.iter().map(slice).collect::<Compiled<Vec<_>>>()?;
    let y_types = ys.iter().map(slice).collect::<Compiled<Vec<_>>>()?;
    let inputs: Vec<_> = types(starts).chain(&x_types).chain(types(constants)).collect();
    let outputs: Vec<_> = types(starts).chain(&y_types).collect();
    let body = plan(args, 0, &inputs, &outputs)?;
    if !types(starts).eq(types(results)) {
        return Err(args.malformed("carries of the results' types"));
    }
    copy_all(starts, results, compiler)?;
    let carried = targets(body, results, compiler)?;
    let counter = compiler.temporary(typed(DType::U32, []))?;
    let mut place = |types: &[TensorType]| {
        types.iter().map(|ty| Ok(compiler.temporary(ty.clone())?)).collect::<Compiled<Vec<Arg>>>()
    };
    let (x_slices, y_slices) = (place(&x_types)?, place(&y_types)?);
    let inputs: Vec<Region> = regions(results).chain(regions(&x_slices)).chain(regions(constants)).collect();
    let outputs: Vec<Region> = regions(&carried).chain(regions(&y_slices)).collect();

    let first = if op.reverse { op.length.saturating_sub(1) } else { 0 };
    count(&counter, Some(first), 0, compiler)?;
    let mut pass = compiler.nested(|compiler| {
        xs.iter().zip(&x_slices).try_for_each(|(x, slice)| take(x, slice, &counter, compiler))
    })?;
    let (commands, steps) = compiler.program(body, &inputs, &outputs)?;
    pass.extend(commands);
    pass.extend(compiler.nested(|compiler| {
        copy_all(&carried, results, compiler)?;
        ys.iter().zip(&y_slices).try_for_each(|(y, slice)| put(slice, y, &counter, compiler))?;
        count(&counter, None, if op.reverse { -1 } else { 1 }, compiler)
    })?);
    compiler.push(Command::Repeat { times: op.length, body: pass });
    Ok(steps)
}

/// Sets a counter to a value, or moves it on by `step`.
fn count(counter: &Arg, value: Option<usize>, step: isize, compiler: &mut Compiler) -> Compiled {
    let mut shader = Shader::new();
    let out = shader.operand(counter, Element::Bits(4));
    let array = shader.array(out);
    shader.u("value", value.unwrap_or(0));
    shader.i("step", step);
    let old = if value.is_some() { "p.value".to_owned() } else { format!("{array}[0]") };
    let body = format!("    {array}[0] = {old} + u32(p.step);\n");
    compiler.dispatch(shader.threads(1, &body))
}

/// Copies the slice of `x` that the counter says to `slice`.
fn take(x: &Arg, slice: &Arg, counter: &Arg, compiler: &mut Compiler) -> Compiled {
    let element = Element::bits(x.dtype());
    let mut shader = Shader::new();
    shader.operand(x, element);
    shader.operand(counter, Element::Bits(4));
    let out = shader.operand(slice, element);
    compiler.dispatch(shader.each(out, element, slice.numel(), "    return x0(x1(0u) * p.count + i);"))
}

/// Copies `slice` to the slice of `y` that the counter says. Words that it shares with its neighbours keep
/// the bits of these.
fn put(slice: &Arg, y: &Arg, counter: &Arg, compiler: &mut Compiler) -> Compiled {
    let element = Element::bits(y.dtype());
    let (per_word, count) = (element.per_word(), slice.numel());
    let mut shader = Shader::new();
    shader.operand(slice, element);
    shader.operand(counter, Element::Bits(4));
    let out = shader.operand(y, element);
    let array = shader.array(out);
    shader.u("count", count);
    if per_word == 1 {
        let body = format!("    {array}[x1(0u) * p.count + t] = x0(t);\n");
        return compiler.dispatch(shader.threads(count, &body));
    }
    let (bits, mask) = (32 / per_word, (1u64 << (32 / per_word)) - 1);
    let body = format!(
        "    let start = x1(0u) * p.count;
    let w = start / {per_word}u + t;
    if w * {per_word}u >= start + p.count {{
        return;
    }}
    var word = {array}[w];
    for (var k = 0u; k < {per_word}u; k++) {{
        let e = w * {per_word}u + k;
        if e >= start && e < start + p.count {{
            word = (word & ~({mask}u << (k * {bits}u))) | (x0(e - start) << (k * {bits}u));
        }}
    }}
    {array}[w] = word;
"
    );
    let words = if count == 0 { 0 } else { count / per_word + 2 };
    compiler.dispatch(shader.threads(words, &body))
}

/// See [`While`].
pub(super) fn while_loop(op: &While, args: &Args<'_>, compiler: &mut Compiler) -> Compiled<usize> {
    if args.inputs.len() < op.carry + op.condition_constants || args.outputs.len() != op.carry {
        return Err(args.malformed("carries and constants"));
    }
    let (starts, rest) = args.inputs.split_at(op.carry);
    let (condition_constants, body_constants) = rest.split_at(op.condition_constants);
    let results = args.outputs;
    let flag = typed(DType::Bool, []);
    let inputs: Vec<_> = types(starts).chain(types(condition_constants)).collect();
    let condition = plan(args, 0, &inputs, &[&flag])?;
    let inputs: Vec<_> = types(starts).chain(types(body_constants)).collect();
    let body = plan(args, 1, &inputs, &types(results).collect::<Vec<_>>())?;
    copy_all(starts, results, compiler)?;
    let flag = compiler.temporary(flag)?.bytes();
    let carried = targets(body, results, compiler)?;
    let inputs: Vec<Region> = regions(results).chain(regions(condition_constants)).collect();
    let (condition, condition_steps) = compiler.program(condition, &inputs, &[flag])?;
    let inputs: Vec<Region> = regions(results).chain(regions(body_constants)).collect();
    let (mut pass, body_steps) =
        compiler.program(body, &inputs, &regions(&carried).collect::<Vec<Region>>())?;
    pass.extend(compiler.nested(|compiler| copy_all(&carried, results, compiler))?);
    let limit = op.max_iterations.unwrap_or(u64::MAX);
    compiler.push(Command::While { condition, flag, body: pass, limit });
    Ok(condition_steps + body_steps)
}

/// See [`oxhorn_core::op::Cond`].
pub(super) fn cond(args: &Args<'_>, compiler: &mut Compiler) -> Compiled<usize> {
    let Some((predicate, constants)) = args.inputs.split_first() else {
        return Err(args.malformed("a predicate"));
    };
    if predicate.ty != typed(DType::Bool, []) {
        return Err(args.malformed("a bool scalar as predicate"));
    }
    let (inputs, outputs): (Vec<_>, Vec<_>) = (types(constants).collect(), types(args.outputs).collect());
    let plans = [plan(args, 0, &inputs, &outputs)?, plan(args, 1, &inputs, &outputs)?];
    let inputs: Vec<Region> = regions(constants).collect();
    let outputs: Vec<Region> = regions(args.outputs).collect();
    let (then, then_steps) = compiler.program(plans[0], &inputs, &outputs)?;
    let (otherwise, other_steps) = compiler.program(plans[1], &inputs, &outputs)?;
    compiler.push(Command::Branch { flag: predicate.bytes(), then, otherwise });
    Ok(then_steps + other_steps)
}
