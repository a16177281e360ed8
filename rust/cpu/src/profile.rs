//! Time per instruction, for whoever tunes a program or a kernel: set `OXHORN_PROFILE` before the first run.
//!
//! Instructions that print alike, wherever they stand, are counted together. An instruction with programs
//! inside (a scan) includes their time. Nothing is measured, and nothing costs anything, when it is not asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oxhorn_core::plan::Step;

use crate::step::Task;

/// How often an instruction ran, and how long in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The instruction with the types of its operands, as plans print it.
    pub instruction: String,
    /// Number of runs.
    pub calls: u64,
    /// Wall-clock time of all runs.
    pub time: Duration,
}

#[derive(Debug, Default)]
struct Counter {
    calls: AtomicU64,
    nanoseconds: AtomicU64,
}

static ON: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("OXHORN_PROFILE").is_some_and(|v| !v.is_empty()));
static COUNTERS: LazyLock<Mutex<HashMap<String, Arc<Counter>>>> = LazyLock::new(Mutex::default);

/// The task with its time taken, if that is asked for.
pub(crate) fn measured(step: &Step, task: Task) -> Task {
    if !*ON {
        return task;
    }
    let mut counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    let counter = counters.entry(step.to_string()).or_default().clone();
    Box::new(move |frame| {
        let start = Instant::now();
        task(frame);
        counter.calls.fetch_add(1, Relaxed);
        counter.nanoseconds.fetch_add(start.elapsed().as_nanos() as u64, Relaxed);
    })
}

/// What has been measured so far, the longest first; nothing unless `OXHORN_PROFILE` is set.
pub fn profile() -> Vec<Entry> {
    let counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = |(instruction, counter): (&String, &Arc<Counter>)| Entry {
        instruction: instruction.clone(),
        calls: counter.calls.load(Relaxed),
        time: Duration::from_nanos(counter.nanoseconds.load(Relaxed)),
    };
    let mut entries: Vec<Entry> = counters.iter().map(entry).filter(|e| e.calls > 0).collect();
    entries.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.instruction.cmp(&b.instruction)));
    entries
}
