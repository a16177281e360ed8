//! Fused kernels, point by point.

use smallvec::SmallVec;

use super::HostTensor;
use super::arrays::positions;
use super::number::{Number, numeric};
use super::reduction::{combine, identity};
use crate::kernel::{Instr, Kernel};
use crate::op::Types;
use crate::shape::Dims;
use crate::{DType, Scalar};

pub(super) fn fused(kernel: &Kernel, operands: &[&HostTensor], types: &Types) -> Vec<HostTensor> {
    let outer = kernel.space.len() - kernel.reduced;
    let Some(reduction) = &kernel.reduction else {
        let mut stored: Vec<Vec<Scalar>> = vec![Vec::new(); kernel.stores.len()];
        for point in positions(&kernel.space) {
            let registers = registers(kernel, operands, &point);
            for (stored, &register) in stored.iter_mut().zip(&kernel.stores) {
                stored.push(registers[register as usize]);
            }
        }
        let results = types.iter().zip(stored);
        return results.map(|(ty, values)| HostTensor::build(ty.clone(), |i| values[i])).collect();
    };
    fn total<T: Number>(
        kernel: &Kernel,
        operands: &[&HostTensor],
        reduction: &crate::kernel::Reduction,
        point: &[usize],
        dtype: DType,
    ) -> Scalar {
        let start = T::of(identity(reduction.kind, dtype));
        let inner = positions(&kernel.space[point.len()..]).fold(start, |total, rest| {
            let at: Dims = point.iter().copied().chain(rest).collect();
            let value = registers(kernel, operands, &at)[reduction.register as usize];
            combine(reduction.kind, total, T::of(value))
        });
        inner.scalar(dtype)
    }
    let dtype = reduction.dtype;
    let totals = positions(&kernel.space[..outer])
        .map(|point| numeric!(dtype, total(kernel, operands, reduction, &point, dtype)));
    let totals: Vec<Scalar> = totals.collect();
    vec![HostTensor::build(types[0].clone(), |i| totals[i])]
}

/// All registers at one point.
pub(crate) fn registers(kernel: &Kernel, operands: &[&HostTensor], point: &[usize]) -> Vec<Scalar> {
    let mut registers: Vec<Scalar> = Vec::with_capacity(kernel.loads.len() + kernel.body.len());
    for load in &kernel.loads {
        let steps = point.iter().zip(&load.strides).map(|(&p, &s)| p as isize * s);
        let element = load.offset + steps.sum::<isize>();
        registers.push(operands[load.operand as usize].get(element as usize));
    }
    for instr in &kernel.body {
        registers.push(match instr {
            Instr::Elementwise { op, args, .. } => {
                let args: SmallVec<[Scalar; 3]> = args.iter().map(|&r| registers[r as usize]).collect();
                op.fold(&args)
            }
            Instr::Cast { to, arg, .. } => registers[*arg as usize].cast(*to),
            Instr::Const(value) => *value,
            Instr::Index { dtype, offset, strides } => {
                let steps = point.iter().zip(strides).map(|(&p, &s)| p as i64 * s);
                Scalar::from_i64(offset + steps.sum::<i64>(), *dtype)
            }
        });
    }
    registers
}
