//! Compiled functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oxhorn_core::device::{Buffer, BufferRef};
use oxhorn_core::{Executable, Graph, TensorType};

use crate::runtime::Runtime;
use crate::slot::Slot;
use crate::tensor::Tensor;
use crate::trace::Source;
use crate::{Error, Result};

/// A traced program, optimised and planned. A call runs the plan and writes back the slots that the
/// program assigns; after an error all slots hold what they held before.
#[derive(Debug)]
pub struct Function {
    executable: Arc<dyn Executable>,
    inputs: Vec<Input>,
    arguments: Vec<TensorType>,
    outputs: Vec<TensorType>,
    /// Every slot used, by ascending id: the order in which calls lock them, so that concurrent calls
    /// cannot wait for each other in a circle.
    slots: Vec<Slot>,
    /// For each assigned slot its position in `slots`, in the order of the plan's last outputs.
    written: Vec<usize>,
    nodes: usize,
    runs: AtomicU64,
}

/// Where an input of the plan comes from.
#[derive(Debug)]
enum Input {
    Argument(usize),
    /// Position in `slots`, and whether the slot is assigned, so that its buffer may be written over.
    Slot(usize, bool),
    Captured(BufferRef),
}

/// What a function costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Nodes of the traced graph.
    pub nodes: usize,
    /// Instructions of the plan.
    pub instructions: usize,
    /// Bytes of scratch memory.
    pub arena_bytes: usize,
    /// Calls so far.
    pub runs: u64,
}

impl Function {
    pub(crate) fn compile(
        graph: Graph,
        sources: Vec<Source>,
        outputs: usize,
        assigned: Vec<Slot>,
    ) -> Result<Self> {
        let nodes = graph.len();
        let types = graph.output_types();
        let input_types = graph.input_types();
        let mut slots: Vec<Slot> = assigned.clone();
        slots.extend(sources.iter().filter_map(|s| match s {
            Source::Slot(slot) => Some(slot.clone()),
            _ => None,
        }));
        slots.sort_by_key(Slot::id);
        slots.dedup_by_key(|slot| slot.id());
        let position = |slot: &Slot| {
            slots
                .binary_search_by_key(&slot.id(), Slot::id)
                .map_err(|_| oxhorn_core::Error::Internal("slot was not collected".into()))
        };
        let written = assigned.iter().map(position).collect::<Result<Vec<_>, _>>()?;
        let mut arguments = Vec::new();
        let mut inputs = Vec::with_capacity(sources.len());
        for (source, ty) in sources.iter().zip(input_types) {
            inputs.push(match source {
                Source::Argument(number) => {
                    arguments.push(ty);
                    Input::Argument(*number)
                }
                Source::Slot(slot) => {
                    let position = position(slot)?;
                    Input::Slot(position, written.contains(&position))
                }
                Source::Capture(tensor) => Input::Captured(tensor.buffer()?.clone()),
            });
        }
        let executable = Runtime::current().compile(graph)?;
        Ok(Self {
            executable,
            inputs,
            arguments,
            outputs: types[..outputs].to_vec(),
            slots,
            written,
            nodes,
            runs: AtomicU64::new(0),
        })
    }

    /// Types of the arguments.
    pub fn arguments(&self) -> &[TensorType] {
        &self.arguments
    }

    /// Types of the outputs.
    pub fn outputs(&self) -> &[TensorType] {
        &self.outputs
    }

    /// What the function costs.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            nodes: self.nodes,
            instructions: self.executable.instructions(),
            arena_bytes: self.executable.arena_bytes(),
            runs: self.runs.load(Ordering::Relaxed),
        }
    }

    /// Runs the function.
    pub fn call(&self, arguments: &[Tensor]) -> Result<Vec<Tensor>> {
        if arguments.len() != self.arguments.len() {
            return Err(Error::ArgumentCount { expected: self.arguments.len(), got: arguments.len() });
        }
        let mut buffers = Vec::with_capacity(arguments.len());
        for (index, (argument, expected)) in arguments.iter().zip(&self.arguments).enumerate() {
            if argument.ty() != expected {
                let (expected, got) = (Box::new(expected.clone()), Box::new(argument.ty().clone()));
                return Err(Error::Argument { index, expected, got });
            }
            buffers.push(argument.buffer()?.clone());
        }
        let outputs = self.call_buffers(&buffers)?;
        Ok(self.outputs.iter().zip(outputs).map(|(ty, b)| Tensor::concrete(ty.clone(), b)).collect())
    }

    /// Runs the function on buffers that are known to have the arguments' types.
    pub(crate) fn call_buffers(&self, arguments: &[BufferRef]) -> Result<Vec<BufferRef>> {
        let mut cells: Vec<_> = self.slots.iter().map(Slot::lock).collect();
        let mut buffers: Vec<BufferRef> = self
            .inputs
            .iter()
            .map(|input| match input {
                Input::Argument(number) => arguments[*number].clone(),
                Input::Captured(buffer) => buffer.clone(),
                Input::Slot(position, false) => cells[*position].clone(),
                // Taken out, so that the plan finds the only reference and may write in place.
                Input::Slot(position, true) => std::mem::replace(&mut *cells[*position], Arc::new(Taken)),
            })
            .collect();
        let mut outputs = match self.executable.run(&mut buffers, None) {
            Ok(outputs) => outputs,
            Err(error) => {
                for (input, buffer) in self.inputs.iter().zip(buffers) {
                    if let Input::Slot(position, true) = input {
                        *cells[*position] = buffer;
                    }
                }
                return Err(error.into());
            }
        };
        for (&position, buffer) in self.written.iter().zip(outputs.drain(self.outputs.len()..)) {
            *cells[position] = buffer;
        }
        self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(outputs)
    }
}

/// Stands in a slot's cell while a run has taken the buffer out; the cell is locked all the while.
#[derive(Debug)]
struct Taken;

impl Buffer for Taken {
    fn len(&self) -> usize {
        0
    }
    fn host_bytes(&self) -> Option<&[u8]> {
        None
    }
    fn is_writable(&self) -> bool {
        false
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
