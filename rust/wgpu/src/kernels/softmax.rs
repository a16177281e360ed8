//! Softmax and its logarithm, as kernels of core's IR: the maximum, the sum of exponentials, the quotient.

use oxhorn_core::DType;
use oxhorn_core::kernel::{Instr, Kernel, Load, Reduction};
use oxhorn_core::op::{Ew, ReduceKind};
use smallvec::{SmallVec, smallvec};

use super::{Compiled, computed, fuse, load, only, typed};
use crate::program::Compiler;
use crate::step::{Args, AxisView};

const F: DType = DType::F32;

fn ew(op: Ew, args: &[u32]) -> Instr {
    Instr::Elementwise { op, dtype: F, args: args.into() }
}

/// See [`oxhorn_core::op::Softmax`] and [`oxhorn_core::op::LogSoftmax`].
pub(super) fn softmax(axis: usize, log: bool, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x], [y]) = only(args)?;
    computed(args, x.dtype(), compiler)?;
    let AxisView { outer, n, inner } = AxisView::new(x.dims(), axis);
    let dtype = x.dtype();
    let line = typed(F, [outer, inner]);
    let (max, sum) = (compiler.temporary(line.clone())?, compiler.temporary(line)?);
    let rows = [n * inner, 1, inner];
    let reduction = |kind, loads: Vec<Load>, body: Vec<Instr>| {
        let register = (loads.len() + body.len() - 1) as u32;
        let reduction = Some(Reduction { kind, dtype: F, register });
        let space = smallvec![outer, inner, n];
        Kernel { space, reduced: 1, loads, body, reduction, stores: SmallVec::new() }
    };
    let to_float = |arg| Instr::Cast { from: dtype, to: F, arg };

    let largest = reduction(ReduceKind::Max, vec![load(0, dtype, &rows)], vec![to_float(0)]);
    fuse(&largest, std::slice::from_ref(&x), std::slice::from_ref(&max), compiler)?;

    let lines = [inner, 1, 0];
    let loads = vec![load(0, dtype, &rows), load(1, F, &lines)];
    let body = vec![to_float(0), ew(Ew::Sub, &[2, 1]), ew(Ew::Exp, &[3])];
    let total = reduction(ReduceKind::Sum, loads, body);
    fuse(&total, &[x.clone(), max.clone()], std::slice::from_ref(&sum), compiler)?;

    let (rows, lines) = ([n * inner, inner, 1], [inner, 0, 1]);
    let loads = vec![load(0, dtype, &rows), load(1, F, &lines), load(2, F, &lines)];
    let mut body = vec![to_float(0), ew(Ew::Sub, &[3, 1])];
    body.extend(match log {
        true => [ew(Ew::Log, &[2]), ew(Ew::Sub, &[4, 5])],
        false => [ew(Ew::Exp, &[4]), ew(Ew::Div, &[5, 2])],
    });
    body.push(Instr::Cast { from: F, to: dtype, arg: 6 });
    let space = smallvec![outer, n, inner];
    let quotient = Kernel { space, reduced: 0, loads, body, reduction: None, stores: smallvec![7] };
    fuse(&quotient, &[x, max, sum], std::slice::from_ref(&y), compiler)
}
