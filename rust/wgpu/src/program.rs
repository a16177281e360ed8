//! From plans to lists of commands with every region, shader and argument resolved.

use std::sync::Arc;

use oxhorn_core::plan::{Operand, Place, Step};
use oxhorn_core::{Error, Plan, Result, TensorType, verify};
use smallvec::SmallVec;

use crate::device::{Pipeline, Shared};
use crate::host::HostStep;
use crate::shader::Finished;
use crate::step::{Arg, Args, Refusal, Region};
use crate::{NAME, kernels};

/// Alignment of the structs of arguments in their buffer: what WebGPU guarantees everywhere.
const ARGUMENT_ALIGN: usize = 256;
/// Workgroups along the first axis of a dispatch that needs the second too.
const ROW: usize = 1 << 15;

/// What a run does, in order.
#[derive(Debug)]
pub(crate) enum Command {
    Dispatch(Dispatch),
    /// A step that the host carries out.
    Host(HostStep),
    /// The commands so many times.
    Repeat {
        times: usize,
        body: Vec<Command>,
    },
    /// The body as long as the condition writes true to the flag, at most `limit` times.
    While {
        condition: Vec<Command>,
        flag: Region,
        body: Vec<Command>,
        limit: u64,
    },
    /// One or the other, as the flag says.
    Branch {
        flag: Region,
        then: Vec<Command>,
        otherwise: Vec<Command>,
    },
}

/// One shader run.
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// Number among the executable's dispatches.
    pub number: usize,
    pub pipeline: Arc<Pipeline>,
    pub bindings: SmallVec<[Region; 4]>,
    /// Where its arguments are in the executable's buffer of them, and their bytes.
    pub arguments: (usize, usize),
    pub groups: [u32; 2],
}

/// Compiles the steps of a plan and hands out the arena's bytes.
pub(crate) struct Compiler {
    pub shared: Arc<Shared>,
    /// First byte of the arena that the step being compiled may take for itself, and the largest seen.
    top: usize,
    pub peak: usize,
    alignment: usize,
    pub dispatches: usize,
    /// The structs of arguments of all dispatches.
    pub arguments: Vec<u8>,
    commands: Vec<Command>,
}

