//! Matrix products, convolutions and pooling, by their definitions.

use super::HostTensor;
use super::arrays::{positions, ravel};
use super::number::{Number, numeric};
use super::reduction::{combine, identity};
use crate::op::{ConvSpec, MatMul, ReduceKind, Window, WindowReduce};
use crate::shape::Dims;
use crate::{Shape, TensorType};

pub(super) fn matmul(op: &MatMul, a: &HostTensor, b: &HostTensor, ty: TensorType) -> HostTensor {
    numeric!(ty.dtype, matmul_as(op, a, b, ty))
}

fn matmul_as<T: Number>(op: &MatMul, a: &HostTensor, b: &HostTensor, ty: TensorType) -> HostTensor {
    let rank = ty.shape.rank();
    let (m, n) = (ty.shape[rank - 2], ty.shape[rank - 1]);
    let k = a.ty.shape[if op.transpose_a { rank - 2 } else { rank - 1 }];
    let shared = b.ty.shape.rank() == 2;
    let (left, right) = (T::lift(a), T::lift(b));
    let mut out = vec![T::of(identity(ReduceKind::Sum, ty.dtype)); ty.shape.numel()];
    for (position, out) in out.iter_mut().enumerate() {
        let (batch, i, j) = (position / (m * n), position / n % m, position % n);
        let other = if shared { 0 } else { batch };
        for l in 0..k {
            let x = left[batch * m * k + if op.transpose_a { l * m + i } else { i * k + l }];
            let y = right[other * k * n + if op.transpose_b { j * k + l } else { l * n + j }];
            *out = out.plus(x.times(y));
        }
    }
    T::lower(ty, &out)
}

/// Calls `f(x, kernel, y)` with the element numbers of every product of a convolution.
fn products(spec: &ConvSpec, x: &Shape, kernel: &Shape, y: &Shape, mut f: impl FnMut(usize, usize, usize)) {
    let spatial = x.rank() - 2;
    let (c_in, c_out) = (kernel[spatial], kernel[spatial + 1]);
    let per_group = c_out / spec.groups;
    for at in positions(y) {
        let channel = at[spatial + 1];
        for tap in positions(&kernel[..spatial]) {
            let source = (0..spatial).map(|a| {
                let p = (at[a + 1] * spec.strides[a] + tap[a] * spec.dilation[a]) as i128
                    - spec.padding[a].0 as i128;
                usize::try_from(p).ok().filter(|&p| p < x[a + 1])
            });
            let Some(source) = source.collect::<Option<Dims>>() else { continue };
            for c in 0..c_in {
                let from: Dims = std::iter::once(at[0])
                    .chain(source.iter().copied())
                    .chain([channel / per_group * c_in + c])
                    .collect();
                let weight: Dims = tap.iter().copied().chain([c, channel]).collect();
                f(ravel(&from, x), ravel(&weight, kernel), ravel(&at, y));
            }
        }
    }
}

pub(super) fn convolution(
    spec: &ConvSpec,
    x: &HostTensor,
    kernel: &HostTensor,
    ty: TensorType,
) -> HostTensor {
    let (values, weights) = (x.to_f64(), kernel.to_f64());
    let mut out = vec![0.0; ty.shape.numel()];
    products(spec, &x.ty.shape, &kernel.ty.shape, &ty.shape, |i, j, o| out[o] += values[i] * weights[j]);
    f64::lower(ty, &out)
}

pub(super) fn conv_grad_input(
    spec: &ConvSpec,
    dy: &HostTensor,
    kernel: &HostTensor,
    ty: TensorType,
) -> HostTensor {
    let (cotangents, weights) = (dy.to_f64(), kernel.to_f64());
    let mut out = vec![0.0; ty.shape.numel()];
    products(spec, &ty.shape, &kernel.ty.shape, &dy.ty.shape, |i, j, o| out[i] += cotangents[o] * weights[j]);
    f64::lower(ty, &out)
}

