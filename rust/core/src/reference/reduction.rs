//! Reductions, running totals, softmax and sorting.

use std::cmp::Ordering;

use super::HostTensor;
use super::arrays::{around, positions, ravel};
use super::number::{Number, numeric};
use crate::op::{ArgKind, ArgReduce, Cumulative, CumulativeKind, Reduce, ReduceKind, Types};
use crate::shape::Dims;
use crate::{DType, Scalar, TensorType};

/// What a reduction of nothing gives.
pub(super) fn identity(kind: ReduceKind, dtype: DType) -> Scalar {
    match kind {
        ReduceKind::Sum => Scalar::zero(dtype),
        ReduceKind::Prod => Scalar::one(dtype),
        ReduceKind::Max => Scalar::lowest(dtype),
        ReduceKind::Min => Scalar::highest(dtype),
        ReduceKind::Any => Scalar::zero(DType::Bool),
        ReduceKind::All => Scalar::one(DType::Bool),
    }
}

/// One step of a reduction.
pub(super) fn combine<T: Number>(kind: ReduceKind, total: T, x: T) -> T {
    match kind {
        ReduceKind::Sum => total.plus(x),
        ReduceKind::Prod => total.times(x),
        ReduceKind::Max | ReduceKind::Any => {
            if x.above(total) {
                x
            } else {
                total
            }
        }
        ReduceKind::Min | ReduceKind::All => {
            if x.below(total) {
                x
            } else {
                total
            }
        }
    }
}

pub(super) fn reduce(op: &Reduce, x: &HostTensor, ty: TensorType) -> HostTensor {
    numeric!(x.ty.dtype, reduce_as(op, x, ty))
}

fn reduce_as<T: Number>(op: &Reduce, x: &HostTensor, ty: TensorType) -> HostTensor {
    let mut out = vec![T::of(identity(op.kind, ty.dtype)); ty.shape.numel()];
    for (position, value) in positions(&x.ty.shape).zip(T::lift(x)) {
        let kept = position.iter().enumerate().filter(|(a, _)| !op.axes.contains(a));
        let target = ravel(&kept.map(|(_, &p)| p).collect::<Dims>(), &ty.shape);
        out[target] = combine(op.kind, out[target], value);
    }
    T::lower(ty, &out)
}

pub(super) fn arg_reduce(op: &ArgReduce, x: &HostTensor, ty: TensorType) -> HostTensor {
    numeric!(x.ty.dtype, arg_reduce_as(op, x, ty))
}

fn arg_reduce_as<T: Number>(op: &ArgReduce, x: &HostTensor, ty: TensorType) -> HostTensor {
    let values = T::lift(x);
    let (_, count, inner) = around(&x.ty.shape, op.axis);
    HostTensor::build(ty, |i| {
        let at = |j: usize| values[(i / inner * count + j) * inner + i % inner];
        let best = (1..count).fold(0, |best, j| {
            let better = match op.kind {
                ArgKind::Max => at(j).above(at(best)),
                ArgKind::Min => at(j).below(at(best)),
            };
            if better { j } else { best }
        });
        Scalar::from_i64(best as i64, DType::I32)
    })
}

/// Runs `f` over the elements of every line along `axis`.
fn along<T: Number>(x: &HostTensor, axis: usize, mut f: impl FnMut(&mut [T])) -> HostTensor {
    let mut values = T::lift(x);
    let (outer, count, inner) = around(&x.ty.shape, axis);
    for line in 0..outer * inner {
        let at = |j: usize| (line / inner * count + j) * inner + line % inner;
        let mut elements: Vec<T> = (0..count).map(|j| values[at(j)]).collect();
        f(&mut elements);
        for (j, element) in elements.into_iter().enumerate() {
            values[at(j)] = element;
        }
    }
    T::lower(x.ty.clone(), &values)
}

pub(super) fn cumulative(op: &Cumulative, x: &HostTensor) -> HostTensor {
    let kind = match op.kind {
        CumulativeKind::Sum => ReduceKind::Sum,
        CumulativeKind::Prod => ReduceKind::Prod,
        CumulativeKind::Max => ReduceKind::Max,
        CumulativeKind::Min => ReduceKind::Min,
        CumulativeKind::LogSumExp => {
            let log_add = |a: f64, b: f64| crate::op::Ew::LogAddExp.eval_real(&[a, b], DType::F64);
            return along(x, op.axis, |line| running(line, op.reverse, log_add));
        }
    };
    numeric!(x.ty.dtype, cumulative_as(kind, op, x))
}

fn cumulative_as<T: Number>(kind: ReduceKind, op: &Cumulative, x: &HostTensor) -> HostTensor {
    along::<T>(x, op.axis, |line| running(line, op.reverse, |total, x| combine(kind, total, x)))
}

fn running<T: Copy>(line: &mut [T], reverse: bool, combine: impl Fn(T, T) -> T) {
    if reverse {
        line.reverse();
    }
    for j in 1..line.len() {
        line[j] = combine(line[j - 1], line[j]);
    }
    if reverse {
        line.reverse();
    }
}

pub(super) fn softmax(x: &HostTensor, axis: usize, log: bool) -> HostTensor {
    along::<f64>(x, axis, |line| {
        let max = line.iter().copied().fold(f64::NEG_INFINITY, |m, v| if v.above(m) { v } else { m });
        let total: f64 = line.iter().map(|v| (v - max).exp()).sum();
        for v in line {
            *v = if log { *v - max - total.ln() } else { (*v - max).exp() / total };
        }
    })
}

/// Values and positions in order along `axis`, the first `count` of them if given.
pub(super) fn sort(
    x: &HostTensor,
    axis: usize,
    descending: bool,
    count: Option<usize>,
    types: &Types,
) -> Vec<HostTensor> {
    let (outer, size, inner) = around(&x.ty.shape, axis);
    let kept = count.unwrap_or(size);
    let mut sources = vec![(0, 0); outer * kept * inner];
    for line in 0..outer * inner {
        let at = |j: usize, size: usize| (line / inner * size + j) * inner + line % inner;
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (x.get(at(a, size)), x.get(at(b, size)));
            let last = a.as_f64().is_nan().cmp(&b.as_f64().is_nan());
            last.then(if descending { compare(b, a) } else { compare(a, b) })
        });
        for (j, &position) in order.iter().take(kept).enumerate() {
            sources[at(j, kept)] = (at(position, size), position);
        }
    }
    let [values, places] = [0, 1].map(|i| types[i].clone());
    let values = x.rearrange(values, |i| sources[i].0);
    vec![values, HostTensor::build(places, |i| Scalar::from_i64(sources[i].1 as i64, DType::I32))]
}

fn compare(a: Scalar, b: Scalar) -> Ordering {
    if a.dtype().is_float() {
        a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
    } else {
        a.as_i128().cmp(&b.as_i128())
    }
}
