//! Host memory: 64-byte aligned blocks, recycled by size class, and the buffers made of them.

use std::alloc::Layout;
use std::any::Any;
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxhorn_core::device::{BufferRef, MemoryStats};
use oxhorn_core::plan::ARENA_ALIGN;
use oxhorn_core::{Buffer, Error, Result};

/// Blocks of up to 2^`LARGEST_LOG` bytes are recycled; larger ones go straight back to the system.
const LARGEST_LOG: usize = 36;
/// Smallest block: one cache line.
const SMALLEST_LOG: usize = 6;
/// Four classes between one power of two and the next, so at most a quarter of a block is unused.
const CLASSES: usize = (LARGEST_LOG - SMALLEST_LOG) * 4 + 1;
/// Memory kept for reuse, at most.
const POOL_LIMIT: usize = 1 << 30;

/// Index of the smallest class that holds `len` bytes, and that class's size; `None` when too large.
fn class_of(len: usize) -> Option<(usize, usize)> {
    let len = len.max(1 << SMALLEST_LOG);
    if len > 1 << LARGEST_LOG {
        return None;
    }
    // len = 2^log * (1 + quarter / 4 + rest)
    let log = (usize::BITS - 1 - len.leading_zeros()) as usize;
    let step = 1usize << (log - 2);
    let quarters = (len - (1 << log)).div_ceil(step);
    Some(((log - SMALLEST_LOG) * 4 + quarters, (1 << log) + quarters * step))
}

/// A system allocation, owned; freed by [`Allocator`] only.
struct Block(NonNull<u8>);

// SAFETY: a block is plain memory with one owner; nothing about it is tied to a thread.
unsafe impl Send for Block {}

fn layout(size: usize) -> Result<Layout> {
    Layout::from_size_align(size, ARENA_ALIGN).map_err(|_| Error::OutOfMemory { bytes: size, device: "cpu" })
}

/// Gives out memory and takes it back, keeps some for reuse and counts it.
pub struct Allocator {
    free: Vec<Mutex<Vec<Block>>>,
    live_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
    pooled_bytes: AtomicUsize,
    live_buffers: AtomicUsize,
}

impl Default for Allocator {
    fn default() -> Self {
        Self {
            free: (0..CLASSES).map(|_| Mutex::default()).collect(),
            live_bytes: AtomicUsize::new(0),
            peak_bytes: AtomicUsize::new(0),
            pooled_bytes: AtomicUsize::new(0),
            live_buffers: AtomicUsize::new(0),
        }
    }
}

impl Allocator {
    /// `len` bytes aligned to a cache line, with whatever they contained before.
    pub fn allocate(self: &Arc<Self>, len: usize) -> Result<Memory> {
        self.allocate_with(len, false)
    }

    /// `len` zero bytes aligned to a cache line.
    pub fn allocate_zeroed(self: &Arc<Self>, len: usize) -> Result<Memory> {
        self.allocate_with(len, true)
    }

    fn allocate_with(self: &Arc<Self>, len: usize, zeroed: bool) -> Result<Memory> {
        let class = class_of(len);
        let size = class.map_or(len, |(_, size)| size);
        let pooled = class.and_then(|(index, _)| self.bin(index).pop());
        let pointer = match pooled {
            Some(Block(pointer)) => {
                self.pooled_bytes.fetch_sub(size, Relaxed);
                // SAFETY: the block has `size >= len` bytes and nobody else has it.
                zeroed.then(|| unsafe { pointer.as_ptr().write_bytes(0, len) });
                pointer
            }
            None => {
                let layout = layout(size)?;
                // Always zeroed, so that no memory of ours is ever uninitialised; blocks are reused anyway.
                // SAFETY: `size` is at least one cache line.
                let raw = unsafe { std::alloc::alloc_zeroed(layout) };
                NonNull::new(raw).ok_or(Error::OutOfMemory { bytes: len, device: "cpu" })?
            }
        };
        let live = self.live_bytes.fetch_add(size, Relaxed) + size;
        self.peak_bytes.fetch_max(live, Relaxed);
        self.live_buffers.fetch_add(1, Relaxed);
        Ok(Memory { pointer, len, size, home: self.clone() })
    }

