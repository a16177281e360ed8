//! Compiled plans: a flat list of closures with every address, size and dtype resolved.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use oxhorn_core::device::BufferRef;
use oxhorn_core::plan::{ARENA_ALIGN, Operand, Place, Step};
use oxhorn_core::{Error, Plan, Result, TensorType};
use smallvec::SmallVec;

use crate::device::Shared;
use crate::kernels;
use crate::memory::{CpuBuffer, Memory, address};
use crate::profile;
use crate::step::{Arg, Args, At, Frame, Layout, Task};

/// Arenas kept for later runs, per executable.
const IDLE_ARENAS: usize = 4;

/// A plan's instructions, and where its inputs and outputs stand in the base table.
pub(crate) struct Program {
    tasks: Vec<Task>,
    /// Entry of the first input; the outputs follow the inputs.
    first: usize,
    inputs: usize,
}

impl Program {
    /// Compiles `plan` with its arena at `layout.top`, which is left above everything it uses.
    /// Returns the program and its number of instructions, nested ones counted once.
    pub fn compile(plan: &Plan, layout: &mut Layout) -> Result<(Self, usize)> {
        let first = layout.bases;
        layout.bases += plan.inputs.len() + plan.outputs.len();
        let arena = layout.scratch(plan.arena_bytes)?;
        if plan.donations.len() > plan.outputs.len()
            || plan.donations.iter().flatten().any(|&i| i as usize >= plan.inputs.len())
        {
            return Err(Error::Internal("plan: donation of an input that does not exist".into()));
        }
        let place = Resolver { plan, first, arena };
        let floor = layout.top;
        let mut peak = floor;
        let mut count = 0;
        let mut tasks = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            layout.top = floor;
            let (task, nested) = place.compile(step, layout)?;
            tasks.push(profile::measured(step, task));
            count += 1 + nested;
            peak = peak.max(layout.top);
        }
        layout.top = peak;
        Ok((Self { tasks, first, inputs: plan.inputs.len() }, count))
    }

    /// Sets where input `i` lies.
    #[inline]
    pub fn set_input(&self, frame: &Frame<'_>, i: usize, pointer: *mut u8) {
        frame.bases[self.first + i].set(pointer);
    }

    /// Sets where output `i` lies.
    #[inline]
    pub fn set_output(&self, frame: &Frame<'_>, i: usize, pointer: *mut u8) {
        frame.bases[self.first + self.inputs + i].set(pointer);
    }

    /// Runs the instructions; false when the run was cancelled.
    #[inline]
    pub fn run(&self, frame: &Frame<'_>) -> bool {
        for task in &self.tasks {
            if frame.stop() {
                return false;
            }
            task(frame);
        }
        !frame.cancelled.get()
    }
}

/// Turns a plan's places into addresses while its steps are compiled.
struct Resolver<'a> {
    plan: &'a Plan,
    first: usize,
    arena: At,
}

impl Resolver<'_> {
    fn arg(&self, operand: &Operand) -> Result<Arg> {
        let bytes = operand.ty.shape.clone().check()?.numel() * operand.ty.dtype.size();
        let declared = |types: &[TensorType], i: u32| match types.get(i as usize) {
            Some(ty) if ty.bytes() >= bytes => Ok(i as usize),
            _ => Err(Error::Internal(format!(
                "plan: {:?} lies at {:?}, which has no room for it",
                operand.ty, operand.place
            ))),
        };
        let at = match operand.place {
            Place::Input(i) => At { base: (self.first + declared(&self.plan.inputs, i)?) as u32, offset: 0 },
            Place::Output(i) => {
                let base = self.first + self.plan.inputs.len() + declared(&self.plan.outputs, i)?;
                At { base: base as u32, offset: 0 }
            }
            Place::Arena(offset) => {
                let end = offset.checked_add(bytes).filter(|&e| e <= self.plan.arena_bytes);
                if end.is_none() || offset % ARENA_ALIGN != 0 {
                    return Err(Error::Internal(format!("plan: {:?} lies outside the arena", operand.ty)));
                }
                At { base: self.arena.base, offset: self.arena.offset + offset }
            }
        };
        Ok(Arg { at, ty: operand.ty.clone() })
    }

    /// Whether a result and an operand may start at one address.
    fn may_alias(&self, output: Place, input: Place) -> bool {
        match (output, input) {
            (Place::Output(o), Place::Input(i)) => {
                self.plan.donations.get(o as usize).is_some_and(|d| *d == Some(i))
            }
            (a, b) => a == b,
        }
    }

    fn compile(&self, step: &Step, layout: &mut Layout) -> Result<(Task, usize)> {
        let inputs = step.inputs.iter().map(|o| self.arg(o)).collect::<Result<SmallVec<[Arg; 8]>>>()?;
        let outputs = step.outputs.iter().map(|o| self.arg(o)).collect::<Result<SmallVec<[Arg; 4]>>>()?;
        if step.outputs.iter().any(|o| matches!(o.place, Place::Input(_))) {
            return Err(Error::Internal(format!("plan: {} writes an input", step.op.name())));
        }
        let mut aliases = SmallVec::<[(usize, usize); 4]>::new();
        for (o, output) in step.outputs.iter().enumerate() {
            for (i, input) in step.inputs.iter().enumerate() {
                if self.may_alias(output.place, input.place) {
                    aliases.push((o, i));
                }
            }
        }
        let args = Args {
            name: step.op.name(),
            inputs: &inputs,
            outputs: &outputs,
            plans: &step.plans,
            aliases: &aliases,
        };
        kernels::compile(step, &args, layout)
    }
}

