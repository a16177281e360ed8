//! What a compiled instruction is made of: operands resolved to (base, offset) pairs at compile time,
//! and the frame that turns them into addresses at run time.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use oxhorn_core::plan::ARENA_ALIGN;
use oxhorn_core::{DType, Error, Plan, Result, TensorType};

use crate::pool::ThreadPool;

/// An address as far as it is known before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    /// Entry of the frame's base table; entry 0 is the arena.
    pub base: u32,
    /// Bytes from that base.
    pub offset: usize,
}

/// One run in progress.
pub(crate) struct Frame<'a> {
    /// Arena, then inputs and outputs of each program, nested ones included.
    pub bases: &'a [Cell<*mut u8>],
    /// Where parallel work goes.
    pub pool: &'a ThreadPool,
    /// Set by somebody who wants the run to end.
    pub cancel: Option<&'a AtomicBool>,
    /// Whether that was noticed.
    pub cancelled: Cell<bool>,
}

impl Frame<'_> {
    /// The address of `at` in this run.
    #[inline(always)]
    pub fn ptr(&self, at: At) -> *mut u8 {
        // wrapping: no claim about the allocation is made before the pointer is used.
        self.bases[at.base as usize].get().wrapping_add(at.offset)
    }

    /// Whether the run should stop; sticky.
    #[inline(always)]
    pub fn stop(&self) -> bool {
        if let Some(flag) = self.cancel
            && flag.load(Relaxed)
        {
            self.cancelled.set(true);
        }
        self.cancelled.get()
    }
}

/// A compiled instruction.
pub(crate) type Task = Box<dyn Fn(&Frame<'_>) + Send + Sync>;

/// An operand or result of a step.
#[derive(Debug, Clone)]
pub(crate) struct Arg {
    /// Where it lies.
    pub at: At,
    /// Its type.
    pub ty: TensorType,
}

impl Arg {
    /// Sizes of the axes.
    pub fn dims(&self) -> &[usize] {
        &self.ty.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.ty.shape.numel()
    }
}

/// What a kernel's compile function gets.
pub(crate) struct Args<'a> {
    /// The op's name for messages.
    pub name: &'static str,
    /// Operands.
    pub inputs: &'a [Arg],
    /// Results.
    pub outputs: &'a [Arg],
    /// Plans of sub-graphs.
    pub plans: &'a [Arc<Plan>],
    /// (output, input) pairs of this step that may lie at one address.
    pub aliases: &'a [(usize, usize)],
}

impl Args<'_> {
    /// The only operand and the only result.
    pub fn unary(&self) -> Result<(&Arg, &Arg)> {
        match (self.inputs, self.outputs) {
            ([x], [y]) => Ok((x, y)),
            _ => Err(self.malformed("one operand and one result")),
        }
    }

    /// A broken plan.
    pub fn malformed(&self, expected: &str) -> Error {
        Error::Internal(format!(
            "{}: expected {expected}, got {:?} -> {:?}",
            self.name,
            self.inputs.iter().map(|a| &a.ty).collect::<Vec<_>>(),
            self.outputs.iter().map(|a| &a.ty).collect::<Vec<_>>()
        ))
    }
}

/// Hands out the arena's bytes and the base table's entries while a plan is compiled.
#[derive(Debug)]
pub(crate) struct Layout {
    /// First byte that the step being compiled may take for itself.
    pub top: usize,
    /// Largest arena size seen.
    pub peak: usize,
    /// Entries of the base table.
    pub bases: usize,
}

impl Default for Layout {
    /// Nothing handed out but the arena's own entry.
    fn default() -> Self {
        Self { top: 0, peak: 0, bases: 1 }
    }
}

impl Layout {
    /// Scratch memory of `bytes` that lasts for the step being compiled, aligned to a cache line.
    pub fn scratch(&mut self, bytes: usize) -> Result<At> {
        let too_large = || Error::OutOfMemory { bytes, device: "cpu" };
        let offset = self.top;
        self.top = bytes
            .checked_next_multiple_of(ARENA_ALIGN)
            .and_then(|b| b.checked_add(offset))
            .filter(|&t| t <= isize::MAX as usize / 2)
            .ok_or_else(too_large)?;
        self.peak = self.peak.max(self.top);
        Ok(At { base: 0, offset })
    }
}

/// A raw pointer that tasks of one region may share; who uses it says why that is sound.
#[derive(Clone, Copy)]
pub(crate) struct Raw<T = u8>(pub *mut T);

// SAFETY: only an address; each dereference states why no two threads conflict.
unsafe impl<T> Send for Raw<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Raw<T> {}

impl<T> Raw<T> {
    /// The address (a method, so that closures capture the whole wrapper).
    #[inline(always)]
    pub fn get(self) -> *mut T {
        self.0
    }

    /// `count` elements further.
    ///
    /// # Safety
    /// As [`pointer::add`].
    #[inline(always)]
    pub unsafe fn add(self, count: usize) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(count) }
    }
}
