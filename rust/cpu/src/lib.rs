//! Oxhorn's CPU device: a thread pool, an interpreter of fused loop nests over tiles that stay in L1,
//! vectorised math, and hand-written kernels for the structural ops.
//!
//! Everything is instantiated for several instruction sets and chosen once, when a plan is compiled.
//! Work is split by size and never by the number of threads, so results are the same bits with any.

mod device;
mod executable;
mod fused;
mod kernels;
mod memory;
mod pool;
mod step;
mod vmath;

pub use device::{CpuDevice, default_threads};
pub use memory::{Allocator, CpuBuffer, ForeignBuffer};
pub use pool::ThreadPool;