    fn bin(&self, index: usize) -> MutexGuard<'_, Vec<Block>> {
        // A poisoned lock only means that another thread panicked while pushing or popping.
        self.free[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, pointer: NonNull<u8>, size: usize) {
        self.live_bytes.fetch_sub(size, Relaxed);
        self.live_buffers.fetch_sub(1, Relaxed);
        if let Some((index, _)) = class_of(size)
            && self.pooled_bytes.fetch_add(size, Relaxed) + size <= POOL_LIMIT
        {
            self.bin(index).push(Block(pointer));
            return;
        }
        if class_of(size).is_some() {
            self.pooled_bytes.fetch_sub(size, Relaxed);
        }
        free(pointer, size);
    }

    /// Returns everything kept for reuse to the system.
    pub fn trim(&self) {
        for index in 0..CLASSES {
            let blocks = std::mem::take(&mut *self.bin(index));
            let size = class_size(index);
            self.pooled_bytes.fetch_sub(blocks.len() * size, Relaxed);
            for Block(pointer) in blocks {
                free(pointer, size);
            }
        }
    }

    /// Bytes in use, at most in use so far, and kept for reuse.
    pub fn stats(&self) -> MemoryStats {
        MemoryStats {
            live_bytes: self.live_bytes.load(Relaxed),
            peak_bytes: self.peak_bytes.load(Relaxed),
            pooled_bytes: self.pooled_bytes.load(Relaxed),
            live_buffers: self.live_buffers.load(Relaxed),
        }
    }
}

fn class_size(index: usize) -> usize {
    let base = 1usize << (SMALLEST_LOG + index / 4);
    base + (index % 4) * (base / 4)
}

fn free(pointer: NonNull<u8>, size: usize) {
    if let Ok(layout) = layout(size) {
        // SAFETY: allocated in `allocate_with` with this very size and alignment, and owned by the caller.
        unsafe { std::alloc::dealloc(pointer.as_ptr(), layout) };
    }
}

impl Drop for Allocator {
    fn drop(&mut self) {
        self.trim();
    }
}

impl fmt::Debug for Allocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Allocator({:?})", self.stats())
    }
}

/// A block of memory on loan from an [`Allocator`], with zeros or old data in it. Nothing here reads or
/// writes it: who holds a `Memory` decides who may touch its bytes.
pub struct Memory {
    pointer: NonNull<u8>,
    len: usize,
    size: usize,
    home: Arc<Allocator>,
}

// SAFETY: plain memory; the pointer is only dereferenced by code that ensures exclusive or shared access.
unsafe impl Send for Memory {}
// SAFETY: as above: `&Memory` gives out only the address.
unsafe impl Sync for Memory {}

impl Memory {
    /// First byte.
    pub fn as_ptr(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// Bytes that may be used.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.home.release(self.pointer, self.size);
    }
}

/// A buffer that owns its memory.
pub struct CpuBuffer {
    memory: Memory,
}

impl CpuBuffer {
    /// A buffer over memory that nobody writes any more.
    pub(crate) fn new(memory: Memory) -> Self {
        Self { memory }
    }

    /// A buffer with a copy of `bytes`.
    pub fn copy_of(allocator: &Arc<Allocator>, bytes: &[u8]) -> Result<Self> {
        let memory = allocator.allocate(bytes.len())?;
        // SAFETY: the new memory has room for `bytes` and cannot overlap it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory.as_ptr(), bytes.len()) };
        Ok(Self { memory })
    }

    /// A buffer of zeros.
    pub fn zeros(allocator: &Arc<Allocator>, len: usize) -> Result<Self> {
        Ok(Self { memory: allocator.allocate_zeroed(len)? })
    }

    /// First byte. Writing there takes the same care as any raw pointer: the executable does so only
    /// while it holds the one reference to the buffer.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.memory.as_ptr()
    }
}

impl Buffer for CpuBuffer {
    fn len(&self) -> usize {
        self.memory.len()
    }

    fn host_bytes(&self) -> Option<&[u8]> {
        // SAFETY: the allocator's memory is initialised, and written by nobody while shared: plans write
        // only buffers whose `Arc` is unique.
        Some(unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.memory.len()) })
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl fmt::Debug for CpuBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuBuffer({} bytes)", self.memory.len())
    }
}