impl Compiler {
    pub fn new(shared: Arc<Shared>, alignment: usize) -> Self {
        Self {
            shared,
            top: 0,
            peak: 0,
            alignment,
            dispatches: 0,
            arguments: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// Compiles `plan` with its inputs and outputs in these regions and its arena above all that is in
    /// use; returns its commands and number of steps, nested ones counted once.
    pub fn program(
        &mut self,
        plan: &Plan,
        inputs: &[Region],
        outputs: &[Region],
    ) -> Result<(Vec<Command>, usize)> {
        let arena = self.scratch(plan.arena_bytes)?;
        let place = Resolver { plan, inputs, outputs, arena };
        let outside = std::mem::take(&mut self.commands);
        let floor = self.top;
        let mut peak = floor;
        let mut count = 0;
        for step in &plan.steps {
            self.top = floor;
            count += 1 + self.step(step, &place)?;
            peak = peak.max(self.top);
        }
        self.top = peak;
        Ok((std::mem::replace(&mut self.commands, outside), count))
    }

    fn step(&mut self, step: &Step, place: &Resolver<'_>) -> Result<usize> {
        if step.outputs.iter().any(|o| matches!(o.place, Place::Input(_))) {
            return Err(Error::Internal(format!("plan: {} writes an input", step.op.name())));
        }
        let inputs = step.inputs.iter().map(|o| place.arg(o)).collect::<Result<SmallVec<[Arg; 8]>>>()?;
        let outputs = step.outputs.iter().map(|o| place.arg(o)).collect::<Result<SmallVec<[Arg; 4]>>>()?;
        let args = Args { step, inputs: &inputs, outputs: &outputs };
        let before = (self.commands.len(), self.top);
        match kernels::compile(step, &args, self) {
            Ok(count) => Ok(count),
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Host(reason)) => {
                self.commands.truncate(before.0);
                self.top = before.1;
                verify::step(step)?;
                self.shared.report(&reason);
                self.commands.push(Command::Host(HostStep::new(&args, &*self.shared.host)?));
                Ok(0)
            }
        }
    }

    /// Memory that lasts for the step being compiled.
    pub fn scratch(&mut self, bytes: usize) -> Result<Region> {
        let too_large = || Error::OutOfMemory { bytes, device: NAME };
        let offset = self.top;
        let size = bytes.checked_next_multiple_of(self.alignment).ok_or_else(too_large)?;
        self.top =
            offset.checked_add(size).filter(|&t| t <= isize::MAX as usize / 2).ok_or_else(too_large)?;
        self.peak = self.peak.max(self.top);
        Ok(Region { base: 0, offset, bytes })
    }

    /// Memory for a value of a type.
    pub fn temporary(&mut self, ty: TensorType) -> Result<Arg> {
        Ok(Arg::at(self.scratch(ty.bytes())?, ty))
    }

    /// The commands that `f` appends, taken out.
    pub fn nested(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<Vec<Command>, Refusal> {
        let outside = std::mem::take(&mut self.commands);
        let done = f(self);
        let inside = std::mem::replace(&mut self.commands, outside);
        done.map(|()| inside)
    }

    /// Appends a command.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Appends the run of a shader.
    pub fn dispatch(&mut self, shader: Finished) -> Result<(), Refusal> {
        if shader.groups == 0 {
            return Ok(());
        }
        let limits = &self.shared.limits;
        let bound = |region: &Region| region.bytes.next_multiple_of(4).max(16);
        let buffers = shader.bindings.len();
        if buffers > limits.max_storage_buffers_per_shader_stage as usize {
            return Err(Refusal::Host(format!("a step on {buffers} buffers, more than the GPU allows,")));
        }
        let limit = limits.max_storage_buffer_binding_size as usize;
        if let Some(region) = shader.bindings.iter().find(|r| bound(r) > limit) {
            let bytes = region.bytes;
            return Err(Refusal::Host(format!("a step on {bytes} bytes, more than the GPU allows at once,")));
        }
        let (x, y) = match shader.groups {
            n if n <= ROW => (n, 1),
            n => (ROW, n.div_ceil(ROW)),
        };
        let most = limits.max_compute_workgroups_per_dimension as usize;
        if y > most || x > most {
            return Err(Refusal::Host("a step of more points than the GPU allows".into()));
        }
        let pipeline = self.shared.pipeline(&shader.text, buffers)?;
        let offset = self.arguments.len();
        let bytes: Vec<u8> = shader.arguments.iter().flat_map(|a| a.to_le_bytes()).collect();
        let size = bytes.len().next_multiple_of(16);
        self.arguments.extend(bytes);
        self.arguments.resize((offset + size).next_multiple_of(ARGUMENT_ALIGN), 0);
        let number = self.dispatches;
        self.dispatches += 1;
        self.commands.push(Command::Dispatch(Dispatch {
            number,
            pipeline,
            bindings: shader.bindings.iter().map(|r| Region { bytes: bound(r), ..*r }).collect(),
            arguments: (offset, size),
            groups: [x as u32, y as u32],
        }));
        Ok(())
    }
}

/// Turns a plan's places into regions while its steps are compiled.
struct Resolver<'a> {
    plan: &'a Plan,
    inputs: &'a [Region],
    outputs: &'a [Region],
    arena: Region,
}

impl Resolver<'_> {
    fn arg(&self, operand: &Operand) -> Result<Arg> {
        let bytes = operand.ty.shape.clone().check()?.numel() * operand.ty.dtype.size();
        let broken = || {
            Error::Internal(format!(
                "plan: {:?} lies at {:?}, which has no room for it",
                operand.ty, operand.place
            ))
        };
        let outside = |types: &[TensorType], regions: &[Region], i: u32| {
            let fits = types.get(i as usize).is_some_and(|ty| ty.bytes() >= bytes);
            regions.get(i as usize).copied().filter(|_| fits).ok_or_else(broken)
        };
        let region = match operand.place {
            Place::Input(i) => outside(&self.plan.inputs, self.inputs, i)?,
            Place::Output(i) => outside(&self.plan.outputs, self.outputs, i)?,
            Place::Arena(offset) => {
                let end = offset.checked_add(bytes).filter(|&e| e <= self.plan.arena_bytes);
                end.ok_or_else(broken)?;
                Region { offset: self.arena.offset + offset, ..self.arena }
            }
        };
        Ok(Arg::at(region, operand.ty.clone()))
    }
}
