//! A GPU as a device.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use oxhorn_core::device::{BufferRef, MemoryStats};
use oxhorn_core::plan::ARENA_ALIGN;
use oxhorn_core::{Buffer, Device, Error, Executable, Plan, Result};
use rustc_hash::{FxHashMap, FxHashSet};
use wgpu::{DeviceDescriptor, ErrorFilter, Features, Limits, PollType, SubmissionIndex};

use crate::NAME;
use crate::adapter::{self, AdapterInfo, wait};
use crate::executable::WgpuExecutable;
use crate::memory::{Memory, Pool, WgpuBuffer};

/// Submissions that may be under way while another is prepared.
const IN_FLIGHT: usize = 3;

/// What of a GPU is used; the default is all.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keep to the limits that WebGPU guarantees everywhere.
    pub minimal_limits: bool,
    /// Do without 64-bit integers in shaders, which not every GPU has.
    pub without_int64: bool,
}

/// Locks a mutex whether or not a panic happened while it was held: what this crate's mutexes guard is
/// valid at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A compiled shader, and its bind group's layout.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// What the device's executables and buffers share.
pub(crate) struct Shared {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub limits: Limits,
    /// Whether shaders have 64-bit integers.
    pub int64: bool,
    /// Where steps without a shader run.
    pub host: Arc<dyn Device>,
    pub pool: Pool,
    info: AdapterInfo,
    pipelines: Mutex<FxHashMap<String, Arc<Pipeline>>>,
    /// For each number of storage buffers a bind group layout.
    layouts: Mutex<FxHashMap<usize, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>>,
    in_flight: Mutex<VecDeque<SubmissionIndex>>,
    /// Steps reported to run on the host.
    reported: Mutex<FxHashSet<String>>,
    /// Why the device was lost.
    lost: Arc<OnceLock<String>>,
    /// The first error that no scope caught, until it is returned.
    fault: Arc<Mutex<Option<String>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:?})", self.info)
    }
}

impl Shared {
    /// An error of this device.
    pub fn error(&self, message: &str) -> Error {
        Error::Device { device: NAME, message: message.to_owned() }
    }

    /// Whether the device was not lost.
    pub fn is_alive(&self) -> bool {
        self.lost.get().is_none()
    }

    /// Fails if the device was lost or something went wrong since the last check.
    pub fn check(&self) -> Result<()> {
        if let Some(reason) = self.lost.get() {
            return Err(self.error(&format!(
                "the GPU was lost ({reason}), and with it all that it held; choose the device again to go on"
            )));
        }
        match lock(&self.fault).take() {
            Some(message) => Err(self.error(&message)),
            None => Ok(()),
        }
    }

    /// Does something that may fail, on this thread.
    pub fn attempt<T>(&self, f: impl FnOnce(&wgpu::Device) -> T) -> Result<T> {
        self.check()?;
        let scopes = [ErrorFilter::Internal, ErrorFilter::Validation, ErrorFilter::OutOfMemory]
            .map(|filter| self.device.push_error_scope(filter));
        let value = f(&self.device);
        let mut found = None;
        for scope in scopes.into_iter().rev() {
            found = found.or(wait(scope.pop()));
        }
        match found {
            None => Ok(value),
            Some(wgpu::Error::OutOfMemory { .. }) => Err(Error::OutOfMemory { bytes: 0, device: NAME }),
            Some(error) => Err(self.error(&error.to_string())),
        }
    }

    /// Submits commands. Waits while too many are under way, so that a loop cannot run ahead without end.
    pub fn submit(&self, commands: wgpu::CommandBuffer) -> Result<()> {
        let index = self.queue.submit([commands]);
        let oldest = {
            let mut in_flight = lock(&self.in_flight);
            in_flight.push_back(index);
            if in_flight.len() > IN_FLIGHT { in_flight.pop_front() } else { None }
        };
        if let Some(oldest) = oldest {
            self.wait(oldest)?;
        }
        self.check()
    }

    /// Waits for a submission.
    pub fn wait(&self, index: SubmissionIndex) -> Result<()> {
        let waited = self.device.poll(PollType::Wait { submission_index: Some(index), timeout: None });
        self.check()?;
        waited.map(|_| ()).map_err(|e| self.error(&e.to_string()))
    }

    /// The pipeline of a shader that binds `buffers` storage buffers and a struct of arguments.
    pub fn pipeline(&self, text: &str, buffers: usize) -> Result<Arc<Pipeline>> {
        if let Some(found) = lock(&self.pipelines).get(text) {
            return Ok(found.clone());
        }
        let (layout, pipeline_layout) = self.layout(buffers)?;
        let pipeline = self.attempt(|device| {
            let source = wgpu::ShaderSource::Wgsl(text.into());
            let descriptor = wgpu::ShaderModuleDescriptor { label: None, source };
            let checks = wgpu::ShaderRuntimeChecks {
                force_loop_bounding: false,
                int_div_checks: false,
                ..wgpu::ShaderRuntimeChecks::checked()
            };
            // SAFETY: bounds are checked. Loops of this crate's shaders count up to an argument or down to
            // nothing, and what they divide by is an argument of at least 1 or tested before.
            let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        });
        let pipeline = pipeline.map_err(|error| match error {
            Error::Device { device, message } => {
                Error::Device { device, message: format!("{message}\nin the shader:\n{text}") }
            }
            other => other,
        })?;
        let pipeline = Arc::new(Pipeline { pipeline, layout });
        lock(&self.pipelines).insert(text.to_owned(), pipeline.clone());
        Ok(pipeline)
    }

