//! Random kernels against a naive evaluation with core's scalar reference.

#![allow(missing_docs)] // the names say what is checked

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::{Random, Subject, Tensor, close, one_step};
use crate::kernel::{Instr, Kernel, Load, Reduction};
use crate::op::{Ew, ReduceKind};
use crate::plan::Plan;
use crate::{DType, Op, Scalar, TensorType};

/// Every register at every point, by core's reference functions.
fn registers(kernel: &Kernel, operands: &[Tensor], point: &[usize]) -> Vec<Scalar> {
    let mut registers: Vec<Scalar> = Vec::new();
    for load in &kernel.loads {
        let moved: isize = load.strides.iter().zip(point).map(|(s, &p)| s * p as isize).sum();
        registers.push(operands[load.operand as usize].values[(load.offset + moved) as usize]);
    }
    for instr in &kernel.body {
        registers.push(match instr {
            Instr::Const(value) => *value,
            Instr::Cast { to, arg, .. } => registers[*arg as usize].cast(*to),
            Instr::Index { dtype, offset, strides } => {
                let moved: i64 = strides.iter().zip(point).map(|(s, &p)| s * p as i64).sum();
                Scalar::from_i64(offset + moved, *dtype)
            }
            Instr::Elementwise { op, args, .. } => {
                let args: Vec<Scalar> = args.iter().map(|&a| registers[a as usize]).collect();
                op.fold(&args)
            }
        });
    }
    registers
}

fn points(dims: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &d in dims {
        all = all.into_iter().flat_map(|p| (0..d).map(move |i| [p.clone(), vec![i]].concat())).collect();
    }
    all
}

fn fold_reduction(kind: ReduceKind, dtype: DType, values: &[Scalar]) -> Scalar {
    let floats = || values.iter().map(|v| v.as_f64());
    let ints = || {
        values.iter().map(|v| v.as_i64() as i128 & if dtype == DType::U64 { u64::MAX as i128 } else { -1 })
    };
    let extremum = |op: Ew, start: Scalar| values.iter().fold(start, |a, &x| op.fold(&[a, x]));
    match (kind, dtype.is_float()) {
        (ReduceKind::Sum, true) => Scalar::from_f64(floats().sum(), dtype),
        (ReduceKind::Prod, true) => Scalar::from_f64(floats().product(), dtype),
        (ReduceKind::Sum, false) => Scalar::from_i128(ints().sum(), dtype),
        (ReduceKind::Prod, false) => Scalar::from_i128(ints().fold(1i128, |a, x| a.wrapping_mul(x)), dtype),
        (ReduceKind::Max, _) => extremum(Ew::Max, Scalar::lowest(dtype)),
        (ReduceKind::Min, _) => extremum(Ew::Min, Scalar::highest(dtype)),
        (ReduceKind::Any, _) => Scalar::from_i64(i64::from(values.iter().any(|v| v.as_i64() != 0)), dtype),
        (ReduceKind::All, _) => Scalar::from_i64(i64::from(values.iter().all(|v| v.as_i64() != 0)), dtype),
    }
}

fn naive(kernel: &Kernel, operands: &[Tensor]) -> Vec<Tensor> {
    let outer = kernel.space.len() - kernel.reduced;
    if let Some(reduction) = &kernel.reduction {
        let values = points(&kernel.space[..outer]).into_iter().map(|p| {
            let inner = points(&kernel.space[outer..]).into_iter();
            let row: Vec<Scalar> = inner
                .map(|q| registers(kernel, operands, &[p.clone(), q].concat())[reduction.register as usize])
                .collect();
            fold_reduction(reduction.kind, reduction.dtype, &row)
        });
        let values = values.collect();
        return vec![Tensor { ty: TensorType::new(reduction.dtype, &kernel.space[..outer]), values }];
    }
    let all: Vec<Vec<Scalar>> =
        points(&kernel.space).iter().map(|p| registers(kernel, operands, p)).collect();
    let tensor = |&store: &u32| Tensor {
        ty: TensorType::new(kernel.dtype(store), &kernel.space[..]),
        values: all.iter().map(|r| r[store as usize]).collect(),
    };
    kernel.stores.iter().map(tensor).collect()
}

fn check(subject: &dyn Subject, kernel: Kernel, operands: &[Tensor], ulps: f64, floor: f64) {
    let expected = naive(&kernel, operands);
    let types = |t: &[Tensor]| t.iter().map(|t| t.ty.clone()).collect::<Vec<_>>();
    let what = format!("{kernel:?}");
    let plan = one_step(Op::Fused(Arc::new(kernel)), &types(operands), &types(&expected), vec![]);
    for (got, expected) in subject.run(&plan, operands).iter().zip(&expected) {
        close(got, expected, ulps, floor, &what);
    }
}

