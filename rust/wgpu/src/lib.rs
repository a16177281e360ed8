//! The wgpu device: plans on any GPU that Vulkan, Metal or DirectX 12 reaches, by shaders in WGSL.
//!
//! Every step of a plan becomes one or a few dispatches of generated shaders over regions of storage
//! buffers ([`program`]); a run encodes them into one command buffer ([`run`]). Sizes are arguments, so one
//! pipeline serves all shapes of its kind. float16, bfloat16 and 8- and 16-bit integers are packed in
//! memory, as on the host, and computed in 32 bits. What has no shader (float64, matrix factorisations)
//! runs on a host device, by copies that are reported ([`host`]).

mod adapter;
mod device;
mod executable;
mod host;
mod kernels;
mod memory;
mod program;
mod run;
mod shader;
mod step;
#[cfg(test)]
mod testing;

pub use adapter::{AdapterInfo, adapters};
pub use device::{Options, WgpuDevice};
pub use memory::WgpuBuffer;

/// Name of the device in errors and for users.
const NAME: &str = "wgpu";
