//! The CPU as a device.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use oxhorn_core::device::{BufferRef, MemoryStats};
use oxhorn_core::{Buffer, Device, Executable, Plan, Result};

use crate::executable::CpuExecutable;
use crate::memory::{Allocator, CpuBuffer};
use crate::pool::ThreadPool;

/// What the device's executables share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub allocator: Arc<Allocator>,
    pool: RwLock<Arc<ThreadPool>>,
}

impl Shared {
    /// The thread pool in use now.
    pub fn pool(&self) -> Arc<ThreadPool> {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The host's processor and memory.
#[derive(Debug, Clone)]
pub struct CpuDevice {
    shared: Arc<Shared>,
}

impl CpuDevice {
    /// A device that computes on `threads` threads, the caller's included (0 counts as 1).
    pub fn new(threads: usize) -> Self {
        let pool = RwLock::new(Arc::new(ThreadPool::new(threads)));
        Self { shared: Arc::new(Shared { allocator: Arc::default(), pool }) }
    }

    /// Changes the number of threads for the runs that start from now on. Results do not depend on it.
    pub fn set_num_threads(&self, threads: usize) {
        if threads.max(1) == self.num_threads() {
            return;
        }
        let new = Arc::new(ThreadPool::new(threads));
        let old = {
            let mut pool = self.shared.pool.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *pool, new)
        };
        drop(old); // joins its threads, outside the lock, unless a run still uses it
    }

    /// Number of threads in use.
    pub fn num_threads(&self) -> usize {
        self.shared.pool().threads()
    }

    /// Returns memory kept for reuse to the system.
    pub fn trim_memory(&self) {
        self.shared.allocator.trim();
    }

    /// The device's allocator, for buffers that the caller fills in place.
    pub fn allocator(&self) -> &Arc<Allocator> {
        &self.shared.allocator
    }
}

impl Device for CpuDevice {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn threads(&self) -> usize {
        self.num_threads()
    }

    fn compile(&self, plan: Plan) -> Result<Arc<dyn Executable>> {
        Ok(Arc::new(CpuExecutable::new(plan, self.shared.clone())?))
    }

    fn upload(&self, bytes: &[u8]) -> Result<BufferRef> {
        Ok(Arc::new(CpuBuffer::copy_of(&self.shared.allocator, bytes)?))
    }

    fn zeros(&self, len: usize) -> Result<BufferRef> {
        Ok(Arc::new(CpuBuffer::zeros(&self.shared.allocator, len)?))
    }

    fn holds(&self, buffer: &dyn Buffer) -> bool {
        buffer.host_bytes().is_some()
    }

    fn wants_blocks(&self) -> bool {
        true
    }

    fn memory_stats(&self) -> MemoryStats {
        self.shared.allocator.stats()
    }
}

impl Executable for CpuExecutable {
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