fn ew(op: Ew, dtype: DType, args: &[u32]) -> Instr {
    Instr::Elementwise { op, dtype, args: args.into() }
}

fn load(operand: u32, dtype: DType, strides: &[isize]) -> Load {
    Load { operand, dtype, offset: 0, strides: strides.into() }
}

fn dense(dims: &[usize]) -> SmallVec<[isize; 6]> {
    let mut strides: SmallVec<[isize; 6]> = smallvec![1; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i] as isize;
    }
    strides
}

/// A random operand and a random way to read it over `dims`: dense, transposed, broadcast along some
/// axes, reversed, or a strided window of something larger.
fn random_load(operand: u32, dtype: DType, dims: &[usize], random: &mut Random) -> (Load, Tensor) {
    let rank = dims.len();
    let mut order: Vec<usize> = (0..rank).collect();
    if random.below(3) == 0 {
        for i in (1..rank).rev() {
            order.swap(i, random.below(i + 1));
        }
    }
    let sparse = random.below(3) == 0;
    let mut strides: SmallVec<[isize; 6]> = smallvec![0; rank];
    let (mut step, mut offset) = (1isize, 0isize);
    for &axis in order.iter().rev() {
        if random.below(5) == 0 {
            continue; // broadcast
        }
        let jump = if sparse { 1 + random.below(3) as isize } else { 1 };
        strides[axis] = step * jump;
        step *= jump * dims[axis].max(1) as isize;
        if random.below(6) == 0 {
            offset += strides[axis] * (dims[axis] as isize - 1);
            strides[axis] = -strides[axis];
        }
    }
    let before = if random.below(3) == 0 { random.below(5) as isize } else { 0 };
    let tensor = Tensor::random(dtype, &[(step + before) as usize], random);
    (Load { operand, dtype, offset: offset + before, strides }, tensor)
}

fn random_dims(random: &mut Random, most: usize) -> Vec<usize> {
    const SIZES: [usize; 12] = [1, 1, 2, 3, 4, 5, 7, 10, 33, 130, 300, 1500];
    loop {
        let dims: Vec<usize> = (0..random.below(5)).map(|_| SIZES[random.below(SIZES.len())]).collect();
        if dims.iter().product::<usize>() <= most {
            return dims;
        }
    }
}

const ARITHMETIC: [Ew; 6] = [Ew::Add, Ew::Sub, Ew::Mul, Ew::Max, Ew::Min, Ew::Neg];

/// Loads of one dtype and a few random arithmetic ops over them.
fn random_kernel(dtype: DType, dims: &[usize], random: &mut Random) -> (Kernel, Vec<Tensor>) {
    let count = 1 + random.below(3) as u32;
    let (loads, operands): (Vec<_>, Vec<_>) = (0..count).map(|i| random_load(i, dtype, dims, random)).unzip();
    let mut body = vec![];
    for _ in 0..random.below(5) {
        let known = count + body.len() as u32;
        let mut any = || random.below(known as usize) as u32;
        let (a, b) = (any(), any());
        match random.below(8) {
            0 => body.push(Instr::Const(Scalar::from_f64(random.value(dtype), dtype))),
            1 => {
                let strides = dims.iter().map(|_| random.below(3) as i64).collect();
                body.push(Instr::Index { dtype, offset: 1, strides });
            }
            _ => {
                let op = ARITHMETIC[random.below(ARITHMETIC.len())];
                body.push(ew(op, dtype, &[a, b][..op.arity()]));
            }
        }
    }
    let kernel = Kernel { space: dims.into(), reduced: 0, loads, body, reduction: None, stores: smallvec![] };
    (kernel, operands)
}

pub fn random_maps_agree_with_the_reference(subject: &dyn Subject) {
    let mut random = Random(1);
    for round in 0..300 {
        let dtype = [DType::F32, DType::F32, DType::F64, DType::I32, DType::U8, DType::I64][round % 6];
        let dims = random_dims(&mut random, 6000);
        let (mut kernel, operands) = random_kernel(dtype, &dims, &mut random);
        let registers = (kernel.loads.len() + kernel.body.len()) as u32;
        for _ in 0..1 + random.below(3) {
            kernel.stores.push(random.below(registers as usize) as u32);
        }
        check(subject, kernel, &operands, 0.0, 0.0);
    }
}