/// Memory lent by somebody else (NumPy, DLPack, a memory map): read in place, never written, given
/// back by dropping its owner.
pub struct ForeignBuffer {
    pointer: NonNull<u8>,
    len: usize,
    owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the constructor's contract says that the memory may be read from any thread.
unsafe impl Send for ForeignBuffer {}
// SAFETY: as above; it is never written.
unsafe impl Sync for ForeignBuffer {}

impl ForeignBuffer {
    /// A buffer over `len` bytes at `pointer`, which stay valid until `owner` is dropped.
    ///
    /// Any alignment will do: the executable copies what is not aligned to its dtype.
    ///
    /// # Safety
    /// `pointer` is valid for reads of `len` bytes from any thread, and nobody writes there, until
    /// `owner` has been dropped. Dropping `owner` on any thread is sound.
    pub unsafe fn new(pointer: *const u8, len: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        let pointer = NonNull::new(pointer.cast_mut()).unwrap_or(NonNull::dangling());
        Self { pointer, len, owner }
    }

    /// Who keeps the memory.
    pub fn owner(&self) -> &(dyn Any + Send + Sync) {
        &*self.owner
    }
}

impl Buffer for ForeignBuffer {
    fn len(&self) -> usize {
        self.len
    }

    fn host_bytes(&self) -> Option<&[u8]> {
        // SAFETY: readable for as long as `owner` lives, which is as long as `self`.
        Some(unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.len) })
    }

    fn is_writable(&self) -> bool {
        false
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl fmt::Debug for ForeignBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignBuffer({} bytes)", self.len)
    }
}

/// The host address of any buffer that the host can read.
pub(crate) fn address(buffer: &BufferRef) -> Option<*const u8> {
    match buffer.as_any().downcast_ref::<CpuBuffer>() {
        // Not through `host_bytes`: the plan may write here later, so no shared slice must exist.
        Some(own) => Some(own.as_ptr().cast_const()),
        None => buffer.host_bytes().map(<[u8]>::as_ptr),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_tight_and_consistent() {
        for len in (0..5000).chain([1 << 20, (1 << 20) + 1, (1 << 36) - 1, 1 << 36]) {
            let (index, size) = class_of(len).unwrap();
            assert_eq!(class_size(index), size);
            assert!(size >= len && (size <= 64 || size <= len + len / 4 + 1), "{len} -> {size}");
            assert_eq!(class_of(size), Some((index, size)));
        }
        assert_eq!(class_of((1 << 36) + 1), None);
    }

    #[test]
    fn memory_is_counted_and_reused() {
        let home = Arc::new(Allocator::default());
        let first = home.allocate(1000).unwrap();
        let address = first.as_ptr();
        assert_eq!(address as usize % ARENA_ALIGN, 0);
        assert_eq!(home.stats().live_buffers, 1);
        assert_eq!(home.stats().live_bytes, 1024);
        drop(first);
        assert_eq!(
            home.stats(),
            MemoryStats { live_bytes: 0, peak_bytes: 1024, pooled_bytes: 1024, live_buffers: 0 }
        );
        let again = home.allocate(1020).unwrap();
        assert_eq!(again.as_ptr(), address);
        assert_eq!(home.stats().pooled_bytes, 0);
        drop(again);
        home.trim();
        assert_eq!(home.stats().pooled_bytes, 0);
    }

    #[test]
    fn zeros_are_zero_after_reuse() {
        let home = Arc::new(Allocator::default());
        drop(CpuBuffer::copy_of(&home, &[7; 100]).unwrap());
        let zeros = CpuBuffer::zeros(&home, 100).unwrap();
        assert_eq!(zeros.host_bytes(), Some(&[0u8; 100][..]));
    }

    #[test]
    fn absurd_sizes_are_errors() {
        let home = Arc::new(Allocator::default());
        assert!(matches!(home.allocate(usize::MAX), Err(Error::OutOfMemory { .. })));
        assert!(matches!(home.allocate(isize::MAX as usize - 64), Err(Error::OutOfMemory { .. })));
    }

    #[test]
    fn foreign_memory_is_read_only_and_released() {
        let data = vec![1u8, 2, 3];
        let pointer = data.as_ptr();
        let token = Arc::new(());
        // SAFETY: `data` moves into the owner, its heap block stays where it is.
        let buffer = unsafe { ForeignBuffer::new(pointer, 3, Box::new((data, token.clone()))) };
        assert!(!buffer.is_writable());
        assert_eq!(buffer.host_bytes(), Some(&[1u8, 2, 3][..]));
        drop(buffer);
        assert_eq!(Arc::strong_count(&token), 1);
    }
}
