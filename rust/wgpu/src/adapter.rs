//! The GPUs that wgpu finds.

use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use oxhorn_core::{Error, Result};
use wgpu::{Backends, DeviceType, DownlevelFlags, Instance, InstanceDescriptor, InstanceFlags};

use crate::NAME;

/// What is known of a GPU before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterInfo {
    /// The GPU's name.
    pub name: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    /// Whether a processor plays the GPU.
    pub software: bool,
}

static INSTANCE: LazyLock<Instance> = LazyLock::new(|| {
    let mut descriptor = InstanceDescriptor::new_without_display_handle();
    // Not the validation layers that debug builds would load.
    descriptor.flags = InstanceFlags::empty();
    Instance::new(descriptor)
});

/// The result of a future that wgpu completes before it returns, as all are on native platforms.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// Every adapter that can compute, the fastest kind first; one for each GPU, though several graphics APIs
/// may reach it.
pub(crate) fn all() -> Vec<wgpu::Adapter> {
    let mut adapters = wait(INSTANCE.enumerate_adapters(Backends::all()));
    adapters.retain(|a| a.get_downlevel_capabilities().flags.contains(DownlevelFlags::COMPUTE_SHADERS));
    adapters.sort_by_key(|a| match a.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    });
    let mut found: Vec<wgpu::Adapter> = Vec::new();
    for adapter in adapters {
        let info = adapter.get_info();
        let known = found.iter().map(wgpu::Adapter::get_info).any(|other| {
            (other.vendor, other.device) == (info.vendor, info.device) && other.backend != info.backend
        });
        if !known {
            found.push(adapter);
        }
    }
    found
}

/// Adapter number `index` of [`all`].
pub(crate) fn nth(index: usize) -> Result<wgpu::Adapter> {
    let adapters = all();
    let count = adapters.len();
    adapters.into_iter().nth(index).ok_or_else(|| {
        let message = match count {
            0 => "no GPU was found: expected a driver for Vulkan, Metal or DirectX 12 (on Linux without \
                  one, the package mesa-vulkan-drivers has a driver that computes on the processor)"
                .to_owned(),
            _ => format!("expected a GPU number below {count}, got {index}"),
        };
        Error::Device { device: NAME, message }
    })
}

/// What is known of an adapter.
pub(crate) fn describe(adapter: &wgpu::Adapter) -> AdapterInfo {
    let info = adapter.get_info();
    AdapterInfo {
        name: info.name,
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        software: info.device_type == DeviceType::Cpu,
    }
}

/// The GPUs that a device can be opened on, in the order of their numbers.
pub fn adapters() -> Vec<AdapterInfo> {
    all().iter().map(describe).collect()
}