pub fn random_maps_of_halves_agree_with_the_reference(subject: &dyn Subject) {
    let mut random = Random(2);
    for round in 0..80 {
        let dtype = [DType::F16, DType::BF16][round % 2];
        let dims = random_dims(&mut random, 3000);
        let (mut kernel, operands) = random_kernel(dtype, &dims, &mut random);
        let registers = (kernel.loads.len() + kernel.body.len()) as u32;
        for _ in 0..1 + random.below(3) {
            kernel.stores.push(random.below(registers as usize) as u32);
        }
        check(subject, kernel, &operands, 0.0, 0.0);
    }
}

pub fn random_reductions_agree_with_the_reference(subject: &dyn Subject) {
    let mut random = Random(3);
    for round in 0..400 {
        let dtype =
            [DType::F32, DType::F64, DType::I32, DType::F16, DType::BF16, DType::U8, DType::I64][round % 7];
        let dims = random_dims(&mut random, 20000);
        if dims.is_empty() {
            continue;
        }
        let (mut kernel, operands) = random_kernel(dtype, &dims, &mut random);
        kernel.reduced = 1 + random.below(dims.len());
        let kind = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min, ReduceKind::Prod][random.below(4)];
        let registers = kernel.loads.len() + kernel.body.len();
        kernel.reduction = Some(Reduction { kind, dtype, register: random.below(registers) as u32 });
        let ulps = if kind == ReduceKind::Prod { 1000.0 } else { 4.0 };
        // Terms of a sum are of size 10 or so and may cancel.
        let floor = match (kind, dtype) {
            (ReduceKind::Sum, DType::F64) => 1e-9,
            (ReduceKind::Sum, _) => 2e-2,
            _ => 0.0,
        };
        check(subject, kernel, &operands, ulps, floor);
    }
}

pub fn logical_reductions(subject: &dyn Subject) {
    let mut random = Random(4);
    for kind in [ReduceKind::Any, ReduceKind::All] {
        for dims in [vec![7, 300], vec![40, 3], vec![1], vec![5, 0], vec![0, 5]] {
            let x = Tensor::random(DType::Bool, &dims, &mut random);
            let strides = dense(&dims);
            let reduction = Some(Reduction { kind, dtype: DType::Bool, register: 0 });
            let loads = vec![load(0, DType::Bool, &strides)];
            let kernel = Kernel {
                space: dims.as_slice().into(),
                reduced: 1,
                loads,
                body: vec![],
                reduction,
                stores: smallvec![],
            };
            check(subject, kernel, &[x], 0.0, 0.0);
        }
    }
}

pub fn sums_of_a_million_are_accurate_along_any_axis(subject: &dyn Subject) {
    let mut random = Random(5);
    for (dims, strides) in [
        (vec![1_000_000], vec![1isize]),
        (vec![3, 333_333], vec![1, 3]),
        (vec![3, 333_333], vec![333_333, 1]),
        (vec![2000, 500], vec![1, 2000]),
    ] {
        let x = Tensor::random(DType::F32, &[1_000_000], &mut random);
        let values: Vec<f64> = x.values.iter().map(|v| v.as_f64() + 2.0).collect();
        let x = Tensor::new(DType::F32, &[1_000_000], values);
        let reduction = Some(Reduction { kind: ReduceKind::Sum, dtype: DType::F32, register: 0 });
        let kernel = Kernel {
            space: dims.as_slice().into(),
            reduced: 1,
            loads: vec![load(0, DType::F32, &strides)],
            body: vec![],
            reduction,
            stores: smallvec![],
        };
        check(subject, kernel, &[x], 2.0, 0.0);
    }
}

pub fn nan_survives_extrema(subject: &dyn Subject) {
    for kind in [ReduceKind::Max, ReduceKind::Min] {
        for at in [0usize, 100, 299] {
            let mut values = vec![1.0; 300];
            values[at] = f64::NAN;
            let x = Tensor::new(DType::F32, &[300], values);
            let reduction = Some(Reduction { kind, dtype: DType::F32, register: 0 });
            let kernel = Kernel {
                space: smallvec![300],
                reduced: 1,
                loads: vec![load(0, DType::F32, &[1])],
                body: vec![],
                reduction,
                stores: smallvec![],
            };
            check(subject, kernel, &[x], 0.0, 0.0);
        }
    }
}

