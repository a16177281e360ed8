//! Compiled plans.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use oxhorn_core::device::{BufferRef, Executable};
use oxhorn_core::plan::ARENA_ALIGN;
use oxhorn_core::{Buffer, Error, Plan, Result, TensorType};
use smallvec::SmallVec;

use crate::device::{Shared, lock};
use crate::memory::{Block, Memory, WgpuBuffer};
use crate::program::{Command, Compiler};
use crate::run::{Bound, Run};
use crate::step::Region;

/// Arenas kept for later runs, per executable.
const IDLE_ARENAS: usize = 2;

/// A plan compiled for a GPU.
pub(crate) struct WgpuExecutable {
    shared: Arc<Shared>,
    commands: Vec<Command>,
    dispatches: usize,
    /// The arguments of all dispatches.
    arguments: Option<Memory>,
    inputs: Vec<TensorType>,
    /// Bytes of each output, and the input whose buffer it takes over.
    outputs: Vec<(usize, Option<usize>)>,
    instructions: usize,
    arena_bytes: usize,
    idle: Mutex<Vec<State>>,
    /// Takes the place of donated inputs.
    nothing: BufferRef,
}

/// What only one run at a time can use.
struct State {
    arena: Memory,
    bound: Vec<Bound>,
}

impl WgpuExecutable {
    /// Compiles a plan. Fails on plans that contradict themselves.
    pub fn new(plan: Plan, shared: Arc<Shared>) -> Result<Self> {
        let donor = |o: usize| plan.donations.get(o).copied().flatten().map(|i| i as usize);
        let mut donors: Vec<usize> = (0..plan.donations.len()).filter_map(donor).collect();
        donors.sort_unstable();
        if plan.donations.len() > plan.outputs.len()
            || donors.iter().any(|&i| i >= plan.inputs.len())
            || donors.windows(2).any(|pair| pair[0] == pair[1])
        {
            return Err(Error::Internal("plan: donations of inputs that do not exist or twice".into()));
        }
        let outputs: Vec<(usize, Option<usize>)> = plan
            .outputs
            .iter()
            .enumerate()
            .map(|(o, ty)| (ty.bytes(), donor(o).filter(|&i| plan.inputs[i].bytes() == ty.bytes())))
            .collect();
        // Entries of a run's table of buffers: arena, inputs, outputs; a donated input is its output.
        let region =
            |base: usize, ty: &TensorType| Region { base: base as u32, offset: 0, bytes: ty.bytes() };
        let first_output = 1 + plan.inputs.len();
        let input_regions: Vec<Region> = plan
            .inputs
            .iter()
            .enumerate()
            .map(|(i, ty)| match outputs.iter().position(|&(_, donor)| donor == Some(i)) {
                Some(o) => region(first_output + o, ty),
                None => region(1 + i, ty),
            })
            .collect();
        let output_regions: Vec<Region> =
            plan.outputs.iter().enumerate().map(|(o, ty)| region(first_output + o, ty)).collect();
        let alignment = (shared.limits.min_storage_buffer_offset_alignment as usize).max(ARENA_ALIGN);
        let mut compiler = Compiler::new(shared.clone(), alignment);
        let (commands, instructions) = compiler.program(&plan, &input_regions, &output_regions)?;
        let arguments = match compiler.arguments.is_empty() {
            true => None,
            false => {
                let memory = Memory::new(&shared, compiler.arguments.len())?;
                shared.write(&memory.block.buffer, 0, &compiler.arguments);
                Some(memory)
            }
        };
        let nothing = WgpuBuffer::new(Memory::new(&shared, 0)?, 0);
        Ok(Self {
            commands,
            dispatches: compiler.dispatches,
            arguments,
            inputs: plan.inputs,
            outputs,
            instructions,
            arena_bytes: compiler.peak,
            idle: Mutex::default(),
            nothing: Arc::new(nothing),
            shared,
        })
    }

    fn state(&self) -> Result<State> {
        if let Some(state) = lock(&self.idle).pop() {
            return Ok(state);
        }
        let arena = Memory::new(&self.shared, self.arena_bytes)?;
        Ok(State { arena, bound: (0..self.dispatches).map(|_| None).collect() })
    }

