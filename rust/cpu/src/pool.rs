//! A thread pool for regions of a few microseconds.
//!
//! A plan runs hundreds of short parallel loops back to back, so what counts is the time to enter
//! and leave one. The caller takes part; workers spin for a moment after each region and only then
//! sleep; the caller never waits for a worker that has not joined, so a region costs little more
//! than its work even when another process holds the second core.
//!
//! One word, the gate, is the whole protocol: it holds the region's number, whether the region is
//! open, and how many workers are inside. A worker joins by raising the count while the region is
//! open; the caller closes it when the tasks have run out and waits until the count is zero. The
//! job's fields are written only while the gate is closed with nobody inside.

use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an idle worker looks for the next region before it sleeps.
const SPIN: Duration = Duration::from_micros(40);

/// Workers inside the region: the low bits of the gate.
const INSIDE: u64 = 0xffff;
/// Set while workers may join.
const OPEN: u64 = 1 << 16;
/// Set once, when the pool is dropped.
const SHUTDOWN: u64 = 1 << 17;
/// The region's number counts in units of this.
const REGION: u64 = 1 << 18;

/// The tasks of the open region.
struct Job {
    task: *const (dyn Fn(usize) + Sync),
    tasks: usize,
}

/// A value alone on its cache line(s).
#[repr(align(128))]
struct Line<T>(T);

struct Shared {
    gate: Line<AtomicU64>,
    cursor: Line<AtomicUsize>,
    /// Held by the thread whose region is running.
    busy: Line<AtomicBool>,
    job: UnsafeCell<Job>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// One flag per worker: it sleeps or is about to.
    asleep: Box<[Line<AtomicBool>]>,
}

// SAFETY: `job` is the only field that is not Sync. It is written by the holder of `busy` while the
// gate is closed with nobody inside, and read by workers that are counted inside; the gate's
// release/acquire operations order the two. The closure that it points to is Sync.
unsafe impl Sync for Shared {}
// SAFETY: as above; nothing in it is tied to a thread.
unsafe impl Send for Shared {}

/// A fixed set of threads that run the tasks of one region at a time.
///
/// Results must not depend on which thread runs a task; kernels split their work by size alone.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool").field("threads", &self.threads()).finish()
    }
}

