//! What computation *is* in Oxhorn: dtypes, shapes, the op set, graphs, gradients, optimisation
//! passes, fused-kernel IR and execution plans. Devices (`oxhorn-cpu`, ...) run the plans.
//!
//! Nothing here is unsafe, starts a thread or does I/O.
#![forbid(unsafe_code)]

pub mod autodiff;
pub mod builder;
pub mod codegen;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod device;
mod display;
pub mod dtype;
pub mod elementwise;
pub mod error;
pub mod expr;
pub mod graph;
pub mod infer;
pub mod kernel;
pub mod op;
pub mod ops;
pub mod passes;
pub mod plan;
pub mod promotion;
pub mod reference;
pub mod scalar;
pub mod shape;
pub mod subgraph;
#[cfg(test)]
mod testing;
pub mod verify;

pub use device::{Buffer, Device, Executable};
pub use dtype::DType;
pub use error::{Error, Result};
pub use graph::{Graph, Node, NodeId, Value};
pub use op::Op;
pub use plan::Plan;
pub use scalar::Scalar;
pub use shape::{Shape, TensorType};