pub fn updates_in_place_read_everything_before_they_write(subject: &dyn Subject) {
    // m' = 0.9 m + g, then p' = p - m m', all of them donated: m is read after m' has been computed.
    let n = 3000;
    let f = DType::F32;
    let kernel = Kernel {
        space: smallvec![n],
        reduced: 0,
        loads: (0..3).map(|i| load(i, f, &[1])).collect(),
        body: vec![
            Instr::Const(Scalar::from_f64(0.9, f)),
            ew(Ew::Mul, f, &[1, 3]),
            ew(Ew::Add, f, &[4, 2]),
            ew(Ew::Mul, f, &[1, 5]),
            ew(Ew::Sub, f, &[0, 6]),
        ],
        reduction: None,
        stores: smallvec![7, 5],
    };
    let mut random = Random(6);
    let operands: Vec<Tensor> = (0..3).map(|_| Tensor::random(f, &[n], &mut random)).collect();
    let expected = naive(&kernel, &operands);
    let types = vec![TensorType::new(f, [n]); 3];
    let mut plan: Plan = one_step(Op::Fused(Arc::new(kernel)), &types, &types[..2], vec![]);
    plan.donations = vec![Some(0), Some(1)];
    for (got, expected) in subject.run(&plan, &operands).iter().zip(&expected) {
        close(got, expected, 0.0, 0.0, "update");
    }
}

pub fn a_swap_in_place(subject: &dyn Subject) {
    let f = DType::F32;
    let kernel = Kernel {
        space: smallvec![2000],
        reduced: 0,
        loads: (0..2).map(|i| load(i, f, &[1])).collect(),
        body: vec![],
        reduction: None,
        stores: smallvec![1, 0],
    };
    let mut random = Random(7);
    let operands: Vec<Tensor> = (0..2).map(|_| Tensor::random(f, &[2000], &mut random)).collect();
    let types = vec![TensorType::new(f, [2000]); 2];
    let mut plan = one_step(Op::Fused(Arc::new(kernel)), &types, &types, vec![]);
    plan.donations = vec![Some(0), Some(1)];
    let got = subject.run(&plan, &operands);
    assert!(got[0].values == operands[1].values && got[1].values == operands[0].values);
}

/// Pairs of ops that a device may run as one, and pairs that look alike but must not: vectors and uniform
/// operands in every place, and first results that something else needs too. Many cases: only for devices
/// that have such pairs.
pub fn every_pair(subject: &dyn Subject) {
    let f = DType::F32;
    let mut random = Random(8);
    let firsts = [Ew::Add, Ew::Sub, Ew::Mul, Ew::Div, Ew::Square];
    let seconds =
        [Ew::Add, Ew::Sub, Ew::Mul, Ew::Div, Ew::Max, Ew::Square, Ew::Sqrt, Ew::Rsqrt, Ew::Relu, Ew::Neg];
    let mut bodies = vec![
        vec![ew(Ew::Gt, f, &[0, 1]), ew(Ew::Select, f, &[3, 2, 1])],
        vec![ew(Ew::Gt, f, &[0, 1]), ew(Ew::Select, f, &[3, 1, 2])],
        vec![ew(Ew::Gt, f, &[1, 0]), ew(Ew::Select, f, &[3, 2, 0])],
    ];
    for first in firsts {
        let first = ew(first, f, &[0, 1][..first.arity()]);
        for second in seconds {
            bodies.push(vec![first.clone(), ew(second, f, &[3, 2][..second.arity()])]);
            if second.arity() == 2 {
                bodies.push(vec![first.clone(), ew(second, f, &[2, 3])]);
                bodies.push(vec![first.clone(), ew(second, f, &[3, 3])]);
            }
        }
    }
    for body in bodies {
        for uniform in 0..8 {
            for n in [1, 70, 1500] {
                let strides = |i: u32| [isize::from(uniform >> i & 1 == 0)];
                let mut kernel = Kernel {
                    space: smallvec![n],
                    reduced: 0,
                    loads: (0..3).map(|i| load(i, f, &strides(i))).collect(),
                    body: body.clone(),
                    reduction: None,
                    stores: smallvec![4],
                };
                let operands: Vec<Tensor> = (0..3).map(|_| Tensor::random(f, &[n], &mut random)).collect();
                // The reciprocal root rounds twice.
                check(subject, kernel.clone(), &operands, 2.0, 0.0);
                kernel.stores = smallvec![4, 3];
                check(subject, kernel, &operands, 2.0, 0.0);
            }
        }
    }
}

