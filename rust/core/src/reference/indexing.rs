//! Ops with run-time indices: reads clamp, writes drop.

use super::HostTensor;
use super::arrays::{ravel, unravel};
use super::number::{Number, numeric};
use crate::TensorType;
use crate::op::ScatterMode;
use crate::shape::Dims;

fn clamp(index: i64, size: usize) -> usize {
    usize::try_from(index).map_or(0, |i| i.min(size.saturating_sub(1)))
}

fn in_range(index: i64, size: usize) -> Option<usize> {
    usize::try_from(index).ok().filter(|&i| i < size)
}

/// Start of a window of the given sizes, moved so that it fits.
fn window_start(start: &HostTensor, shape: &[usize], sizes: &[usize]) -> Dims {
    (0..shape.len()).map(|a| clamp(start.index(a), shape[a] - sizes[a] + 1)).collect()
}

pub(super) fn dynamic_slice(x: &HostTensor, start: &HostTensor, ty: TensorType) -> HostTensor {
    let sizes = ty.shape.clone();
    let start = window_start(start, &x.ty.shape, &sizes);
    x.rearrange(ty, |i| {
        let position: Dims = unravel(i, &sizes).iter().zip(&start).map(|(p, s)| p + s).collect();
        ravel(&position, &x.ty.shape)
    })
}

pub(super) fn dynamic_update_slice(x: &HostTensor, update: &HostTensor, start: &HostTensor) -> HostTensor {
    let (shape, sizes) = (&x.ty.shape, &update.ty.shape);
    let start = window_start(start, shape, sizes);
    HostTensor::build(x.ty.clone(), |i| {
        let inside = unravel(i, shape).into_iter().zip(&start).zip(sizes.iter()).map(|((p, &s), &size)| {
            let offset = p.checked_sub(s)?;
            (offset < size).then_some(offset)
        });
        match inside.collect::<Option<Dims>>() {
            Some(position) => update.get(ravel(&position, sizes)),
            None => x.get(i),
        }
    })
}

pub(super) fn gather(x: &HostTensor, indices: &HostTensor, axis: usize, ty: TensorType) -> HostTensor {
    let (shape, to) = (&x.ty.shape, ty.shape.clone());
    let count = indices.ty.shape.rank();
    x.rearrange(ty, |i| {
        let position = unravel(i, &to);
        let index = indices.index(ravel(&position[axis..axis + count], &indices.ty.shape));
        let mut source: Dims = position[..axis].into();
        source.push(clamp(index, shape[axis]));
        source.extend_from_slice(&position[axis + count..]);
        ravel(&source, shape)
    })
}

pub(super) fn gather_along(x: &HostTensor, indices: &HostTensor, axis: usize, ty: TensorType) -> HostTensor {
    let (shape, to) = (&x.ty.shape, ty.shape.clone());
    x.rearrange(ty, |i| {
        let mut position = unravel(i, &to);
        position[axis] = clamp(indices.index(i), shape[axis]);
        ravel(&position, shape)
    })
}

pub(super) fn gather_nd(x: &HostTensor, indices: &HostTensor, ty: TensorType) -> HostTensor {
    let (shape, to) = (&x.ty.shape, ty.shape.clone());
    let places = indices.ty.shape.rank() - 1;
    let depth = indices.ty.shape[places];
    x.rearrange(ty, |i| {
        let position = unravel(i, &to);
        let first = ravel(&position[..places], &indices.ty.shape[..places]) * depth;
        let mut source: Dims = (0..depth).map(|c| clamp(indices.index(first + c), shape[c])).collect();
        source.extend_from_slice(&position[places..]);
        ravel(&source, shape)
    })
}

pub(super) fn scatter_along(
    x: &HostTensor,
    indices: &HostTensor,
    updates: &HostTensor,
    axis: usize,
) -> HostTensor {
    let targets = (0..updates.len()).map(|i| {
        let mut position = unravel(i, &updates.ty.shape);
        position[axis] = in_range(indices.index(i), x.ty.shape[axis])?;
        Some(ravel(&position, &x.ty.shape))
    });
    let targets: Vec<Option<usize>> = targets.collect();
    numeric!(x.ty.dtype, scatter(ScatterMode::Add, x, &targets, updates))
}

pub(super) fn scatter_nd(
    mode: ScatterMode,
    x: &HostTensor,
    indices: &HostTensor,
    updates: &HostTensor,
) -> HostTensor {
    let (shape, from) = (&x.ty.shape, &updates.ty.shape);
    let places = indices.ty.shape.rank() - 1;
    let depth = indices.ty.shape[places];
    let targets = (0..updates.len()).map(|i| {
        let position = unravel(i, from);
        let first = ravel(&position[..places], &indices.ty.shape[..places]) * depth;
        let leading = (0..depth).map(|c| in_range(indices.index(first + c), shape[c]));
        let mut target = leading.collect::<Option<Dims>>()?;
        target.extend_from_slice(&position[places..]);
        Some(ravel(&target, shape))
    });
    let targets: Vec<Option<usize>> = targets.collect();
    numeric!(x.ty.dtype, scatter(mode, x, &targets, updates))
}

/// Applies updates in order to the elements numbered by `targets`.
fn scatter<T: Number>(
    mode: ScatterMode,
    x: &HostTensor,
    targets: &[Option<usize>],
    updates: &HostTensor,
) -> HostTensor {
    let mut out = T::lift(x);
    for (target, update) in targets.iter().zip(T::lift(updates)) {
        let Some(target) = *target else { continue };
        let old = out[target];
        out[target] = match mode {
            ScatterMode::Set => update,
            ScatterMode::Add => old.plus(update),
            ScatterMode::Mul => old.times(update),
            ScatterMode::Max if update.above(old) => update,
            ScatterMode::Min if update.below(old) => update,
            ScatterMode::Max | ScatterMode::Min => old,
        };
    }
    T::lower(x.ty.clone(), &out)
}