pub(super) fn conv_grad_kernel(
    spec: &ConvSpec,
    x: &HostTensor,
    dy: &HostTensor,
    ty: TensorType,
) -> HostTensor {
    let (values, cotangents) = (x.to_f64(), dy.to_f64());
    let mut out = vec![0.0; ty.shape.numel()];
    products(spec, &x.ty.shape, &ty.shape, &dy.ty.shape, |i, j, o| out[j] += values[i] * cotangents[o]);
    f64::lower(ty, &out)
}

/// For each window (in order) the numbers of the elements that it sees, in order.
fn windows(window: &Window, x: &Shape, y: &Shape) -> Vec<Vec<usize>> {
    let seen = |at: &Dims, tap: &Dims| {
        let source = (0..x.rank()).map(|a| {
            let p =
                (at[a] * window.strides[a] + tap[a] * window.dilation[a]).checked_sub(window.padding[a].0)?;
            (p < x[a]).then_some(p)
        });
        source.collect::<Option<Dims>>().map(|source| ravel(&source, x))
    };
    positions(y).map(|at| positions(&window.size).filter_map(|tap| seen(&at, &tap)).collect()).collect()
}

pub(super) fn window_reduce(op: &WindowReduce, x: &HostTensor, ty: TensorType) -> HostTensor {
    numeric!(ty.dtype, window_reduce_as(op, x, ty))
}

fn window_reduce_as<T: Number>(op: &WindowReduce, x: &HostTensor, ty: TensorType) -> HostTensor {
    let values = T::lift(x);
    let start = T::of(identity(op.kind, ty.dtype));
    let totals = windows(&op.window, &x.ty.shape, &ty.shape).into_iter();
    let totals = totals.map(|seen| seen.into_iter().fold(start, |t, i| combine(op.kind, t, values[i])));
    T::lower(ty, &totals.collect::<Vec<T>>())
}

pub(super) fn window_scatter_sum(window: &Window, dy: &HostTensor, ty: TensorType) -> HostTensor {
    numeric!(ty.dtype, window_scatter_sum_as(window, dy, ty))
}

fn window_scatter_sum_as<T: Number>(window: &Window, dy: &HostTensor, ty: TensorType) -> HostTensor {
    let mut out = vec![T::of(identity(ReduceKind::Sum, ty.dtype)); ty.shape.numel()];
    for (seen, value) in windows(window, &ty.shape, &dy.ty.shape).into_iter().zip(T::lift(dy)) {
        for i in seen {
            out[i] = out[i].plus(value);
        }
    }
    T::lower(ty, &out)
}

/// For each window the number of its first extremum, if it sees any element.
fn extrema<T: Number>(kind: ReduceKind, window: &Window, x: &HostTensor, y: &Shape) -> Vec<Option<usize>> {
    let values = T::lift(x);
    let better = |a: usize, b: usize| match kind {
        ReduceKind::Min => values[a].below(values[b]),
        _ => values[a].above(values[b]),
    };
    let best = |seen: Vec<usize>| seen.into_iter().reduce(|best, i| if better(i, best) { i } else { best });
    windows(window, &x.ty.shape, y).into_iter().map(best).collect()
}

pub(super) fn max_scatter(kind: ReduceKind, window: &Window, x: &HostTensor, dy: &HostTensor) -> HostTensor {
    numeric!(x.ty.dtype, max_scatter_as(kind, window, x, dy))
}

fn max_scatter_as<T: Number>(
    kind: ReduceKind,
    window: &Window,
    x: &HostTensor,
    dy: &HostTensor,
) -> HostTensor {
    let mut out = vec![T::of(identity(ReduceKind::Sum, x.ty.dtype)); x.len()];
    for (target, value) in extrema::<T>(kind, window, x, &dy.ty.shape).into_iter().zip(T::lift(dy)) {
        if let Some(i) = target {
            out[i] = out[i].plus(value);
        }
    }
    T::lower(x.ty.clone(), &out)
}

pub(super) fn max_pick(
    kind: ReduceKind,
    window: &Window,
    x: &HostTensor,
    g: &HostTensor,
    ty: TensorType,
) -> HostTensor {
    let shape = ty.shape.clone();
    let sources = numeric!(x.ty.dtype, extrema(kind, window, x, &shape));
    let zero = identity(ReduceKind::Sum, ty.dtype);
    g.pick(ty, zero, |i| sources[i])
}