/// An arena with its base table, in use by one run at a time.
struct State {
    /// Keeps the memory that the table's first entry points to; `None` when the plan needs none.
    _arena: Option<Memory>,
    bases: Box<[Cell<*mut u8>]>,
}

// SAFETY: the table holds addresses that only the run in progress uses; in between nobody does.
unsafe impl Send for State {}

/// A plan compiled for the CPU.
pub(crate) struct CpuExecutable {
    program: Program,
    inputs: Vec<TensorType>,
    /// Bytes of each output, and the input whose buffer it may take over.
    outputs: Vec<(usize, Option<usize>)>,
    bases: usize,
    shared: Arc<Shared>,
    idle: Mutex<Vec<State>>,
    /// Takes the place of donated inputs.
    nothing: BufferRef,
    pub instructions: usize,
    pub arena_bytes: usize,
}

impl CpuExecutable {
    /// Compiles a plan. Fails on plans that contradict themselves: running is then free of checks.
    pub fn new(plan: Plan, shared: Arc<Shared>) -> Result<Self> {
        let mut layout = Layout::default();
        let (program, instructions) = Program::compile(&plan, &mut layout)?;
        let mut donors: Vec<u32> = plan.donations.iter().copied().flatten().collect();
        donors.sort_unstable();
        if donors.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::Internal("plan: an input is donated twice".into()));
        }
        let outputs = plan.outputs.iter().enumerate();
        let outputs = outputs
            .map(|(o, ty)| {
                let donor = plan.donations.get(o).copied().flatten().map(|i| i as usize);
                (ty.bytes(), donor.filter(|&i| plan.inputs[i].bytes() == ty.bytes()))
            })
            .collect();
        Ok(Self {
            program,
            inputs: plan.inputs,
            outputs,
            bases: layout.bases,
            nothing: Arc::new(CpuBuffer::zeros(&shared.allocator, 0)?),
            shared,
            idle: Mutex::new(Vec::new()),
            instructions,
            arena_bytes: layout.peak,
        })
    }

    fn state(&self) -> Result<State> {
        if let Some(state) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(state);
        }
        let arena = match self.arena_bytes {
            0 => None,
            bytes => Some(self.shared.allocator.allocate(bytes)?),
        };
        let nowhere = std::ptr::without_provenance_mut::<u8>(ARENA_ALIGN);
        let bases: Box<[Cell<*mut u8>]> = (0..self.bases).map(|_| Cell::new(nowhere)).collect();
        if let Some(memory) = &arena {
            bases[0].set(memory.as_ptr());
        }
        Ok(State { _arena: arena, bases })
    }

    /// See [`oxhorn_core::Executable::run`].
    pub fn execute(
        &self,
        inputs: &mut Vec<BufferRef>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Vec<BufferRef>> {
        if inputs.len() != self.inputs.len() {
            let got = inputs.len();
            return Err(Error::Internal(format!("run: expected {} inputs, got {got}", self.inputs.len())));
        }
        let state = self.state()?;
        let pool = self.shared.pool();
        let frame = Frame { bases: &state.bases, pool: &pool, cancel, cancelled: Cell::new(false) };

        let mut aligned_copies = SmallVec::<[Memory; 2]>::new();
        let mut host_copies = SmallVec::<[Vec<u8>; 2]>::new();
        for (i, (buffer, ty)) in inputs.iter().zip(&self.inputs).enumerate() {
            let bytes = ty.bytes();
            if buffer.len() < bytes {
                let message = format!("run: input {i}: expected {bytes} bytes, got {buffer:?}");
                return Err(Error::Internal(message));
            }
            let mut pointer = match address(buffer) {
                Some(pointer) => pointer,
                None => {
                    let copy = buffer.to_host()?;
                    let pointer = copy.as_ptr();
                    host_copies.push(copy);
                    pointer
                }
            };
            if !(pointer as usize).is_multiple_of(ty.dtype.size()) {
                let copy = self.shared.allocator.allocate(bytes)?;
                // SAFETY: `buffer` has at least `bytes` readable bytes, the copy as many writable ones.
                unsafe { std::ptr::copy_nonoverlapping(pointer, copy.as_ptr(), bytes) };
                pointer = copy.as_ptr();
                aligned_copies.push(copy);
            }
            self.program.set_input(&frame, i, pointer.cast_mut());
        }

        let mut fresh = SmallVec::<[Option<Memory>; 8]>::with_capacity(self.outputs.len());
        let mut donated = false;
        for (o, &(bytes, donor)) in self.outputs.iter().enumerate() {
            let own = donor.and_then(|i| unique(&mut inputs[i], bytes));
            let memory = if own.is_some() { None } else { Some(self.shared.allocator.allocate(bytes)?) };
            donated |= memory.is_none();
            let pointer = memory.as_ref().map_or_else(|| own.unwrap_or(std::ptr::null_mut()), Memory::as_ptr);
            self.program.set_output(&frame, o, pointer);
            fresh.push(memory);
        }

        // A run that writes over its inputs must not stop half-way.
        let frame = Frame { cancel: cancel.filter(|_| !donated), ..frame };
        let finished = self.program.run(&frame);
        self.recycle(state);
        if !finished {
            return Err(Error::Cancelled);
        }
        let finish = |(memory, &(_, donor)): (Option<Memory>, &(usize, Option<usize>))| -> BufferRef {
            match (memory, donor) {
                (Some(memory), _) => Arc::new(CpuBuffer::new(memory)),
                (None, Some(i)) => std::mem::replace(&mut inputs[i], self.nothing.clone()),
                (None, None) => self.nothing.clone(),
            }
        };
        Ok(fresh.into_iter().zip(&self.outputs).map(finish).collect())
    }

    fn recycle(&self, state: State) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_ARENAS {
            idle.push(state);
        }
    }
}

