//! Device memory: buffers recycled by size class, copies from and to the host.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxhorn_core::device::MemoryStats;
use oxhorn_core::{Buffer, Error, Result};
use rustc_hash::FxHashMap;
use wgpu::{BufferDescriptor, BufferUsages};

use crate::NAME;
use crate::device::{Shared, lock};

/// Smallest buffer.
const SMALLEST: u64 = 256;
/// Memory kept for reuse, at most.
const POOL_LIMIT: u64 = 1 << 29;
/// Bytes of uploads that may wait for a submission.
const WAITING_LIMIT: u64 = 1 << 26;

/// A buffer and a number that is its own for the life of the device.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub buffer: wgpu::Buffer,
    pub id: u64,
}

/// Memory given out and taken back.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    state: Mutex<PoolState>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct PoolState {
    free: FxHashMap<u64, Vec<Block>>,
    stats: MemoryStats,
    /// Bytes of uploads since the last submission.
    waiting: u64,
}

/// The size of the class of buffers that hold `bytes`: four between one power of two and the next.
fn class(bytes: u64) -> u64 {
    let bytes = bytes.max(SMALLEST);
    bytes.next_multiple_of(bytes.next_power_of_two() / 8).next_multiple_of(SMALLEST)
}

/// A buffer on loan from the pool.
pub(crate) struct Memory {
    pub block: Block,
    size: u64,
    shared: Arc<Shared>,
}

impl Memory {
    /// `bytes` of device memory, with anything in it; the buffer may be larger.
    pub fn new(shared: &Arc<Shared>, bytes: usize) -> Result<Self> {
        let too_large = || Error::OutOfMemory { bytes, device: NAME };
        // Room for words and the smallest binding behind the last byte.
        let wanted = u64::try_from(bytes).ok().and_then(|b| b.checked_add(16)).ok_or_else(too_large)?;
        let limit = shared.limits.max_buffer_size;
        if wanted > limit {
            return Err(too_large());
        }
        let size = class(wanted).min(limit / 4 * 4);
        let pooled = lock(&shared.pool.state).free.get_mut(&size).and_then(Vec::pop);
        let block = match pooled {
            Some(block) => {
                lock(&shared.pool.state).stats.pooled_bytes -= size as usize;
                block
            }
            None => shared.create(size).or_else(|error| {
                shared.trim();
                shared.create(size).map_err(|_| error)
            })?,
        };
        let mut state = lock(&shared.pool.state);
        let stats = &mut state.stats;
        stats.live_bytes += size as usize;
        stats.live_buffers += 1;
        stats.peak_bytes = stats.peak_bytes.max(stats.live_bytes);
        drop(state);
        Ok(Self { block, size, shared: shared.clone() })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.pool.state);
        let size = self.size as usize;
        state.stats.live_bytes -= size;
        state.stats.live_buffers -= 1;
        if state.stats.pooled_bytes + size <= POOL_LIMIT as usize && self.shared.is_alive() {
            state.stats.pooled_bytes += size;
            state.free.entry(self.size).or_default().push(self.block.clone());
        }
    }
}

impl Shared {
    /// A new buffer of the device.
    fn create(&self, size: u64) -> Result<Block> {
        let usage =
            BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = self.attempt(|device| {
            device.create_buffer(&BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        });
        let buffer = buffer.map_err(|error| match error {
            Error::OutOfMemory { .. } => Error::OutOfMemory { bytes: size as usize, device: NAME },
            other => other,
        })?;
        Ok(Block { buffer, id: self.pool.next.fetch_add(1, Relaxed) })
    }

    /// Gives memory kept for reuse back.
    pub fn trim(&self) {
        let mut state = lock(&self.pool.state);
        state.free.clear();
        state.stats.pooled_bytes = 0;
    }

    pub fn memory_stats(&self) -> MemoryStats {
        lock(&self.pool.state).stats
    }

    /// Copies `bytes` to the start of a buffer, before whatever is submitted next.
    pub fn write(&self, buffer: &wgpu::Buffer, offset: usize, bytes: &[u8]) {
        let whole = bytes.len() / 4 * 4;
        self.queue.write_buffer(buffer, offset as u64, &bytes[..whole]);
        if whole < bytes.len() {
            let mut last = [0u8; 4];
            last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
            self.queue.write_buffer(buffer, (offset + whole) as u64, &last);
        }
        let waiting = {
            let mut state = lock(&self.pool.state);
            state.waiting += bytes.len() as u64;
            if state.waiting > WAITING_LIMIT { std::mem::take(&mut state.waiting) } else { 0 }
        };
        if waiting > 0 {
            self.queue.submit([]);
        }
    }

    /// A copy of `bytes` bytes of a buffer from `offset`, a multiple of 4, on.
    pub fn read(&self, buffer: &wgpu::Buffer, offset: usize, bytes: usize) -> Result<Vec<u8>> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let size = (bytes as u64).next_multiple_of(4);
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = self.attempt(|device| {
            device.create_buffer(&BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        })?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, offset as u64, &staging, 0, Some(size));
        let index = self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is there until the wait below has ended.
            let _ = sender.send(result);
        });
        self.wait(index)?;
        // Another thread that waits may have taken the callback and be about to run it.
        let mapped = loop {
            match receiver.recv_timeout(Duration::from_millis(1)) {
                Ok(mapped) => break mapped,
                Err(RecvTimeoutError::Disconnected) => return Err(self.error("a buffer could not be read")),
                Err(RecvTimeoutError::Timeout) => {
                    self.check()?;
                    // Fails only on a lost device, which the next check reports.
                    let _ = self.device.poll(wgpu::PollType::Poll);
                }
            }
        };
        if let Err(error) = mapped {
            self.check()?;
            return Err(self.error(&error.to_string()));
        }
        let view = staging.get_mapped_range(..).map_err(|e| self.error(&e.to_string()))?;
        Ok(view[..bytes].to_vec())
    }
}

/// A buffer that owns its memory.
pub struct WgpuBuffer {
    memory: Memory,
    len: usize,
}

impl WgpuBuffer {
    /// A buffer over `len` bytes of memory that only plans write.
    pub(crate) fn new(memory: Memory, len: usize) -> Self {
        Self { memory, len }
    }

    pub(crate) fn block(&self) -> &Block {
        &self.memory.block
    }

    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.memory.shared, shared)
    }
}

impl Buffer for WgpuBuffer {
    fn len(&self) -> usize {
        self.len
    }

    fn host_bytes(&self) -> Option<&[u8]> {
        None
    }

    fn to_host(&self) -> Result<Vec<u8>> {
        self.memory.shared.read(&self.memory.block.buffer, 0, self.len)
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl fmt::Debug for WgpuBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WgpuBuffer({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_tight() {
        for bytes in (1..5000).chain([1 << 20, (1 << 20) + 1, (1 << 31) - 5]) {
            let size = class(bytes);
            assert!(
                size >= bytes && size % 4 == 0 && size <= (bytes + bytes / 4 + SMALLEST),
                "{bytes} {size}"
            );
            assert_eq!(class(size), size);
        }
    }
}