    fn recycle(&self, state: State) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_ARENAS {
            idle.push(state);
        }
    }

    /// The device's own buffer behind an input.
    fn own<'a>(&self, buffer: &'a BufferRef) -> Option<&'a WgpuBuffer> {
        buffer.as_any().downcast_ref::<WgpuBuffer>().filter(|b| b.is_of(&self.shared))
    }

    fn execute(&self, inputs: &mut Vec<BufferRef>, cancel: Option<&AtomicBool>) -> Result<Vec<BufferRef>> {
        if inputs.len() != self.inputs.len() {
            let got = inputs.len();
            return Err(Error::Internal(format!("run: expected {} inputs, got {got}", self.inputs.len())));
        }
        self.shared.check()?;
        let mut state = self.state()?;
        let mut bases: Vec<Block> = Vec::with_capacity(1 + inputs.len() + self.outputs.len());
        bases.push(state.arena.block.clone());
        // Buffers of other devices are copied for the run.
        let mut copies: SmallVec<[Memory; 4]> = SmallVec::new();
        for (i, (buffer, ty)) in inputs.iter().zip(&self.inputs).enumerate() {
            let bytes = ty.bytes();
            if buffer.len() < bytes {
                let message = format!("run: input {i}: expected {bytes} bytes, got {buffer:?}");
                return Err(Error::Internal(message));
            }
            let block = match self.own(buffer) {
                Some(own) => own.block().clone(),
                None => {
                    let copy = Memory::new(&self.shared, bytes)?;
                    match buffer.host_bytes() {
                        Some(data) => self.shared.write(&copy.block.buffer, 0, &data[..bytes]),
                        None => self.shared.write(&copy.block.buffer, 0, &buffer.to_host()?[..bytes]),
                    }
                    let block = copy.block.clone();
                    copies.push(copy);
                    block
                }
            };
            bases.push(block);
        }
        let mut fresh: SmallVec<[Option<Memory>; 8]> = SmallVec::with_capacity(self.outputs.len());
        // Donated inputs that somebody else holds, or of other devices: copied, and the copy written over.
        let mut moves: SmallVec<[(Block, Block, usize); 4]> = SmallVec::new();
        let mut donated = false;
        for &(bytes, donor) in &self.outputs {
            let unique = donor.filter(|&i| {
                Arc::get_mut(&mut inputs[i]).is_some()
                    && self.own(&inputs[i]).is_some_and(|b| b.len() == bytes)
            });
            match (unique, donor) {
                (Some(i), _) => {
                    donated = true;
                    bases.push(bases[1 + i].clone());
                    fresh.push(None);
                }
                (None, donor) => {
                    let memory = Memory::new(&self.shared, bytes)?;
                    bases.push(memory.block.clone());
                    if let Some(i) = donor {
                        moves.push((bases[1 + i].clone(), memory.block.clone(), bytes));
                    }
                    fresh.push(Some(memory));
                }
            }
        }

        // A run that writes over its inputs must not stop half-way.
        let cancel = cancel.filter(|_| !donated);
        let arguments = self.arguments.as_ref().map(|m| &m.block.buffer);
        let mut run = Run::new(&self.shared, &bases, arguments, &mut state.bound, cancel);
        for (from, to, bytes) in &moves {
            let size = (*bytes as u64).next_multiple_of(4);
            if size > 0 {
                run.encoder().copy_buffer_to_buffer(&from.buffer, 0, &to.buffer, 0, Some(size));
            }
        }
        run.commands(&self.commands)?;
        run.flush()?;
        self.recycle(state);
        let finish = |(memory, &(bytes, donor)): (Option<Memory>, &(usize, Option<usize>))| -> BufferRef {
            match (memory, donor) {
                (Some(memory), _) => Arc::new(WgpuBuffer::new(memory, bytes)),
                (None, Some(i)) => std::mem::replace(&mut inputs[i], self.nothing.clone()),
                (None, None) => self.nothing.clone(),
            }
        };
        Ok(fresh.into_iter().zip(&self.outputs).map(finish).collect())
    }
}

impl Executable for WgpuExecutable {
    fn run(&self, inputs: &mut Vec<BufferRef>, cancel: Option<&AtomicBool>) -> Result<Vec<BufferRef>> {
        self.execute(inputs, cancel)
    }

    fn instructions(&self) -> usize {
        self.instructions
    }

    fn arena_bytes(&self) -> usize {
        self.arena_bytes
    }
}

impl fmt::Debug for WgpuExecutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WgpuExecutable({} instructions, {} arena bytes)", self.instructions, self.arena_bytes)
    }
}