/// The address of a buffer that may be written over: ours, of the right size, and held by nobody else.
fn unique(buffer: &mut BufferRef, bytes: usize) -> Option<*mut u8> {
    let buffer = Arc::get_mut(buffer)?;
    let own = buffer.as_any().downcast_ref::<CpuBuffer>()?;
    (buffer.is_writable() && buffer.len() == bytes).then(|| own.as_ptr())
}

impl fmt::Debug for CpuExecutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuExecutable({} instructions, {} arena bytes)", self.instructions, self.arena_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use oxhorn_core::kernel::{Instr, Kernel, Load};
    use oxhorn_core::op::Ew;
    use oxhorn_core::{DType, Device, Op};
    use smallvec::smallvec;

    use super::*;
    use crate::{CpuDevice, ForeignBuffer};
    use oxhorn_core::conformance::one_step;

    /// y = -x over `n` elements, x donated.
    fn negate(n: usize) -> Plan {
        let kernel = Kernel {
            space: smallvec![n],
            reduced: 0,
            loads: vec![Load { operand: 0, dtype: DType::F32, offset: 0, strides: smallvec![1] }],
            body: vec![Instr::Elementwise { op: Ew::Neg, dtype: DType::F32, args: smallvec![0] }],
            reduction: None,
            stores: smallvec![1],
        };
        let ty = [TensorType::new(DType::F32, [n])];
        let mut plan = one_step(Op::Fused(Arc::new(kernel)), &ty, &ty, vec![]);
        plan.donations = vec![Some(0)];
        plan
    }

    fn upload(device: &CpuDevice, values: &[f32]) -> BufferRef {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        device.upload(&bytes).unwrap()
    }

    fn floats(buffer: &BufferRef) -> Vec<f32> {
        buffer
            .host_bytes()
            .unwrap()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn a_donated_buffer_is_taken_over_only_when_nobody_holds_it() {
        let device = CpuDevice::new(1);
        let executable = device.compile(negate(3)).unwrap();
        let mut inputs = vec![upload(&device, &[1.0, 2.0, 3.0])];
        let address = inputs[0].host_bytes().unwrap().as_ptr();
        let outputs = executable.run(&mut inputs, None).unwrap();
        assert_eq!(outputs[0].host_bytes().unwrap().as_ptr(), address);
        assert_eq!(floats(&outputs[0]), [-1.0, -2.0, -3.0]);

        let held = outputs[0].clone();
        let again = executable.run(&mut outputs.clone(), None).unwrap();
        assert_eq!(floats(&held), [-1.0, -2.0, -3.0]);
        assert_eq!(floats(&again[0]), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn foreign_memory_is_never_written_and_may_be_unaligned() {
        let device = CpuDevice::new(1);
        let executable = device.compile(negate(2)).unwrap();
        let mut bytes = vec![0u8; 9];
        bytes[1..5].copy_from_slice(&1.5f32.to_le_bytes());
        bytes[5..9].copy_from_slice(&2.5f32.to_le_bytes());
        let before = bytes.clone();
        let bytes = Arc::new(bytes);
        // SAFETY: the vector is kept by the owner.
        let foreign = unsafe { ForeignBuffer::new(bytes.as_ptr().add(1), 8, Box::new(bytes.clone())) };
        let mut inputs: Vec<BufferRef> = vec![Arc::new(foreign)];
        let outputs = executable.run(&mut inputs, None).unwrap();
        assert_eq!(floats(&outputs[0]), [-1.5, -2.5]);
        assert_eq!(*bytes, before);
    }

    #[test]
    fn a_cancelled_run_keeps_its_inputs() {
        let device = CpuDevice::new(1);
        let executable = device.compile(negate(2)).unwrap();
        let cancel = AtomicBool::new(true);
        let mut inputs = vec![upload(&device, &[1.0, 2.0])];
        let held = inputs[0].clone();
        assert_eq!(executable.run(&mut inputs, Some(&cancel)).unwrap_err(), Error::Cancelled);
        assert_eq!(floats(&inputs[0]), [1.0, 2.0]);
        // A run that writes over its input is carried through.
        drop(held);
        assert_eq!(floats(&executable.run(&mut inputs, Some(&cancel)).unwrap()[0]), [-1.0, -2.0]);
        cancel.store(false, Ordering::Relaxed);
    }

    #[test]
    fn wrong_inputs_are_errors() {
        let device = CpuDevice::new(1);
        let executable = device.compile(negate(3)).unwrap();
        assert!(executable.run(&mut vec![], None).is_err());
        assert!(executable.run(&mut vec![upload(&device, &[1.0])], None).is_err());
    }

    #[test]
    fn plans_that_contradict_themselves_are_errors() {
        let device = CpuDevice::new(1);
        let broken: [fn(&mut Plan); 5] = [
            |p| p.donations = vec![Some(1)],
            |p| p.steps[0].inputs[0].place = Place::Arena(0),
            |p| p.steps[0].inputs[0].place = Place::Input(1),
            |p| p.steps[0].outputs[0].place = Place::Input(0),
            |p| p.inputs[0] = TensorType::new(DType::F32, [2]),
        ];
        for break_it in broken {
            let mut plan = negate(3);
            break_it(&mut plan);
            assert!(device.compile(plan).is_err());
        }
    }

    #[test]
    fn runs_from_many_threads_do_not_meet() {
        let device = CpuDevice::new(2);
        let executable = device.compile(negate(5000)).unwrap();
        std::thread::scope(|scope| {
            for t in 0..4 {
                let (device, executable) = (&device, &executable);
                scope.spawn(move || {
                    for round in 0..50 {
                        let value = (t * 100 + round) as f32;
                        let mut inputs = vec![upload(device, &vec![value; 5000])];
                        let outputs = executable.run(&mut inputs, None).unwrap();
                        assert!(floats(&outputs[0]).iter().all(|&x| x == -value));
                    }
                });
            }
        });
    }

    #[test]
    fn memory_does_not_grow() {
        let device = CpuDevice::new(1);
        let executable = device.compile(negate(1000)).unwrap();
        let mut buffers = vec![upload(&device, &[1.0; 1000])];
        buffers = executable.run(&mut buffers, None).unwrap();
        let before = device.memory_stats();
        for _ in 0..1000 {
            let mut held = buffers.clone();
            buffers = executable.run(&mut held, None).unwrap();
        }
        let after = device.memory_stats();
        assert_eq!((before.live_bytes, before.live_buffers), (after.live_bytes, after.live_buffers));
    }
}
