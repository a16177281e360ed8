//! What a device offers to the engine.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::plan::ARENA_ALIGN;
use crate::{Error, Plan, Result};

/// Memory on a device, reference-counted by the engine through `Arc<dyn Buffer>`.
pub trait Buffer: Any + Send + Sync + Debug {
    /// Size in bytes.
    fn len(&self) -> usize;
    /// Whether the size is zero.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes, when the host can read them in place.
    fn host_bytes(&self) -> Option<&[u8]>;
    /// A copy of the bytes on the host.
    fn to_host(&self) -> Result<Vec<u8>> {
        let missing = || Error::Internal(format!("{self:?} cannot be read"));
        self.host_bytes().map(<[u8]>::to_vec).ok_or_else(missing)
    }
    /// Whether a plan may write over it once nobody else holds it (false for memory that was lent
    /// by NumPy or DLPack).
    fn is_writable(&self) -> bool;
    /// For downcasts by the owning device.
    fn as_any(&self) -> &dyn Any;
}

/// A buffer as the engine holds it.
pub type BufferRef = Arc<dyn Buffer>;

/// A compiled plan, ready to run any number of times, from any thread.
pub trait Executable: Send + Sync + Debug {
    /// Runs the plan and returns its outputs. An input that the plan donates and whose `Arc` in
    /// `inputs` is the only one is written over and becomes the output's buffer; such entries are
    /// taken out of `inputs` only once nothing can fail any more, so that after an error every input is
    /// still there. `cancel` is looked at between instructions of plans that donate nothing.
    fn run(&self, inputs: &mut Vec<BufferRef>, cancel: Option<&AtomicBool>) -> Result<Vec<BufferRef>>;

    /// Number of instructions, those of sub-plans counted once.
    fn instructions(&self) -> usize;

    /// Bytes of scratch memory that a run holds.
    fn arena_bytes(&self) -> usize;
}

/// Bytes in use on a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Bytes of live buffers and arenas.
    pub live_bytes: usize,
    /// Maximum of that since the start.
    pub peak_bytes: usize,
    /// Bytes kept for reuse.
    pub pooled_bytes: usize,
    /// Number of live buffers.
    pub live_buffers: usize,
}

/// A place where plans run.
pub trait Device: Send + Sync + Debug {
    /// Name as the user writes it, e.g. "cpu".
    fn name(&self) -> &'static str;
    /// Compiles a plan.
    fn compile(&self, plan: Plan) -> Result<Arc<dyn Executable>>;
    /// A buffer with a copy of `bytes`.
    fn upload(&self, bytes: &[u8]) -> Result<BufferRef>;
    /// A zero-filled buffer.
    fn zeros(&self, len: usize) -> Result<BufferRef>;
    /// Whether plans read this buffer where it is. Executables take any buffer as an input, but copy
    /// those of other devices on every run.
    fn holds(&self, buffer: &dyn Buffer) -> bool;
    /// Alignment of places in the arenas of plans for this device.
    fn alignment(&self) -> usize {
        ARENA_ALIGN
    }
    /// Bytes of the largest operand that plans can use where it is.
    fn largest_operand(&self) -> usize {
        usize::MAX
    }
    /// Whether it can still be used: false once a GPU was lost.
    fn is_usable(&self) -> bool {
        true
    }
    /// Number of threads that a run uses.
    fn threads(&self) -> usize {
        1
    }
    /// Whether a scan is best cut into blocks of its batch, each run through all steps on its own: where one
    /// thread's cache holds a block's state and the weights. Plans are then made with such scans.
    fn wants_blocks(&self) -> bool {
        false
    }
    /// Memory statistics.
    fn memory_stats(&self) -> MemoryStats;
}