    fn layout(&self, buffers: usize) -> Result<(wgpu::BindGroupLayout, wgpu::PipelineLayout)> {
        if let Some(found) = lock(&self.layouts).get(&buffers) {
            return Ok(found.clone());
        }
        let entry = |n: usize| wgpu::BindGroupLayoutEntry {
            binding: n as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match n < buffers {
                    true => wgpu::BufferBindingType::Storage { read_only: false },
                    false => wgpu::BufferBindingType::Uniform,
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = (0..=buffers).map(entry).collect();
        let made = self.attempt(|device| {
            let descriptor = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
            let layout = device.create_bind_group_layout(&descriptor);
            let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            (layout, pipeline)
        })?;
        lock(&self.layouts).insert(buffers, made.clone());
        Ok(made)
    }

    /// Tells, once for each kind, that something runs on the host.
    pub fn report(&self, what: &str) {
        if lock(&self.reported).insert(what.to_owned()) {
            eprintln!("oxhorn: wgpu: {what} runs on the host: its operands are copied there and back");
        }
    }
}

/// A GPU.
#[derive(Debug, Clone)]
pub struct WgpuDevice {
    shared: Arc<Shared>,
}

impl WgpuDevice {
    /// Opens GPU number `index` of [`crate::adapters`]. What it has no shader for runs on `host`.
    pub fn open(index: usize, host: Arc<dyn Device>, options: &Options) -> Result<Self> {
        let adapter = adapter::nth(index)?;
        let info = adapter::describe(&adapter);
        let wanted = if options.without_int64 { Features::empty() } else { Features::SHADER_INT64 };
        let features = adapter.features() & wanted;
        let limits = if options.minimal_limits { Limits::downlevel_defaults() } else { adapter.limits() };
        let descriptor = DeviceDescriptor {
            label: None,
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let opened = wait(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|e| Error::Device { device: NAME, message: e.to_string() })?;
        let (lost, fault) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(None)));
        let (on_lost, on_fault) = (lost.clone(), fault.clone());
        device.set_device_lost_callback(move |reason, message: String| {
            if reason != wgpu::DeviceLostReason::Destroyed || !message.is_empty() {
                let _ = on_lost.set(format!("{reason:?}: {message}"));
            }
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&on_fault).get_or_insert_with(|| error.to_string());
        }));
        let shared = Shared {
            device,
            queue,
            limits,
            int64: features.contains(Features::SHADER_INT64),
            host,
            pool: Pool::default(),
            info,
            pipelines: Mutex::default(),
            layouts: Mutex::default(),
            in_flight: Mutex::default(),
            reported: Mutex::default(),
            lost,
            fault,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What is known of the GPU.
    pub fn info(&self) -> &AdapterInfo {
        &self.shared.info
    }

    /// Number of shaders compiled so far.
    pub fn pipelines(&self) -> usize {
        lock(&self.shared.pipelines).len()
    }

    /// What has run on the host for want of a shader, so far.
    pub fn on_host(&self) -> Vec<String> {
        let mut all: Vec<String> = lock(&self.shared.reported).iter().cloned().collect();
        all.sort();
        all
    }

    fn buffer(&self, len: usize) -> Result<WgpuBuffer> {
        self.shared.check()?;
        Ok(WgpuBuffer::new(Memory::new(&self.shared, len)?, len))
    }
}

impl Device for WgpuDevice {
    fn name(&self) -> &'static str {
        NAME
    }

    fn compile(&self, plan: Plan) -> Result<Arc<dyn Executable>> {
        Ok(Arc::new(WgpuExecutable::new(plan, self.shared.clone())?))
    }

    fn upload(&self, bytes: &[u8]) -> Result<BufferRef> {
        let buffer = self.buffer(bytes.len())?;
        self.shared.write(&buffer.block().buffer, 0, bytes);
        self.shared.check()?;
        Ok(Arc::new(buffer))
    }

    fn zeros(&self, len: usize) -> Result<BufferRef> {
        let buffer = self.buffer(len)?;
        let mut encoder = self.shared.device.create_command_encoder(&Default::default());
        encoder.clear_buffer(&buffer.block().buffer, 0, None);
        self.shared.submit(encoder.finish())?;
        Ok(Arc::new(buffer))
    }

    fn holds(&self, buffer: &dyn Buffer) -> bool {
        buffer.as_any().downcast_ref::<WgpuBuffer>().is_some_and(|b| b.is_of(&self.shared))
    }

    fn alignment(&self) -> usize {
        (self.shared.limits.min_storage_buffer_offset_alignment as usize).max(ARENA_ALIGN)
    }

    fn largest_operand(&self) -> usize {
        let limits = &self.shared.limits;
        limits.max_buffer_size.min(limits.max_storage_buffer_binding_size) as usize
    }

    fn is_usable(&self) -> bool {
        self.shared.is_alive()
    }

    fn threads(&self) -> usize {
        self.shared.host.threads()
    }

    fn memory_stats(&self) -> MemoryStats {
        self.shared.memory_stats()
    }
}
