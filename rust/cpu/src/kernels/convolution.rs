//! Convolution and its gradients.

use oxhorn_core::op::{ConvGradInput, ConvGradKernel, Convolution};
use oxhorn_core::{Error, Result};

use super::element::{Tensor, with_float};
use crate::conv::{self, ConvGeometry};
use crate::gemm::Epilogue;
use crate::step::{Args, Task};

/// See [`Convolution`].
pub(crate) fn forward(op: &Convolution, args: &Args<'_>) -> Result<Task> {
    let ([x, w], [y]) = (args.inputs, args.outputs) else { return Err(args.malformed("two operands")) };
    let geometry = ConvGeometry::new(&op.spec, x.dims(), w.dims())?;
    let dtype = y.dtype();
    let (x, w, y) = (Tensor::of(x), Tensor::of(w), Tensor::of(y));
    let task: Option<Task> = with_float!(dtype, T => Box::new(move |frame| {
        // SAFETY: the dtype's own type; the result is this step's own.
        let (x, w, y) = unsafe { (x.read::<T>(frame), w.read::<T>(frame), y.write::<T>(frame)) };
        conv::forward(frame.pool, &geometry, x, w, y, Epilogue::default());
    }));
    task.ok_or_else(|| Error::dtype(args.name, "a floating-point dtype", dtype))
}

/// See [`ConvGradInput`].
pub(crate) fn grad_input(op: &ConvGradInput, args: &Args<'_>) -> Result<Task> {
    let ([dy, w], [dx]) = (args.inputs, args.outputs) else { return Err(args.malformed("two operands")) };
    let geometry = ConvGeometry::new(&op.spec, dx.dims(), w.dims())?;
    let dtype = dx.dtype();
    let (dy, w, dx) = (Tensor::of(dy), Tensor::of(w), Tensor::of(dx));
    let task: Option<Task> = with_float!(dtype, T => Box::new(move |frame| {
        // SAFETY: as above.
        let (dy, w, dx) = unsafe { (dy.read::<T>(frame), w.read::<T>(frame), dx.write::<T>(frame)) };
        conv::grad_input(frame.pool, &geometry, dy, w, dx);
    }));
    task.ok_or_else(|| Error::dtype(args.name, "a floating-point dtype", dtype))
}

/// See [`ConvGradKernel`].
pub(crate) fn grad_kernel(op: &ConvGradKernel, args: &Args<'_>) -> Result<Task> {
    let ([x, dy], [dw]) = (args.inputs, args.outputs) else { return Err(args.malformed("two operands")) };
    let geometry = ConvGeometry::new(&op.spec, x.dims(), dw.dims())?;
    let dtype = dw.dtype();
    let (x, dy, dw) = (Tensor::of(x), Tensor::of(dy), Tensor::of(dw));
    let task: Option<Task> = with_float!(dtype, T => Box::new(move |frame| {
        // SAFETY: as above.
        let (x, dy, dw) = unsafe { (x.read::<T>(frame), dy.read::<T>(frame), dw.write::<T>(frame)) };
        conv::grad_kernel(frame.pool, &geometry, x, dy, dw);
    }));
    task.ok_or_else(|| Error::dtype(args.name, "a floating-point dtype", dtype))
}
