//! Ops that make or move elements.

use super::HostTensor;
use super::arrays::{ravel, unravel};
use crate::op::{Pad, Slice};
use crate::shape::Dims;
use crate::{Scalar, TensorType};

pub(super) fn iota(axis: usize, ty: TensorType) -> HostTensor {
    let (shape, dtype) = (ty.shape.clone(), ty.dtype);
    HostTensor::build(ty, |i| Scalar::from_i64(unravel(i, &shape)[axis] as i64, dtype))
}

/// Philox4x32-10; see [`crate::op::RandomBits`].
pub(super) fn random_bits(key: &HostTensor, ty: TensorType) -> HostTensor {
    let key = [key.get(0).as_u64() as u32, key.get(1).as_u64() as u32];
    let dtype = ty.dtype;
    HostTensor::build(ty, |i| Scalar::from_u64(u64::from(philox(i as u64 / 4, key)[i % 4]), dtype))
}

fn philox(block: u64, mut key: [u32; 2]) -> [u32; 4] {
    let mut counter = [block as u32, (block >> 32) as u32, 0, 0];
    for _ in 0..10 {
        let [p, q] = [(0xD251_1F53u64, 0), (0xCD9E_8D57, 2)].map(|(m, i)| m * u64::from(counter[i]));
        let high = |p: u64| (p >> 32) as u32;
        counter = [high(q) ^ counter[1] ^ key[0], q as u32, high(p) ^ counter[3] ^ key[1], p as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

pub(super) fn transpose(x: &HostTensor, perm: &[usize], ty: TensorType) -> HostTensor {
    let (from, to) = (&x.ty.shape, ty.shape.clone());
    x.rearrange(ty, |i| {
        let mut position = crate::builder::zeros(perm.len());
        for (&p, &axis) in unravel(i, &to).iter().zip(perm) {
            position[axis] = p;
        }
        ravel(&position, from)
    })
}

pub(super) fn broadcast(x: &HostTensor, ty: TensorType) -> HostTensor {
    let (from, to) = (&x.ty.shape, ty.shape.clone());
    x.rearrange(ty, |i| {
        let mut position = unravel(i, &to);
        for (p, &d) in position.iter_mut().zip(from.iter()) {
            *p = if d == 1 { 0 } else { *p };
        }
        ravel(&position, from)
    })
}

pub(super) fn slice(x: &HostTensor, op: &Slice, ty: TensorType) -> HostTensor {
    let to = ty.shape.clone();
    x.rearrange(ty, |i| {
        let mut position = unravel(i, &to);
        for (axis, p) in position.iter_mut().enumerate() {
            *p = op.start[axis] + *p * op.stride[axis];
        }
        ravel(&position, &x.ty.shape)
    })
}

pub(super) fn pad(x: &HostTensor, fill: Scalar, op: &Pad, ty: TensorType) -> HostTensor {
    let (from, to) = (&x.ty.shape, ty.shape.clone());
    x.pick(ty, fill, |i| {
        let source = unravel(i, &to).into_iter().enumerate().map(|(axis, p)| {
            let step = op.interior[axis] as i128 + 1;
            let inner = p as i128 - op.low[axis] as i128;
            let inside = inner >= 0 && inner % step == 0 && inner / step < from[axis] as i128;
            inside.then_some((inner / step) as usize)
        });
        source.collect::<Option<Dims>>().map(|position| ravel(&position, from))
    })
}

pub(super) fn concat(xs: &[&HostTensor], axis: usize, ty: TensorType) -> HostTensor {
    let to = ty.shape.clone();
    HostTensor::build(ty, |i| {
        let mut position = unravel(i, &to);
        let mut part = 0;
        while position[axis] >= xs[part].ty.shape[axis] {
            position[axis] -= xs[part].ty.shape[axis];
            part += 1;
        }
        xs[part].get(ravel(&position, &xs[part].ty.shape))
    })
}

pub(super) fn reverse(x: &HostTensor, axes: &[usize], ty: TensorType) -> HostTensor {
    let shape = &x.ty.shape;
    x.rearrange(ty, |i| {
        let mut position = unravel(i, shape);
        for &axis in axes {
            position[axis] = shape[axis] - 1 - position[axis];
        }
        ravel(&position, shape)
    })
}
