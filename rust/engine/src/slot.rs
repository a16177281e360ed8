//! State slots: what a variable keeps its value in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use oxhorn_core::TensorType;
use oxhorn_core::device::BufferRef;

use crate::context::{self, Context};
use crate::runtime::lock;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// A mutable cell of fixed type. Cloning shares the cell.
///
/// Inside a trace the first read makes the slot an input of the graph and a write rebinds it; what it is
/// bound to when the trace ends is written back by every run of the compiled function.
#[derive(Debug, Clone)]
pub struct Slot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: u64,
    ty: TensorType,
    buffer: Mutex<BufferRef>,
}

impl Slot {
    /// A slot that holds the value of a concrete tensor.
    pub fn new(value: &Tensor) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Arc::new(Inner { id, ty: value.ty().clone(), buffer: Mutex::new(value.buffer()?.clone()) })))
    }

    /// A number that is the slot's own for the life of the process.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Type of the value.
    pub fn ty(&self) -> &TensorType {
        &self.0.ty
    }

    /// The concrete value, even inside a trace.
    pub fn peek(&self) -> Tensor {
        Tensor::concrete(self.0.ty.clone(), lock(&self.0.buffer).clone())
    }

    /// The value; inside a trace, what the slot is bound to at this point.
    pub fn read(&self) -> Result<Tensor> {
        match context::current() {
            Context::Eager => Ok(self.peek()),
            Context::Tape(tape) => tape.read_slot(self),
            Context::Trace(trace) => trace.root().read_slot(self),
        }
    }

    /// Sets the value; inside a trace, rebinds the slot.
    pub fn write(&self, value: &Tensor) -> Result<()> {
        if value.ty() != self.ty() {
            return Err(Error::SlotType {
                expected: Box::new(self.ty().clone()),
                got: Box::new(value.ty().clone()),
            });
        }
        match context::current() {
            Context::Trace(trace) => trace.write_slot(self, value),
            _ => {
                *lock(&self.0.buffer) = value.buffer()?.clone();
                Ok(())
            }
        }
    }

    /// Locks the cell for a run of a compiled function.
    pub(crate) fn lock(&self) -> MutexGuard<'_, BufferRef> {
        lock(&self.0.buffer)
    }
}