impl ThreadPool {
    /// A pool of `threads` threads, the caller counted: `threads - 1` are started (at most 4096; fewer
    /// when the system refuses to start one). 0 counts as 1.
    pub fn new(threads: usize) -> Self {
        let extra = threads.clamp(1, 4096) - 1;
        let shared = Arc::new(Shared {
            gate: Line(AtomicU64::new(0)),
            cursor: Line(AtomicUsize::new(0)),
            busy: Line(AtomicBool::new(false)),
            job: UnsafeCell::new(Job { task: &|_| {}, tasks: 0 }),
            panic: Mutex::new(None),
            asleep: (0..extra).map(|_| Line(AtomicBool::new(false))).collect(),
        });
        let start = |i: usize| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("oxhorn-{}", i + 1)).spawn(move || shared.work(i)).ok()
        };
        let workers = (0..extra).map_while(start).collect();
        Self { shared, workers }
    }

    /// Threads that take part in a region, the caller counted.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(0)`, ..., `task(tasks - 1)`, each once, on the caller and the workers, and returns
    /// when all are done. Inside a task, and while another thread's region runs, it runs them all on
    /// the calling thread.
    ///
    /// # Panics
    /// When a task panics: with the first payload, after every thread has left the region. Tasks that
    /// had not started by then do not run.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if tasks <= 1 || self.workers.is_empty() || self.shared.busy.0.swap(true, Ordering::Acquire) {
            (0..tasks).for_each(task);
            return;
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime is erased. The pointer is used by workers inside the region, and
        // this function does not return or unwind before the last one has left.
        let erased: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(task) };
        // SAFETY: this thread holds `busy` and the gate is closed with nobody inside.
        unsafe { *shared.job.get() = Job { task: erased, tasks } };
        shared.cursor.0.store(0, Ordering::Relaxed);
        let region = (shared.gate.0.load(Ordering::Relaxed) & !(OPEN | INSIDE)).wrapping_add(REGION);
        // SeqCst here and in `sleep`: either the worker sees the region or we see that it sleeps.
        shared.gate.0.store(region | OPEN, Ordering::SeqCst);
        for (worker, asleep) in self.workers.iter().zip(&shared.asleep).take(tasks - 1) {
            if asleep.0.load(Ordering::SeqCst) {
                worker.thread().unpark();
            }
        }

        shared.take_tasks(task, tasks);

        let mut gate = shared.gate.0.fetch_and(!OPEN, Ordering::AcqRel);
        let mut turns = 0u32;
        while gate & INSIDE != 0 {
            turns = turns.saturating_add(1);
            if turns < 4096 {
                std::hint::spin_loop()
            } else {
                std::thread::yield_now()
            }
            gate = shared.gate.0.load(Ordering::Acquire);
        }
        let panic = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        shared.busy.0.store(false, Ordering::Release);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.gate.0.fetch_or(SHUTDOWN, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker cannot panic: its tasks' panics are caught.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// Runs tasks until none is left.
    fn take_tasks(&self, task: &(dyn Fn(usize) + Sync), tasks: usize) {
        let run = || {
            loop {
                let i = self.cursor.0.fetch_add(1, Ordering::Relaxed);
                if i >= tasks {
                    break;
                }
                task(i);
            }
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            // Half of `usize::MAX` leaves room for the other threads' increments.
            self.cursor.0.store(usize::MAX / 2, Ordering::Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
    }

    /// The life of worker `index`.
    fn work(&self, index: usize) {
        let mut done = 0;
        loop {
            let gate = self.next_region(index, done);
            if gate & SHUTDOWN != 0 {
                return;
            }
            if self.gate.0.compare_exchange_weak(gate, gate + 1, Ordering::AcqRel, Ordering::Relaxed).is_err()
            {
                continue; // closed or changed meanwhile: look again
            }
            done = gate & !(OPEN | INSIDE);
            // SAFETY: this worker is counted inside the region, so the job is not written and its
            // closure is alive until the count goes down.
            let (task, tasks) = unsafe {
                let job = &*self.job.get();
                (&*job.task, job.tasks)
            };
            self.take_tasks(task, tasks);
            self.gate.0.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The gate once it shows an open region other than `done`, or shutdown: spins, then sleeps.
    fn next_region(&self, index: usize, done: u64) -> u64 {
        let ready = |gate: u64| {
            gate & SHUTDOWN != 0
                || (gate & OPEN != 0 && gate & !(OPEN | INSIDE) != done && gate & INSIDE != INSIDE)
        };
        let start = Instant::now();
        loop {
            for _ in 0..32 {
                let gate = self.gate.0.load(Ordering::Acquire);
                if ready(gate) {
                    return gate;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN {
                break;
            }
        }
        self.asleep[index].0.store(true, Ordering::SeqCst);
        let gate = loop {
            let gate = self.gate.0.load(Ordering::SeqCst);
            if ready(gate) {
                break gate;
            }
            std::thread::park();
        };
        self.asleep[index].0.store(false, Ordering::SeqCst);
        gate
    }
}

/// Calls `body` on consecutive ranges of at most `grain` that cover `0..n`, in parallel. The ranges
/// depend on `n` and `grain` alone.
pub fn parallel_for(pool: &ThreadPool, n: usize, grain: usize, body: impl Fn(Range<usize>) + Sync) {
    let grain = grain.max(1);
    match n {
        0 => {}
        n if n <= grain => body(0..n),
        _ => pool.run(n.div_ceil(grain), &|i| body(i * grain..n.min((i + 1) * grain))),
    }
}

/// A shared pointer to memory that tasks write in disjoint parts.
#[derive(Clone, Copy)]
pub struct SharedMut<T>(*mut T, usize);

// SAFETY: handing out parts is unsafe, and its contract (disjoint parts) is what makes it sound.
unsafe impl<T: Send> Sync for SharedMut<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for SharedMut<T> {}

impl<T> SharedMut<T> {
    /// Wraps a slice for the tasks of one region.
    pub fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr(), slice.len())
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.1 == 0
    }

    /// The first element's address.
    pub fn as_ptr(&self) -> *mut T {
        self.0
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// The slice given to [`SharedMut::new`] must still be borrowed, and no other reference to an
    /// element of the range may exist while the result lives.
    ///
    /// # Panics
    /// When the range leaves the slice.
    #[expect(clippy::mut_from_ref, reason = "parts are disjoint by contract")]
    pub unsafe fn slice(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.1, "range {range:?} of {} elements", self.1);
        // SAFETY: in bounds by the assertion, exclusive by the contract.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.end - range.start) }
    }
}

/// Threads to use when the user says nothing: `OXHORN_NUM_THREADS` if that is a positive number, else
/// the physical cores that this process may use (logical ones where the system does not tell).
pub fn default_threads() -> usize {
    let asked =
        std::env::var("OXHORN_NUM_THREADS").ok().and_then(|s| s.trim().parse().ok()).filter(|&n| n > 0);
    asked.unwrap_or_else(|| {
        let logical = std::thread::available_parallelism().map_or(1, usize::from);
        physical_cores().map_or(logical, |cores| cores.clamp(1, logical))
    })
}

/// Cores as Linux's sysfs lists them: one set of sibling threads each.
fn physical_cores() -> Option<usize> {
    let siblings = std::fs::read_dir("/sys/devices/system/cpu").ok()?.flatten().filter_map(|entry| {
        let digits = entry.file_name().to_str()?.strip_prefix("cpu")?.to_owned();
        digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        std::fs::read_to_string(entry.path().join("topology/thread_siblings_list")).ok()
    });
    let cores = siblings.collect::<std::collections::HashSet<_>>().len();
    (cores > 0).then_some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in [0, 1, 2, 3, 8] {
            let pool = ThreadPool::new(threads);
            assert_eq!(pool.threads(), threads.max(1));
            for tasks in [0, 1, 2, 3, 7, 100, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn many_short_regions_and_sleeps_between() {
        let pool = ThreadPool::new(4);
        let sum = AtomicUsize::new(0);
        for round in 0..3000 {
            pool.run(5, &|i| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
            if round % 500 == 0 {
                std::thread::sleep(Duration::from_millis(1)); // workers park
            }
        }
        assert_eq!(sum.into_inner(), 30_000);
    }

    #[test]
    fn several_callers_and_nested_regions() {
        let pool = ThreadPool::new(3);
        let sum = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        pool.run(4, &|_| {
                            pool.run(3, &|i| {
                                sum.fetch_add(i, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), 4 * 200 * 4 * 3);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = ThreadPool::new(3);
        for _ in 0..50 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(64, &|i| assert_ne!(i, 13, "unlucky"));
            }));
            let payload = result.expect_err("task 13 panics");
            assert!(payload.downcast_ref::<String>().is_some_and(|s| s.contains("unlucky")));
            let sum = AtomicUsize::new(0);
            pool.run(10, &|i| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }

    #[test]
    fn parallel_for_covers_the_range_in_fixed_parts() {
        let pool = ThreadPool::new(2);
        for (n, grain) in [(0, 4), (1, 4), (4, 4), (5, 4), (1000, 7), (10, 0)] {
            let parts = Mutex::new(Vec::new());
            parallel_for(&pool, n, grain, |r| parts.lock().expect("lock").push((r.start, r.end)));
            let mut parts = parts.into_inner().expect("lock");
            parts.sort_unstable();
            let expected: Vec<_> =
                (0..n).step_by(grain.max(1)).map(|i| (i, n.min(i + grain.max(1)))).collect();
            assert_eq!(parts, expected);
        }
    }

    #[test]
    fn shared_parts_are_disjoint() {
        let pool = ThreadPool::new(2);
        let mut data = vec![0usize; 100];
        let shared = SharedMut::new(&mut data);
        parallel_for(&pool, 100, 9, |r| {
            // SAFETY: the ranges do not overlap.
            let part = unsafe { shared.slice(r.clone()) };
            part.iter_mut().zip(r).for_each(|(x, i)| *x = i);
        });
        assert!(data.iter().enumerate().all(|(i, &x)| i == x));
    }

    #[test]
    fn default_thread_count_is_positive() {
        assert!(default_threads() >= 1);
    }
}
