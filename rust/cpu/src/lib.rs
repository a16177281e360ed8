//! Oxhorn's CPU device: a thread pool, an interpreter of fused loop nests over tiles that stay in L1,
//! vectorised math, and hand-written kernels for the structural ops.
//!
//! Everything is instantiated for several instruction sets and chosen once, when a plan is compiled.
//! Work is split by size and never by the number of threads, so results are the same bits with any.

pub mod conv;
mod device;
mod executable;
mod fused;
pub mod gemm;
pub mod isa;
mod kernels;
mod memory;
pub mod pool;
pub mod profile;
mod step;
#[cfg(test)]
mod testing;
mod vmath;
mod window;

pub use device::CpuDevice;
pub use memory::{Allocator, CpuBuffer, ForeignBuffer};
pub use pool::{ThreadPool, default_threads};
