//! Tensors, automatic differentiation and compiled training steps, for Rust programs and for the Python
//! package of the same name.
//!
//! ```
//! # fn main() -> oxhorn::Result<()> {
//! use oxhorn::{Slot, Tensor, Trace, Wrt, gradient, op::Ew, ops};
//!
//! let weight = Slot::new(&Tensor::from_slice(&[0.0f32], [1])?)?;
//! let trace = Trace::new();
//! let x = trace.input(oxhorn::TensorType::new(oxhorn::DType::F32, [4]));
//! let loss = trace.scope(|| -> oxhorn::Result<_> {
//!     let w = weight.read()?;
//!     let error = ops::elementwise(Ew::Sub, &[(&ops::elementwise(Ew::Mul, &[(&x).into(), (&w).into()])?).into(), 1.0.into()])?;
//!     let loss = ops::reduce(oxhorn::op::ReduceKind::Sum, &ops::elementwise(Ew::Square, &[error.into()])?, &[0], false)?;
//!     let slope = gradient(&[(&loss, None)], &[Wrt::Slot(&weight)])?.remove(0).expect("w is used");
//!     let step = ops::elementwise(Ew::Mul, &[slope.into(), 0.1.into()])?;
//!     weight.write(&ops::elementwise(Ew::Sub, &[w.into(), step.into()])?)?;
//!     Ok(loss)
//! })?;
//! let step = trace.compile(&[loss])?;
//! for _ in 0..50 {
//!     step.call(&[Tensor::from_slice(&[1.0f32; 4], [4])?])?;
//! }
//! assert!((weight.peek().to_vec::<f32>()?[0] - 1.0).abs() < 1e-5);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod context;
mod control;
mod epoch;
mod error;
pub mod fingerprint;
mod function;
mod gradient;
pub mod h5;
pub mod ops;
mod runtime;
mod slot;
mod tape;
mod tensor;
mod trace;

pub use context::{eagerly, enter_eager, is_tracing, leave_eager};
pub use control::{Step, cond, scan, while_loop};
pub use epoch::EpochLoop;
pub use error::{Error, Result};
pub use function::{Function, Statistics};
pub use gradient::{VjpFn, Wrt, custom_gradient, gradient};
pub use ops::Arg;
pub use oxhorn_core::device::{Buffer, BufferRef, Device, MemoryStats};
pub use oxhorn_core::{DType, Scalar, Shape, TensorType, op, promotion};
pub use runtime::{CacheInfo, Runtime};
pub use slot::Slot;
pub use tape::Tape;
pub use tensor::{Element, Tensor};
pub use trace::Trace;
