//! One run of an executable: commands encoded into command buffers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use oxhorn_core::device::BufferRef;
use oxhorn_core::{Error, Result};
use smallvec::SmallVec;

use crate::device::Shared;
use crate::host::HostStep;
use crate::memory::Block;
use crate::program::{Command, Dispatch};
use crate::step::Region;

/// Dispatches in a command buffer, at most.
const LONGEST: usize = 4096;

/// The bind group that a dispatch used last, and the buffers that it was made for.
pub(crate) type Bound = Option<(SmallVec<[u64; 4]>, wgpu::BindGroup)>;

/// A run in progress.
pub(crate) struct Run<'a> {
    pub shared: &'a Arc<Shared>,
    /// Arena, inputs and outputs.
    pub bases: &'a [Block],
    pub arguments: Option<&'a wgpu::Buffer>,
    /// For each dispatch of the executable.
    pub bound: &'a mut [Bound],
    pub cancel: Option<&'a AtomicBool>,
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    encoded: usize,
}

impl<'a> Run<'a> {
    pub fn new(
        shared: &'a Arc<Shared>,
        bases: &'a [Block],
        arguments: Option<&'a wgpu::Buffer>,
        bound: &'a mut [Bound],
        cancel: Option<&'a AtomicBool>,
    ) -> Self {
        Self { shared, bases, arguments, bound, cancel, pass: None, encoder: None, encoded: 0 }
    }

    /// Encodes commands, and submits what has been encoded wherever the host has to know a result.
    pub fn commands(&mut self, commands: &[Command]) -> Result<()> {
        for command in commands {
            if self.cancel.is_some_and(|flag| flag.load(Relaxed)) {
                return Err(Error::Cancelled);
            }
            match command {
                Command::Dispatch(dispatch) => self.dispatch(dispatch)?,
                Command::Host(step) => self.host(step)?,
                Command::Repeat { times, body } => {
                    for _ in 0..*times {
                        self.commands(body)?;
                    }
                }
                Command::While { condition, flag, body, limit } => {
                    let mut steps = 0;
                    while steps < *limit {
                        self.commands(condition)?;
                        if !self.flag(*flag)? {
                            break;
                        }
                        self.commands(body)?;
                        steps += 1;
                    }
                }
                Command::Branch { flag, then, otherwise } => {
                    let taken = if self.flag(*flag)? { then } else { otherwise };
                    self.commands(taken)?;
                }
            }
        }
        Ok(())
    }

    /// The encoder, outside of any pass.
    pub fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.encoder.get_or_insert_with(|| self.shared.device.create_command_encoder(&Default::default()))
    }

    fn dispatch(&mut self, dispatch: &Dispatch) -> Result<()> {
        if self.encoded >= LONGEST {
            self.flush()?;
        }
        let ids: SmallVec<[u64; 4]> =
            dispatch.bindings.iter().map(|r| self.bases[r.base as usize].id).collect();
        let known = self.bound[dispatch.number].as_ref().is_some_and(|(bound, _)| *bound == ids);
        if !known {
            let group = self.bind(dispatch)?;
            self.bound[dispatch.number] = Some((ids, group));
        }
        let mut pass = match self.pass.take() {
            Some(pass) => pass,
            None => self.encoder().begin_compute_pass(&Default::default()).forget_lifetime(),
        };
        if let Some((_, group)) = &self.bound[dispatch.number] {
            pass.set_pipeline(&dispatch.pipeline.pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(dispatch.groups[0], dispatch.groups[1], 1);
        }
        self.pass = Some(pass);
        self.encoded += 1;
        Ok(())
    }

    fn bind(&self, dispatch: &Dispatch) -> Result<wgpu::BindGroup> {
        let Some(arguments) = self.arguments else {
            return Err(Error::Internal("wgpu: a dispatch without arguments".into()));
        };
        let binding = |buffer, offset: usize, size: usize| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: offset as u64,
                size: wgpu::BufferSize::new(size as u64),
            })
        };
        let storage =
            dispatch.bindings.iter().map(|r| binding(&self.bases[r.base as usize].buffer, r.offset, r.bytes));
        let uniform = binding(arguments, dispatch.arguments.0, dispatch.arguments.1);
        let entries: SmallVec<[wgpu::BindGroupEntry<'_>; 8]> = storage
            .chain([uniform])
            .enumerate()
            .map(|(n, resource)| wgpu::BindGroupEntry { binding: n as u32, resource })
            .collect();
        let layout = &dispatch.pipeline.layout;
        self.shared.attempt(|device| {
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
        })
    }

    /// Submits what has been encoded.
    pub fn flush(&mut self) -> Result<()> {
        self.pass = None;
        self.encoded = 0;
        match self.encoder.take() {
            Some(encoder) => self.shared.submit(encoder.finish()),
            None => Ok(()),
        }
    }

    fn read(&self, region: &Region) -> Result<Vec<u8>> {
        self.shared.read(&self.bases[region.base as usize].buffer, region.offset, region.bytes)
    }

    fn flag(&mut self, region: Region) -> Result<bool> {
        self.flush()?;
        Ok(self.read(&Region { bytes: 1, ..region })? != [0])
    }

    fn host(&mut self, step: &HostStep) -> Result<()> {
        self.flush()?;
        let host = &self.shared.host;
        let inputs = step.inputs.iter().map(|region| host.upload(&self.read(region)?));
        let mut inputs = inputs.collect::<Result<Vec<BufferRef>>>()?;
        let outputs = step.executable.run(&mut inputs, self.cancel)?;
        for (region, output) in step.outputs.iter().zip(outputs) {
            let bytes = output.to_host()?;
            self.shared.write(&self.bases[region.base as usize].buffer, region.offset, &bytes);
        }
        Ok(())
    }
}
