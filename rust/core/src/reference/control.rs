//! Loops and conditionals.

use super::{HostTensor, evaluate};
use crate::op::{Cond, Scan, Types, While};
use crate::{Result, TensorType};

/// Element `step` of the leading axis.
fn step_of(x: &HostTensor, step: usize) -> HostTensor {
    let ty = TensorType::new(x.ty.dtype, &x.ty.shape[1..]);
    let size = ty.shape.numel();
    x.rearrange(ty, |i| step * size + i)
}

/// Block `b` of `count` along an axis, if there is one: else all of it.
fn block_of(x: &HostTensor, axis: Option<usize>, b: usize, count: usize) -> HostTensor {
    let Some(axis) = axis else { return x.clone() };
    let mut ty = x.ty.clone();
    ty.shape.0[axis] /= count;
    let run: usize = ty.shape[axis..].iter().product();
    x.rearrange(ty, |i| (i / run * count + b) * run + i % run)
}

/// Blocks along an axis as one.
fn join(blocks: &[&HostTensor], axis: usize, ty: &TensorType) -> HostTensor {
    let run = ty.shape[axis..].iter().product::<usize>() / blocks.len();
    HostTensor::build(ty.clone(), |i| {
        blocks[i / run % blocks.len()].get(i / run / blocks.len() * run + i % run)
    })
}

pub(super) fn scan(op: &Scan, operands: &[&HostTensor], types: &Types) -> Result<Vec<HostTensor>> {
    let count = op.block_count();
    let block = |b: usize| {
        let part = |(i, x): (usize, &&HostTensor)| block_of(x, op.block_axis(i), b, count);
        scan_block(op, operands.iter().enumerate().map(part).collect())
    };
    let blocks = (0..count).map(block).collect::<Result<Vec<_>>>()?;
    let results = types.iter().enumerate().map(|(i, ty)| {
        let parts: Vec<&HostTensor> = blocks.iter().map(|b| &b[i]).collect();
        if op.blocks.is_some() { join(&parts, usize::from(i >= op.carry), ty) } else { parts[0].clone() }
    });
    Ok(results.collect())
}

/// All steps of one block.
fn scan_block(op: &Scan, mut operands: Vec<HostTensor>) -> Result<Vec<HostTensor>> {
    let constants = operands.split_off(op.carry + op.xs);
    let xs = operands.split_off(op.carry);
    let mut carry = operands;
    let mut steps: Vec<Vec<HostTensor>> = vec![Vec::new(); op.length];
    for i in 0..op.length {
        let step = if op.reverse { op.length - 1 - i } else { i };
        let mut inputs = carry;
        inputs.extend(xs.iter().map(|x| step_of(x, step)));
        inputs.extend(constants.iter().cloned());
        carry = evaluate(&op.body, &inputs)?;
        steps[step] = carry.split_off(op.carry);
    }
    let stacked = op.body.outputs[op.carry..].iter().enumerate().map(|(j, &y)| {
        let TensorType { dtype, shape } = op.body.ty(y);
        let size = shape.numel();
        let shape = std::iter::once(op.length).chain(shape.iter().copied()).collect();
        HostTensor::build(TensorType { dtype: *dtype, shape }, |i| steps[i / size][j].get(i % size))
    });
    Ok(carry.into_iter().chain(stacked).collect())
}

pub(super) fn while_loop(op: &While, operands: &[&HostTensor]) -> Result<Vec<HostTensor>> {
    let owned = |ts: &[&HostTensor]| ts.iter().map(|&t| t.clone()).collect::<Vec<_>>();
    let (carry, rest) = operands.split_at(op.carry);
    let (condition, body) = rest.split_at(op.condition_constants);
    let mut carry = owned(carry);
    let mut steps = 0;
    while op.max_iterations.is_none_or(|most| steps < most) {
        let verdict = evaluate(&op.condition, &[carry.clone(), owned(condition)].concat())?;
        if verdict[0].get(0).as_u64() == 0 {
            break;
        }
        carry = evaluate(&op.body, &[carry, owned(body)].concat())?;
        steps += 1;
    }
    Ok(carry)
}

pub(super) fn cond(op: &Cond, operands: &[&HostTensor]) -> Result<Vec<HostTensor>> {
    let constants: Vec<HostTensor> = operands[1..].iter().map(|&t| t.clone()).collect();
    let branch = if operands[0].get(0).as_u64() != 0 { &op.then } else { &op.otherwise };
    evaluate(branch, &constants)
}
