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

pub(super) fn scan(op: &Scan, operands: &[&HostTensor], types: &Types) -> Result<Vec<HostTensor>> {
    let (first, rest) = operands.split_at(op.carry);
    let (xs, constants) = rest.split_at(op.xs);
    let mut carry: Vec<HostTensor> = first.iter().map(|&t| t.clone()).collect();
    let mut steps: Vec<Vec<HostTensor>> = vec![Vec::new(); op.length];
    for i in 0..op.length {
        let step = if op.reverse { op.length - 1 - i } else { i };
        let mut inputs = carry;
        inputs.extend(xs.iter().map(|x| step_of(x, step)));
        inputs.extend(constants.iter().map(|&t| t.clone()));
        carry = evaluate(&op.body, &inputs)?;
        steps[step] = carry.split_off(op.carry);
    }
    let stacked = types[op.carry..].iter().enumerate().map(|(j, ty)| {
        let size = ty.shape[1..].iter().product::<usize>();
        HostTensor::build(ty.clone(), |i| steps[i / size][j].get(i % size))
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