/// Every row of the table on every dtype that it takes, on vectors and with a uniform operand.
pub fn every_row_on_every_dtype(subject: &dyn Subject) {
    let mut random = Random(8);
    for &op in Ew::ALL {
        for dtype in DType::ALL.into_iter().filter(|&d| op.accepts(d)) {
            for uniform in 0..=op.arity() {
                let n = 200;
                let operands: Vec<Tensor> = (0..op.arity())
                    .map(|i| {
                        let condition = op.takes_condition() && i == 0;
                        let (low, high) = op.domain(i);
                        let values = std::iter::repeat_with(|| match dtype.is_float() && !condition {
                            true => low + (high - low) * random.unit(),
                            false => random.value(if condition { DType::Bool } else { dtype }),
                        });
                        Tensor::new(if condition { DType::Bool } else { dtype }, &[n], values)
                    })
                    .collect();
                let loads = operands.iter().enumerate();
                let loads = loads.map(|(i, o)| load(i as u32, o.ty.dtype, &[isize::from(i + 1 != uniform)]));
                let args: Vec<u32> = (0..op.arity() as u32).collect();
                let kernel = Kernel {
                    space: smallvec![n],
                    reduced: 0,
                    loads: loads.collect(),
                    body: vec![ew(op, dtype, &args)],
                    reduction: None,
                    stores: smallvec![op.arity() as u32],
                };
                // x + log(1 + ...) cancels near 0.
                let floor = match (op, dtype) {
                    (Ew::LogAddExp, DType::F64) => 1e-15,
                    (Ew::LogAddExp, _) => 5e-7,
                    _ => 0.0,
                };
                check(subject, kernel, &operands, 4.0, floor);
            }
        }
    }
}

/// Every cast, on values that both dtypes have and on some that they have not.
pub fn every_cast(subject: &dyn Subject) {
    let special = [0.0, 1.0, -1.0, 0.3, -0.7, 2.5, 100.0, 127.0, -128.0, 1e-8, 65504.0];
    let awkward = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, -0.0];
    for from in DType::ALL {
        for to in DType::ALL {
            let mut values: Vec<f64> = special.to_vec();
            if from.is_float() && (to.is_float() || to == DType::Bool) {
                values.extend(awkward);
                values.extend((0..200).map(|i| (f64::from(i) * 0.37).exp() * 1.000_976_56));
            }
            let x = Tensor::new(from, &[values.len()], values.clone());
            let kernel = Kernel {
                space: smallvec![values.len()],
                reduced: 0,
                loads: vec![load(0, from, &[1])],
                body: vec![Instr::Cast { from, to, arg: 0 }],
                reduction: None,
                stores: smallvec![1],
            };
            check(subject, kernel, &[x], 0.0, 0.0);
        }
    }
}

/// Arguments beyond the reach of the vectorised sine among those within.
pub fn angles_of_any_size(subject: &dyn Subject) {
    for dtype in [DType::F32, DType::F64] {
        for op in [Ew::Sin, Ew::Cos, Ew::Tan] {
            let values = (0..200).map(|i| if i % 70 == 3 { 1e7 + f64::from(i) } else { f64::from(i) * 0.1 });
            let mut x = Tensor::new(dtype, &[200], values);
            x.values[150] = Scalar::from_f64(f64::INFINITY, dtype);
            let kernel = Kernel {
                space: smallvec![200],
                reduced: 0,
                loads: vec![load(0, dtype, &[1])],
                body: vec![ew(op, dtype, &[0])],
                reduction: None,
                stores: smallvec![1],
            };
            check(subject, kernel, &[x], 4.0, 0.0);
        }
    }
}

pub fn malformed_kernels_are_errors(subject: &dyn Subject) {
    let f = DType::F32;
    let good = Kernel {
        space: smallvec![4],
        reduced: 0,
        loads: vec![load(0, f, &[1])],
        body: vec![ew(Ew::Neg, f, &[0])],
        reduction: None,
        stores: smallvec![1],
    };
    let ty = TensorType::new(f, [4]);
    let compiles = |kernel: Kernel| {
        let plan = one_step(
            Op::Fused(Arc::new(kernel)),
            std::slice::from_ref(&ty),
            std::slice::from_ref(&ty),
            vec![],
        );
        subject.device().compile(plan).is_ok()
    };
    assert!(compiles(good.clone()));
    let broken: [fn(&mut Kernel); 8] = [
        |k| k.loads[0].strides = smallvec![2],
        |k| k.loads[0].offset = 1,
        |k| k.loads[0].offset = -1,
        |k| k.loads[0].operand = 1,
        |k| k.space = smallvec![5],
        |k| k.body[0] = ew(Ew::Neg, DType::F32, &[1]),
        |k| k.body[0] = ew(Ew::Neg, DType::F64, &[0]),
        |k| k.stores = smallvec![2],
    ];
    for break_it in broken {
        let mut kernel = good.clone();
        break_it(&mut kernel);
        assert!(!compiles(kernel));
    }
}
