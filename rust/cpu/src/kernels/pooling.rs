//! Windows: pooling and its gradients.

use oxhorn_core::Result;
use oxhorn_core::op::{MaxPick, MaxScatter, WindowReduce, WindowScatterSum};

use super::element::{Tensor, with_element};
use crate::step::{Args, Task};
use crate::window::{self, WindowGeometry};

/// See [`WindowReduce`].
pub(crate) fn window_reduce(op: &WindowReduce, args: &Args<'_>) -> Result<Task> {
    let ([x], [y]) = (args.inputs, args.outputs) else { return Err(args.malformed("one operand")) };
    let geometry = WindowGeometry::new(&op.window, x.dims())?;
    if *geometry.output() != y.ty.shape {
        return Err(args.malformed("a result of the window's size"));
    }
    let (kind, dtype, x, y) = (op.kind, y.dtype(), Tensor::of(x), Tensor::of(y));
    Ok(Box::new(move |frame| {
        with_element!(dtype, T => {
            // SAFETY: the dtype's own type; the result is this step's own.
            let (x, y) = unsafe { (x.read::<T>(frame), y.write::<T>(frame)) };
            window::reduce(frame.pool, kind, &geometry, x, y);
        });
    }))
}

/// See [`WindowScatterSum`].
pub(crate) fn window_scatter_sum(op: &WindowScatterSum, args: &Args<'_>) -> Result<Task> {
    let ([dy], [dx]) = (args.inputs, args.outputs) else { return Err(args.malformed("one operand")) };
    let geometry = WindowGeometry::new(&op.window, dx.dims())?;
    let (dtype, dy, dx) = (dx.dtype(), Tensor::of(dy), Tensor::of(dx));
    Ok(Box::new(move |frame| {
        with_element!(dtype, T => {
            // SAFETY: as above.
            let (dy, dx) = unsafe { (dy.read::<T>(frame), dx.write::<T>(frame)) };
            window::scatter_sum(frame.pool, &geometry, dy, dx);
        });
    }))
}

/// See [`MaxScatter`].
pub(crate) fn max_scatter(op: &MaxScatter, args: &Args<'_>) -> Result<Task> {
    let ([x, dy], [dx]) = (args.inputs, args.outputs) else { return Err(args.malformed("two operands")) };
    let geometry = WindowGeometry::new(&op.window, x.dims())?;
    let (kind, dtype) = (op.kind, dx.dtype());
    let (x, dy, dx) = (Tensor::of(x), Tensor::of(dy), Tensor::of(dx));
    Ok(Box::new(move |frame| {
        with_element!(dtype, T => {
            // SAFETY: as above.
            let (x, dy, dx) = unsafe { (x.read::<T>(frame), dy.read::<T>(frame), dx.write::<T>(frame)) };
            window::max_scatter(frame.pool, kind, &geometry, x, dy, dx);
        });
    }))
}

/// See [`MaxPick`].
pub(crate) fn max_pick(op: &MaxPick, args: &Args<'_>) -> Result<Task> {
    let ([x, v], [y]) = (args.inputs, args.outputs) else { return Err(args.malformed("two operands")) };
    let geometry = WindowGeometry::new(&op.window, x.dims())?;
    let (kind, dtype) = (op.kind, y.dtype());
    let (x, v, y) = (Tensor::of(x), Tensor::of(v), Tensor::of(y));
    Ok(Box::new(move |frame| {
        with_element!(dtype, T => {
            // SAFETY: as above.
            let (x, v, y) = unsafe { (x.read::<T>(frame), v.read::<T>(frame), y.write::<T>(frame)) };
            window::max_pick(frame.pool, kind, &geometry, x, v, y);
        });
    }))
}
